"""Simulated processes and upstreams around the real write path.

A `Follower` does what the engine does at the level of writes: it records an intent, sends only
after that and in time, reports what it hears, and decides only from the version that it knows.
Nothing sleeps and nothing runs by itself: the test says who takes the next step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent, AttemptState, may_send
from tallylight.model.ids import AttemptId, KeyId, ServiceId, VideoId
from tallylight.model.ledger import (
    ALL_TRAFFIC,
    EntryId,
    EntryState,
    LedgerEntry,
    Purpose,
    SpendingLimit,
    payer_scope,
)
from tallylight.model.money import Budget
from tallylight.model.order import Order
from tallylight.model.video import Video, VideoError, VideoRecord, VideoStatus
from tallylight.storage.transaction import (
    Decision,
    NewAttempt,
    NewVideo,
    OutboxMessage,
    Write,
    WriteOutcome,
    Written,
)
from tests.builders import BROKEN
from tests.jobs.upstream_twins import (
    ANSWER_WITHIN,
    ESTIMATE,
    LISTED_AFTER,
    LISTING,
    SERVICES,
    Clock,
    JobTruth,
    Twins,
)

ENDPOINTS = ("first", "second")

LIMIT_OF_ALL = Budget(per_hour=Decimal("2.4"))
LIMIT_OF_KEY = Budget(per_hour=Decimal("1.6"))

SEND_WITHIN = timedelta(seconds=5)
TIME_LIMIT = timedelta(minutes=30)

_POLLED = frozenset({AttemptState.ACCEPTED, AttemptState.MISSING, AttemptState.GIVEN_UP})


@dataclass(slots=True)
class Process:
    """A process: its name owns videos."""

    name: str
    is_stopped: bool = False
    is_killed: bool = False
    register: dict[VideoId, "Follower"] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Return whether it can take a step."""
        return not (self.is_stopped or self.is_killed)


@dataclass(slots=True)
class PendingWrite:
    """A write that a follower waits for."""

    write: Write
    follower: "Follower"


