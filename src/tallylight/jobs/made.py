"""What a job tells: its progress, what was made, and what that cost. Pure."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation

from tallylight.catalogue.orders import order_cost
from tallylight.catalogue.services import Service
from tallylight.model.attempt import Attempt, AttemptChange, Made, Progress
from tallylight.model.attempt_state import AttemptEvent
from tallylight.upstreams.messages import Job, JobState

_MAX_SECONDS = 24 * 3600  # longer ones are no lengths


def progress_of(job: Job) -> Progress:
    """Return the progress of a job; a finished one is still to be downloaded."""
    is_working = job.state in {JobState.IN_PROGRESS, JobState.COMPLETED}
    return Progress(is_working, job.progress)


def made_by(job: Job) -> Made | None:
    """Return what the upstream says it made; None if it says nothing."""
    made = Made(_whole_seconds(job.seconds), job.size, job.model)
    return None if made == Made() else made


def cost_of_job(service: Service, attempt: Attempt, job: Job) -> Decimal | None:
    """Return what a job cost in USD; None if only the estimate is known.

    What the upstream says it took comes first, then the price of what it says it made.
    """
    if job.cost is not None:
        return job.cost
    made = made_by(job)
    if made is None or made.seconds in {0, attempt.order.seconds}:
        return None
    return order_cost(service.sheet, replace(attempt.order, seconds=made.seconds))


def change_of_job(
    event: AttemptEvent, attempt: Attempt, service: Service, job: Job, at: datetime
) -> AttemptChange:
    """Return an event of an attempt with all that its job tells."""
    return AttemptChange(
        attempt.id,
        event,
        at,
        job=job.id,
        failure=job.failure,
        progress=progress_of(job),
        made=made_by(job),
        cost=cost_of_job(service, attempt, job) if job.state.is_terminal else job.cost,
    )


def _whole_seconds(text: str) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return 0
    return int(value) if value.is_finite() and 0 < value <= _MAX_SECONDS else 0
