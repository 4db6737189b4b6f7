"""What always holds between the database and the truth at the upstreams."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import AttemptId, VideoId
from tallylight.model.ledger import EntryState, LedgerEntry, scopes_of
from tallylight.model.money import to_micro_usd
from tallylight.model.video import Video, VideoStatus
from tests.jobs.upstream_twins import REFUNDING, STALL_SECONDS, JobTruth, TwinJob, Twins
from tests.jobs.world_configuration import ENDPOINTS, LIMIT_OF_ALL, LIMIT_OF_KEY
from tests.jobs.world_database import Stored

HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Callers:
    """What callers asked for, and what they were told.

    Args:
        once: Prompts of requests with an idempotency key: there may be one video of each.
        granted: How many requests with a prompt were not refused: those must cost nothing.
        told: The videos of creates, as these returned them first.
        deleted: The videos that they deleted, or tried to: the content goes first, then the row.
    """

    once: set[str] = field(default_factory=set)
    granted: Counter[str] = field(default_factory=Counter)
    told: dict[VideoId, Video] = field(default_factory=dict)
    deleted: set[VideoId] = field(default_factory=set)


class Checks:
    """Compares the database with the truth, and with what the database said before."""

    def __init__(self, twins: Twins, callers: Callers) -> None:
        self._twins = twins
        self._callers = callers
        self._videos_of_keys: dict[tuple[str, str], str] = {}
        self._accepted: set[AttemptId] = set()
        self.ends: dict[VideoId, tuple[object, ...]] = {}
        self.prompts: dict[VideoId, str] = {}

    def check(self, stored: Stored, now: datetime) -> None:
        """Check what holds after every step."""
        attempts: dict[VideoId, list[Attempt]] = {VideoId(row.id): [] for row in stored.videos}
        for attempt in stored.attempts:
            attempts[attempt.video].append(attempt)
        for row in stored.videos:
            if row.prompt:  # that of a deleted video is gone
                self.prompts[VideoId(row.id)] = row.prompt
        self._check_jobs(stored)
        self._check_ends(stored, attempts)
        self._check_keys(stored, attempts)
        self._check_money(stored, now)

    def check_end(self, stored: Stored, assets: Iterable[str], senders: Collection[object]) -> None:
        """Check what holds once everything had the time to end.

        Args:
            stored: What the database has.
            assets: The names in the asset store.
            senders: Those that were not killed: what they heard must be recorded.
        """
        named_jobs = {(each.service, each.job_id) for each in stored.attempts}
        for job in self._twins.jobs:
            is_known = (job.upstream, job.id) in named_jobs
            assert is_known or job.heard_by not in senders, "an answer was heard and not recorded"
        assert all(row.ended_at_us is not None for row in stored.videos), "a video has no end"
        assert not any(attempt.is_open for attempt in stored.attempts)
        deleted = self._callers.deleted
        named = {row.asset for row in stored.videos if row.asset and row.id not in deleted}
        assert named <= set(assets), "a video was delivered and is not there"

    def owed(self, stored: Stored, now: datetime) -> set[VideoId]:
        """Return the videos under way that have a job, and time to be delivered by it."""
        jobs = {(job.upstream, job.id) for job in _live(self._twins.jobs)}
        has_job = {each.video for each in stored.attempts if (each.service, each.job_id) in jobs}
        return {
            VideoId(row.id)
            for row in stored.videos
            if row.id in has_job
            and row.ended_at_us is None
            and row.deadline_us > now + timedelta(minutes=8)
        }

    def _check_jobs(self, stored: Stored) -> None:
        live = _live(self._twins.jobs)
        videos = Counter(self.prompts.values())
        risks, attempts = Counter[str](), Counter[tuple[str, str]]()
        refused = Counter[tuple[str, str]]()
        risky = {entry.id for entry in stored.entries if "risks" in entry.note}
        for each in stored.attempts:
            prompt = self.prompts.get(each.video, "")
            risks[prompt] += each.entry in risky
            attempts[prompt, each.service] += 1
            refused[prompt, each.service] += each.state is AttemptState.REFUSED
        for prompt, count in Counter(job.prompt for job in live).items():
            once = prompt in self._callers.once
            most = min(videos[prompt], 1 if once else self._callers.granted[prompt])
            replaced = sum(_is_replaceable(job, live) for job in live if job.prompt == prompt)
            assert count <= most + risks[prompt] + replaced, "paid twice"
        for (upstream, prompt), count in Counter(self._twins.sent).items():
            assert count <= attempts[prompt, upstream], "sent without an intent"
        for (prompt, upstream), count in Counter(
            (j.prompt, j.upstream) for j in self._twins.jobs
        ).items():
            key = (prompt, upstream)
            assert count <= attempts[key] - refused[key], "a refused attempt has a job"
        named = Counter((each.service, each.job_id) for each in stored.attempts if each.job)
        assert max(named.values(), default=0) <= 1, "two attempts have one job"

    def _check_ends(self, stored: Stored, attempts: dict[VideoId, list[Attempt]]) -> None:
        forgotten = {(job.upstream, job.id) for job in self._twins.jobs if job.was_forgotten}
        for row in stored.videos:
            id_ = VideoId(row.id)
            self._accepted |= {a.id for a in attempts[id_] if a.state is AttemptState.ACCEPTED}
            end = (row.status, row.error_code, row.ended_at_us)
            messages = {stored.message_counts.get((id_, name), 0) for name in ENDPOINTS}
            if row.ended_at_us is None:
                assert id_ not in self.ends, "an end was taken back"
                assert messages == {0}, "a webhook before the end"
                continue
            assert self.ends.setdefault(id_, end) == end, "an end changed"
            assert not any(attempt.is_open for attempt in attempts[id_])
            is_completed = row.status == VideoStatus.COMPLETED.value
            is_delivered = any(a.state is AttemptState.DELIVERED for a in attempts[id_])
            assert is_delivered == is_completed
            if row.error_code == "outcome_unknown" and row.ended_at_us < row.deadline_us:
                ignored = (a for a in attempts[id_] if a.state is AttemptState.UNRESOLVED)
                assert not any(
                    a.id in self._accepted and (a.service, a.job_id) not in forgotten
                    for a in ignored
                ), "an acceptance was ignored"
            # A create that still waits for its response reports a failure itself.
            told = self._callers.told.get(id_)
            may_be_told = row.epoch == 1 and (told is None or told.is_terminal)
            allowed = [{1}, {0}] if may_be_told and not is_completed else [{1}]
            assert messages in allowed, "not one webhook"
        assert self.ends.keys() <= attempts.keys()

    def _check_keys(self, stored: Stored, attempts: dict[VideoId, list[Attempt]]) -> None:
        for key, video in stored.keys.items():
            before = self._videos_of_keys.get(key, video)
            self._videos_of_keys[key] = video
            states = {each.state for each in attempts[VideoId(before)]}
            assert before == video or states <= {AttemptState.REFUSED}, "a key made two videos"

    def _check_money(self, stored: Stored, now: datetime) -> None:
        assert stored.spent == _sums(stored, now)
        entries = {entry.id: entry for entry in stored.entries}
        assert {attempt.entry for attempt in stored.attempts} == entries.keys()
        amounts = defaultdict[tuple[str, str], Decimal](Decimal)
        for attempt in stored.attempts:
            entry = entries[attempt.entry]
            assert (entry.state is EntryState.RESERVED) == attempt.is_open
            amounts[self.prompts.get(attempt.video, ""), attempt.service] += entry.amount or 0
        billed = defaultdict[tuple[str, str], Decimal](Decimal)
        jobs = {(job.upstream, job.id): job for job in self._twins.jobs}
        for job in jobs.values():
            billed[job.prompt, job.upstream] += job.billed
        for key, amount in billed.items():
            assert amounts[key] >= amount, "billed more than the ledger says"
        for attempt in stored.attempts:
            if attempt.state in {AttemptState.DELIVERED, AttemptState.FAILED} and attempt.job:
                assert entries[attempt.entry].amount == jobs[attempt.service, attempt.job_id].billed
        recent = [entry for entry in stored.entries if entry.at > now - HOUR]
        assert _total(recent) <= (LIMIT_OF_ALL.per_hour or 0)
        for payer in {entry.payer for entry in recent}:
            assert _total(e for e in recent if e.payer == payer) <= (LIMIT_OF_KEY.per_hour or 0)


def _live(jobs: Sequence[TwinJob]) -> list[TwinJob]:
    return [job for job in jobs if job.truth is not JobTruth.FAILED]


def _is_replaceable(job: TwinJob, others: Sequence[TwinJob]) -> bool:
    """Tell whether a job that is free without a delivery was replaced after it had stalled."""
    return job.upstream == REFUNDING and any(
        other.prompt == job.prompt and other.sent_at >= job.accepted_at + STALL_SECONDS
        for other in others
    )


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
