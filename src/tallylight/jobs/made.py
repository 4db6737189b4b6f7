"""What a job tells: its progress, what was made, and what that cost. Pure."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation

from tallylight.catalogue.orders import order_cost
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.model.attempt import Attempt, AttemptChange, Made, Progress
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.order import Operation
from tallylight.model.video import CreateParams
from tallylight.upstreams.messages import Job, JobState

_MAX_SECONDS = 24 * 3600  # longer ones are no lengths
_PLAIN_CREATE = CreateParams()


def progress_of(job: Job) -> Progress:
    """Return the progress of a job; a finished one is still to be downloaded."""
    is_working = job.state in {JobState.IN_PROGRESS, JobState.COMPLETED}
    return Progress(is_working, job.progress)


def made_by(job: Job) -> Made | None:
    """Return what the upstream says it made; None if it says nothing."""
    made = Made(_whole_seconds(job.seconds), job.size, job.model)
    return None if made == Made() else made


def finished_job(attempt: Attempt) -> Job:
    """Return the finished job of an attempt as far as it was recorded."""
    return Job(attempt.job, JobState.COMPLETED, other_id=attempt.other_job, results=attempt.results)


def cost_of_job(
    service: Service, attempt: Attempt, job: Job, params: CreateParams = _PLAIN_CREATE
) -> Decimal | None:
    """Return what a finished job cost in USD; None if only the estimate is known.

    What the upstream says, or said earlier, that it took comes first, then the price of what it
    says it made.

    Args:
        service: The service that made it.
        attempt: The attempt that it is of.
        job: The job.
        params: The parameters of the request. Only a new video is priced by what was made: the
            length that a service tells of an extended one includes the part that existed before.
    """
    if job.cost is not None or attempt.cost is not None:
        return attempt.cost if job.cost is None else job.cost
    made = made_by(job)
    if made is None or params.operation is not Operation.CREATE:
        return None
    ordered = attempt.order
    priced = replace(
        ordered, seconds=made.seconds or ordered.seconds, size=made.size or ordered.size
    )
    if priced == ordered:
        return None
    return order_cost(service.sheet, priced, input_images=int(params.reference is not None))


def change_of_job(  # noqa: PLR0913, PLR0917  # what a job tells, and of what
    event: AttemptEvent,
    attempt: Attempt,
    service: Service,
    job: Job,
    at: datetime,
    params: CreateParams = _PLAIN_CREATE,
) -> AttemptChange:
    """Return an event of an attempt with all that its job tells."""
    is_over = event in {AttemptEvent.DONE, AttemptEvent.FAILED_BILLED}
    return AttemptChange(
        attempt.id,
        event,
        at,
        job=job.id,
        other_job=job.other_id,
        failure=job.failure,
        progress=progress_of(job),
        made=made_by(job),
        cost=cost_of_job(service, attempt, job, params) if is_over else job.cost,
        results=tuple(each for each in job.results if isinstance(each, str)),
    )


def failed_change(
    attempt: Attempt,
    service: Service,
    job: Job,
    at: datetime,
    params: CreateParams = _PLAIN_CREATE,
) -> AttemptChange:
    """Return the change of an attempt whose upstream says that its job failed.

    It is free if the service bills deliveries only, and does not say that it took something.
    """
    is_free = service.upstream.bills is BillingBasis.DELIVERIES and job.cost is None
    event = AttemptEvent.FAILED_FREE if is_free else AttemptEvent.FAILED_BILLED
    return change_of_job(event, attempt, service, job, at, params)


def _whole_seconds(text: str) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return 0
    return int(value) if value.is_finite() and 0 < value <= _MAX_SECONDS else 0
