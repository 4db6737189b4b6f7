"""Simulated upstreams: what jobs there are and what each was billed, which no process sees."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import Protocol

from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.ids import AttemptId, ServiceId
from tests.builders import NOON

LISTING = frozenset({ServiceId("listing"), ServiceId("listing-too")})
SERVICES = (ServiceId("listing"), ServiceId("blind"), ServiceId("listing-too"))

ESTIMATE = Decimal("0.4")
ANSWER_WITHIN = timedelta(seconds=60)
LISTED_AFTER = timedelta(seconds=60)


class Hearer(Protocol):
    """The sender of a create."""

    def hear(self, attempt: Attempt, event: AttemptEvent, job: str) -> None:
        """Hear the response."""
        ...


class Clock:
    """The one clock: no process compares its own with another's."""

    def __init__(self) -> None:
        self.now = NOON


class JobTruth(StrEnum):
    """What an upstream does with a job."""

    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class TwinJob:
    """A job, with what it was billed so far in USD."""

    id: str
    attempt: Attempt
    listed_at: datetime
    truth: JobTruth = JobTruth.WORKING
    billed: Decimal = ESTIMATE
    is_forgotten: bool = False

    def end(self, truth: JobTruth, billed: Decimal) -> None:
        """Finish it, fail it, or let it work on; a failure costs all or nothing."""
        self.truth = truth
        if truth is JobTruth.DONE:
            self.billed = billed
        elif truth is JobTruth.FAILED and billed != ESTIMATE:
            self.billed = Decimal(0)

    @property
    def answer(self) -> AttemptEvent:
        """Return what a poll says."""
        if self.is_forgotten:
            return AttemptEvent.GONE
        if self.truth is JobTruth.FAILED:
            return AttemptEvent.FAILED_BILLED if self.billed else AttemptEvent.FAILED_FREE
        return AttemptEvent.DONE if self.truth is JobTruth.DONE else AttemptEvent.WORKING


@dataclass(slots=True)
class Create:
    """A create on the wire."""

    attempt: Attempt
    sender: Hearer
    sent_at: datetime

    @property
    def accepted_until(self) -> datetime:
        """Return when it has been refused, if it was not accepted before: an operator's word."""
        return self.sent_at + ANSWER_WITHIN + LISTED_AFTER


class Twins:
    """All upstreams."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count(1)
        self.under_way: list[Create] = []
        self.jobs: list[TwinJob] = []
        self.sent: set[AttemptId] = set()

    def send(self, attempt: Attempt, sender: Hearer) -> None:
        """Take a create that a follower has sent."""
        assert attempt.id not in self.sent, "sent twice"
        self.sent.add(attempt.id)
        self.under_way.append(Create(attempt, sender, self._clock.now))

    def answer(self, create: Create, event: AttemptEvent, lag: timedelta = timedelta()) -> None:
        """Accept or refuse a create; the sender hears it, if it still waits for it."""
        self.under_way.remove(create)
        job = ""
        if event is AttemptEvent.ACCEPTED:
            job = f"job_{next(self._numbers)}"
            listed_at = min(self._clock.now + lag, create.accepted_until)
            self.jobs.append(TwinJob(job, create.attempt, listed_at))
        create.sender.hear(create.attempt, event, job)

    def drop_late_creates(self) -> None:
        """Refuse what was not accepted in time."""
        for create in tuple(self.under_way):
            if self._clock.now >= create.accepted_until:
                self.answer(create, AttemptEvent.REFUSED)

    def poll(self, attempt: Attempt) -> TwinJob:
        """Return the job that a follower asks for."""
        return next(job for job in self.jobs if job.id == attempt.job)

    def listed(self, attempt: Attempt) -> TwinJob | None:
        """Return the job of an attempt, if the list shows it."""
        now = self._clock.now
        return next(
            (job for job in self.jobs if job.attempt.id == attempt.id and job.listed_at <= now),
            None,
        )
