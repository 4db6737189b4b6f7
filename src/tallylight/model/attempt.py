"""An attempt: one submission of an order to one service."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.model.attempt_state import (
    END_STATES,
    AttemptEvent,
    AttemptState,
    MoneyEffect,
    step,
)
from tallylight.model.evidence import Failure
from tallylight.model.ids import AttemptId, ServiceId, VideoId
from tallylight.model.jobs import JobRef, Made
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tallylight.model.order import Order

_WORKED_ON = frozenset({AttemptEvent.WORKING, AttemptEvent.DONE})
_ACCEPTANCES = frozenset({AttemptEvent.ACCEPTED, AttemptEvent.SHOWN})
_SAYS_WHETHER_THERE_IS_A_JOB = frozenset(
    {
        AttemptEvent.NOT_SENT,
        AttemptEvent.REFUSED,
        AttemptEvent.ABSENT,
        AttemptEvent.ACCEPTED,
        AttemptEvent.SHOWN,
        AttemptEvent.WORKING,
    }
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission to one service.

    Args:
        order: What the service was asked for.
        entry: The ledger entry that reserves its cost.
        intended_at: The moment it was recorded, just before it was sent.
        video: The video that it is for.
        number: The number of the attempt at that video, starting at 1.
        send_within: Time from the intent in which its first byte is sent, or it never is.
        answer_within: Time from the intent in which its response is awaited.
        job: How the upstream knows its job; None while it has none, or one without an id.
        doubt_reason: Why it was unknown whether it was accepted, "" if it never was in doubt.
        doubt_rule: The rule of the failure behind the doubt about its create, by which doubts are
            compared; "" if there was none.
        made: What the service says it made.
        cost: What it cost in USD, told by the upstream or computed from what was made; None if
            only the estimate is known.
        results: Addresses of its result, as its finished job named them.
        started_at: The moment the upstream was first seen working on it.
        rendered_at: The moment the upstream was first seen to have finished it.
    """

    id: AttemptId
    service: ServiceId
    purpose: Purpose
    order: Order
    entry: EntryId
    intended_at: datetime
    video: VideoId
    number: int
    send_within: timedelta = timedelta()
    answer_within: timedelta = timedelta()
    state: AttemptState = AttemptState.INTENDED
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    job: JobRef | None = None
    doubt_reason: str = ""
    doubt_rule: str = ""
    failure: Failure | None = None
    made: Made | None = None
    cost: Decimal | None = None
    results: tuple[str, ...] = ()
    started_at: datetime | None = None
    rendered_at: datetime | None = None

    @property
    def job_id(self) -> str:
        """Return the upstream's id of its job, "" if there is none."""
        return "" if self.job is None else self.job.id

    @property
    def model(self) -> str:
        """Return the id of the model on the wire."""
        return self.order.model

    @property
    def is_open(self) -> bool:
        """Return whether it has not ended."""
        return self.state not in END_STATES


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a job: whether the upstream works on it, and percent if known."""

    is_working: bool
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptChange:
    """An event of an attempt, with what became known by it.

    Args:
        job: How the upstream knows its job, None if it is not told.
        failure: Why it failed, was refused, or is in doubt.
        cost: What it cost in USD; None if the event does not tell.
        results: Addresses of its result; none if the event does not tell.
    """

    attempt: AttemptId
    event: AttemptEvent
    at: datetime
    job: JobRef | None = None
    failure: Failure | None = None
    progress: Progress | None = None
    made: Made | None = None
    cost: Decimal | None = None
    results: tuple[str, ...] = ()


def closing_changes(
    attempt: Attempt, at: datetime, failure: Failure | None
) -> tuple[AttemptChange, ...]:
    """Return the decisions that end an open attempt whose outcome nobody awaits any more.

    One that another process may still be sending is in doubt first.
    """
    close = AttemptChange(attempt.id, AttemptEvent.CLOSE, at, failure=failure)
    if attempt.state is AttemptState.INTENDED:
        return AttemptChange(attempt.id, AttemptEvent.LEAVE, at, failure=failure), close
    return (close,)


def changed_attempt(attempt: Attempt, change: AttemptChange) -> Attempt:
    """Return an attempt after an event."""
    state, _ = step(attempt.state, change.event)
    is_end = attempt.is_open and state in END_STATES
    becomes_doubtful = state is not attempt.state and state in {
        AttemptState.IN_DOUBT,
        AttemptState.MISSING,
    }
    told = change.job
    is_known = told is not None and attempt.job is not None and told.id != attempt.job.id
    has_job = told is not None and (not is_known or change.event is AttemptEvent.ACCEPTED)
    is_worked_on = change.event in _WORKED_ON or (
        change.progress is not None and change.progress.is_working
    )
    is_accepted = attempt.accepted_at is None and (
        state in {AttemptState.ACCEPTED, AttemptState.RENDERED} or change.event in _ACCEPTANCES
    )
    failure = change.failure
    return replace(
        attempt,
        state=state,
        job=told if has_job else attempt.job,
        accepted_at=change.at if is_accepted else attempt.accepted_at,
        started_at=attempt.started_at or (change.at if is_worked_on else None),
        rendered_at=attempt.rendered_at
        or (change.at if change.event is AttemptEvent.DONE else None),
        ended_at=change.at if is_end else attempt.ended_at,
        failure=failure if is_end and failure is not None else attempt.failure,
        doubt_reason=(failure.text or failure.rule)
        if becomes_doubtful and failure is not None
        else attempt.doubt_reason,
        doubt_rule=failure.rule
        if state is AttemptState.IN_DOUBT and becomes_doubtful and failure is not None
        else attempt.doubt_rule,
        made=change.made or attempt.made,
        cost=attempt.cost if change.cost is None else change.cost,
        results=change.results or attempt.results,
    )


def changed_entry(entry: LedgerEntry, before: Attempt, change: AttemptChange) -> LedgerEntry:
    """Return the ledger entry of an attempt after an event.

    It is settled at what the attempt cost, else at the estimate; without either its amount is not
    known. A cost that is told after the end corrects a settled entry. If an upstream contradicts
    itself, the dearer word counts, in whichever order the two are heard.
    """
    effect = _money_effect(before, change.event)
    cost = before.cost if change.cost is None else change.cost
    if effect is MoneyEffect.RELEASE:
        return replace(entry, state=EntryState.RELEASED, amount=Decimal(0))
    if effect is MoneyEffect.SETTLE or (
        entry.state is EntryState.SETTLED and change.cost is not None
    ):
        amount = entry.estimate if cost is None else cost
        return replace(entry, state=EntryState.SETTLED, amount=amount)
    return entry


def _money_effect(before: Attempt, event: AttemptEvent) -> MoneyEffect:
    _, effect = step(before.state, event)
    if before.is_open:
        return effect
    has_job = before.job is not None or before.accepted_at is not None
    if has_job and event in _SAYS_WHETHER_THERE_IS_A_JOB:
        return MoneyEffect.KEEP  # the job is known, and perhaps what it cost
    if before.rendered_at is not None and effect is MoneyEffect.RELEASE:
        return MoneyEffect.KEEP  # what was made is paid
    return effect