class Follower:
    """One process's work on one video, from the take-over that it knows of."""

    def __init__(self, process: Process, record: VideoRecord, clock: Clock, twins: Twins) -> None:
        self.process = process
        self.record = record
        self.pending: PendingWrite | None = None
        self._followed_since = clock.now
        self._epoch = record.video.epoch
        self._clock = clock
        self._twins = twins
        self._has_lost = False
        self._is_over_budget = False
        self._own: set[AttemptId] = set()
        self._unsent: dict[AttemptId, Attempt] = {}
        self._awaited: dict[AttemptId, Attempt] = {}
        self._heard: list[AttemptChange] = []
        process.register[record.video.id] = self

    @property
    def is_over(self) -> bool:
        """Return whether it decides nothing any more."""
        is_registered = self.process.register.get(self.record.video.id) is self
        return self._has_lost or self.record.video.is_terminal or not is_registered

    @property
    def is_idle(self) -> bool:
        """Return whether it has nothing left to do."""
        return self.is_over and not (self.pending or self._heard or self._unsent or self._awaited)

    def create(self) -> None:
        """Record the video and its first attempt."""
        attempt = self._new_attempt()
        new = NewVideo(_token(), self.record.video, attempt)
        self._write(Write(self.record.video.id, new=new))

    def hear(self, attempt: Attempt, event: AttemptEvent, job: str) -> None:
        """Hear the response to a create, if it comes in time."""
        if self._awaited.pop(attempt.id, None) is None or self.process.is_killed:
            return
        if self._clock.now > _answered_by(attempt):
            event, job = AttemptEvent.UNCLEAR, ""
        self._heard.append(self._change(attempt, event, job=job))

    def receive(self, written: Written) -> None:
        """Learn what became of the write that it waits for."""
        assert self.pending is not None
        write, self.pending = self.pending.write, None
        record = written.record
        if record is not None:
            self.record = record
            owner = (record.video.owner, record.video.epoch)
            self._has_lost |= owner != (self.process.name, self._epoch)
            new = write.new_attempt
            if new is not None and any(each.id == new.attempt.id for each in record.attempts):
                self._own.add(new.attempt.id)
                self._unsent[new.attempt.id] = new.attempt
        else:
            self._has_lost = True
        self._is_over_budget |= written.outcome is WriteOutcome.REFUSED

    def step(self) -> None:
        """Do one thing: report, send, ask or decide."""
        if self.pending is not None:
            return
        if self._heard:
            self._report(self._heard.pop(0))
        elif self._unsent:
            self._send(self._unsent.popitem()[1])
        elif late := [a for a in self._awaited.values() if self._clock.now > _answered_by(a)]:
            self.hear(late[0], AttemptEvent.UNCLEAR, "")
        elif not self.is_over:
            self._follow()

    def give_up(self, event: AttemptEvent) -> None:
        """Decide that an accepted attempt takes too long."""
        accepted = [a for a in self.record.attempts if a.state is AttemptState.ACCEPTED]
        if self.pending is None and not self.is_over and accepted:
            self._decide(self.record.video, self._change(accepted[0], event))

    def _send(self, attempt: Attempt) -> None:
        in_time = self._clock.now <= attempt.intended_at + attempt.send_within
        if self.is_over or not in_time:
            self._report(self._change(attempt, AttemptEvent.NOT_SENT))
        else:
            self._awaited[attempt.id] = attempt
            self._twins.send(attempt, self)

    def _follow(self) -> None:
        opened = self.record.open_attempts
        is_rendered = any(attempt.state is AttemptState.RENDERED for attempt in opened)
        if self._clock.now >= self.record.video.deadline and not is_rendered:
            self._end("deadline")
        elif opened:
            self._work_on(opened[-1])
        elif (
            self._is_over_budget
            or len(self.record.attempts) >= len(SERVICES)
            or not may_send(attempt.state for attempt in self.record.attempts)
        ):
            self._end("no_service")
        else:
            self._decide(self.record.video, new_attempt=self._new_attempt())

    def _work_on(self, attempt: Attempt) -> None:
        if attempt.state in {AttemptState.INTENDED, AttemptState.IN_DOUBT}:
            if attempt.id not in self._awaited:
                self._search(attempt)
        elif attempt.state in _POLLED:
            self._poll(attempt)
        elif attempt.state is AttemptState.CANCELLING:
            self._cancel(attempt)
        else:
            assert attempt.state is AttemptState.RENDERED
            self._end("", self._change(attempt, AttemptEvent.FETCHED))

    def _search(self, attempt: Attempt) -> None:
        """Look for the job of an attempt without an answer."""
        listing = attempt.service in LISTING
        if listing and (job := self._twins.listed(attempt)):
            shown = self._change(attempt, AttemptEvent.SHOWN, job=job.id)
            self._report(shown, listing=(attempt.service,))
            return
        began = attempt.intended_at if attempt.id in self._own else self._followed_since
        patience = began + attempt.send_within + attempt.answer_within
        if self._clock.now < patience:
            return
        if attempt.state is AttemptState.INTENDED:
            self._decide(self.record.video, self._change(attempt, AttemptEvent.LEAVE))
        elif not listing:
            self._end("outcome_unknown")
        elif self._clock.now >= patience + LISTED_AFTER:
            self._report(self._change(attempt, AttemptEvent.ABSENT))

    def _poll(self, attempt: Attempt) -> None:
        job = self._twins.poll(attempt)
        event = job.answer
        is_news = {
            AttemptEvent.WORKING: attempt.started_at is None
            or attempt.state is AttemptState.MISSING,
            AttemptEvent.GONE: attempt.state is not AttemptState.MISSING,
        }
        if is_news.get(event, True):
            cost = job.billed if event is AttemptEvent.DONE else None
            self._report(replace(self._change(attempt, event, job=job.id), cost=cost))

    def _cancel(self, attempt: Attempt) -> None:
        job = self._twins.poll(attempt)
        event = AttemptEvent.NOT_CANCELLED
        if job.truth is JobTruth.WORKING and not job.is_forgotten:
            job.truth, job.billed = JobTruth.FAILED, Decimal(0)
            event = AttemptEvent.CANCELLED
        self._report(self._change(attempt, event))

    def _end(self, code: str, *changes: AttemptChange) -> None:
        """End the video: completed, or failed with a code."""
        ended = {change.attempt for change in changes}
        for attempt in self.record.open_attempts:
            if attempt.id not in ended:
                events = (AttemptEvent.LEAVE, AttemptEvent.CLOSE)
                changes += tuple(self._change(attempt, event) for event in events)
        token = _token()
        video = replace(
            self.record.video,
            status=VideoStatus.FAILED if code else VideoStatus.COMPLETED,
            error=VideoError(code, "it failed") if code else None,
            ended_at=self._clock.now,
        )
        messages = tuple(
            OutboxMessage(f"{token}.{name}", name, video.id, "{}", self._clock.now)
            for name in ENDPOINTS
        )
        self._write(Write(video.id, decision=Decision(token, video, changes, messages=messages)))

    def _decide(
        self, video: Video, *changes: AttemptChange, new_attempt: NewAttempt | None = None
    ) -> None:
        self._write(Write(video.id, decision=Decision(_token(), video, changes, new_attempt)))

    def _report(self, fact: AttemptChange, listing: tuple[ServiceId, ...] = ()) -> None:
        self._write(Write(self.record.video.id, facts=(fact,), listing=listing))

    def _write(self, write: Write) -> None:
        assert self.pending is None
        self.pending = PendingWrite(write, self)

    def _change(self, attempt: Attempt, event: AttemptEvent, job: str = "") -> AttemptChange:
        return AttemptChange(attempt.id, event, self._clock.now, job=job, failure=BROKEN)

    def _new_attempt(self) -> NewAttempt:
        video, number = self.record.video, len(self.record.attempts) + 1
        service = SERVICES[(number + video.seconds) % len(SERVICES)]
        id_ = AttemptId(f"{video.id}.{number}.{_token()}")
        attempt = Attempt(
            id=id_,
            service=service,
            purpose=Purpose.TRAFFIC,
            order=Order("", video.seconds, video.size),
            model=video.model,
            entry=EntryId(id_),
            intended_at=self._clock.now,
            video=video.id,
            number=number,
            send_within=SEND_WITHIN,
            answer_within=ANSWER_WITHIN,
        )
        entry = LedgerEntry(
            id=attempt.entry,
            service=service,
            purpose=Purpose.TRAFFIC,
            note=video.id,
            state=EntryState.RESERVED,
            estimate=ESTIMATE,
            amount=ESTIMATE,
            at=self._clock.now,
            payer=video.key,
        )
        return NewAttempt(attempt, entry, limits_of(video.key))


def limits_of(key: KeyId) -> tuple[SpendingLimit, ...]:
    """Return the limits that a key's videos have."""
    return (
        SpendingLimit(LIMIT_OF_ALL, ALL_TRAFFIC, "all"),
        SpendingLimit(LIMIT_OF_KEY, payer_scope(key), "key"),
    )


def _answered_by(attempt: Attempt) -> datetime:
    return attempt.intended_at + attempt.send_within + attempt.answer_within


_tokens: Iterator[int] = count(1)


def _token() -> str:
    return f"t{next(_tokens)}"
