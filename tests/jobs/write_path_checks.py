"""What always holds between the database and the truth at the upstreams."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import VideoId
from tallylight.model.ledger import EntryState, LedgerEntry, scopes_of
from tallylight.model.money import to_micro_usd
from tallylight.model.video import VideoStatus
from tests.jobs.upstream_twins import JobTruth, Twins
from tests.jobs.write_path import ENDPOINTS, LIMIT_OF_ALL, LIMIT_OF_KEY
from tests.jobs.write_path_database import Stored

HOUR = timedelta(hours=1)


class Checks:
    """Compares the database with the truth, and with what the database said before."""

    def __init__(self) -> None:
        self.ends: dict[VideoId, tuple[object, ...]] = {}
        self._videos_of_keys: dict[tuple[str, str], str] = {}

    def check(self, stored: Stored, twins: Twins, now: datetime) -> None:
        """Check what holds after every step."""
        _check_jobs(stored, twins)
        self._check_ends(stored)
        _check_money(stored, twins, now)
        self._check_keys(stored)

    def _check_ends(self, stored: Stored) -> None:
        states = defaultdict(list)
        for attempt in stored.attempts:
            states[attempt.video].append(attempt)
        for row in stored.videos:
            id_ = VideoId(row.id)
            end = (row.status, row.error_code, row.ended_at_us)
            if row.ended_at_us is None:
                assert id_ not in self.ends, "an end was taken back"
                expected = 0
            else:
                assert self.ends.setdefault(id_, end) == end, "an end changed"
                assert not any(attempt.is_open for attempt in states[id_])
                expected = 1
            for endpoint in ENDPOINTS:
                assert stored.message_counts.get((id_, endpoint), 0) == expected
            is_delivered = any(a.state is AttemptState.DELIVERED for a in states[id_])
            assert is_delivered == (row.status == VideoStatus.COMPLETED.value)
        assert self.ends.keys() <= {row.id for row in stored.videos}

    def _check_keys(self, stored: Stored) -> None:
        for key, video in stored.keys.items():
            assert self._videos_of_keys.setdefault(key, video) == video, "a key made two videos"


def _check_jobs(stored: Stored, twins: Twins) -> None:
    accepted = Counter(job.attempt.video for job in twins.jobs if job.truth is not JobTruth.FAILED)
    assert max(accepted.values(), default=0) <= 1, "paid twice"
    attempts = {attempt.id: attempt for attempt in stored.attempts}
    assert twins.sent <= attempts.keys(), "sent without an intent"
    named = Counter((a.service, a.job) for a in stored.attempts if a.job)
    assert max(named.values(), default=0) <= 1, "two attempts have one job"
    refused = {a.id for a in stored.attempts if a.state is AttemptState.REFUSED}
    assert refused.isdisjoint(job.attempt.id for job in twins.jobs)


def _check_money(stored: Stored, twins: Twins, now: datetime) -> None:
    assert stored.spent == _sums(stored, now)
    entries = {entry.id: entry for entry in stored.entries}
    attempts = {attempt.id: attempt for attempt in stored.attempts}
    assert {attempt.entry for attempt in stored.attempts} == entries.keys()
    for attempt in stored.attempts:
        is_reserved = entries[attempt.entry].state is EntryState.RESERVED
        assert is_reserved == attempt.is_open
    for job in twins.jobs:
        attempt = attempts[job.attempt.id]
        amount = entries[attempt.entry].amount
        assert amount is not None
        assert amount >= job.billed
        if attempt.state in {AttemptState.DELIVERED, AttemptState.FAILED}:
            assert amount == job.billed
    recent = [entry for entry in stored.entries if entry.at > now - HOUR]
    assert _total(recent) <= (LIMIT_OF_ALL.per_hour or 0)
    for key in {entry.payer for entry in recent}:
        assert _total(e for e in recent if e.payer == key) <= (LIMIT_OF_KEY.per_hour or 0)


def _sums(stored: Stored, now: datetime) -> dict[tuple[str, int, int], int]:
    """Return what the running sums have to be, except for minutes that were deleted."""
    sums: Counter[tuple[str, int, int]] = Counter()
    for entry in stored.entries:
        for scope in scopes_of(entry):
            for grain in (60, 3600):
                bucket = int(entry.at.timestamp()) // grain
                sums[scope, grain, bucket] += to_micro_usd(entry.amount or Decimal(0))
    oldest = int((now - HOUR).timestamp()) // 60
    return {
        bucket: micros
        for bucket, micros in sums.items()
        if micros and (bucket[1] == 3600 or bucket[2] >= oldest or bucket in stored.spent)
    }


def _total(entries: Iterable[LedgerEntry]) -> Decimal:
    return sum((entry.amount or Decimal(0) for entry in entries), Decimal(0))
