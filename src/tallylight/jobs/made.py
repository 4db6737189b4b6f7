"""What a job tells: its progress, what was made, and what that cost. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from tallylight.catalogue.modes import made_frame
from tallylight.catalogue.orders import order_cost
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.model.attempt import Attempt, AttemptChange, Progress
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.jobs import NOTHING_TOLD, JobRef, Unit
from tallylight.model.money import cost_of_tokens
from tallylight.model.order import Operation
from tallylight.model.video import CreateParams
from tallylight.upstreams.messages import Phase, Request, get
from tallylight.upstreams.steps import VIDEO, Done, Failed, Known, Output, Working

_PLAIN_CREATE = CreateParams()
_MOST_TIMES = 100
_GET, _POST = "GET", "POST "


def progress_of(step: Known) -> Progress:
    """Return the progress of a job; a finished one is still to be downloaded."""
    if isinstance(step, Working):
        return Progress(step.is_started, step.progress)
    return Progress(isinstance(step, Done), None)


def finished_job(attempt: Attempt) -> Done:
    """Return what the finished job of an attempt made, as far as it was recorded."""
    is_several = attempt.order.count > 1
    return Done(
        tuple(
            Output(VIDEO, _request_at(address), place if is_several else 0)
            for place, address in enumerate(attempt.results)
        )
    )


def cost_of_job(
    service: Service, attempt: Attempt, step: Known, params: CreateParams = _PLAIN_CREATE
) -> Decimal | None:
    """Return what a finished job cost in USD; None if only the estimate is known.

    What the upstream says, or said earlier, that it took comes first, then the price of what it
    says it made.

    Args:
        service: The service that made it.
        attempt: The attempt that it is of.
        step: Its end.
        params: The parameters of the request. Only a new video is priced by what was made: the
            length that a service tells of an extended one includes the part that existed before.
    """
    told = told_cost(service, attempt, step)
    if told is not None or attempt.cost is not None:
        return attempt.cost if told is None else told
    made = step.made
    if made == NOTHING_TOLD or params.operation is not Operation.CREATE:
        return None
    ordered, frame = attempt.order, attempt.order.frame
    if made.size and made.size != ordered.size:
        frame = made_frame(service.sheet.modes, made.size) or frame
    priced = replace(ordered, seconds=made.seconds or ordered.seconds, frame=frame)
    return None if priced == ordered else order_cost(service.sheet, priced)


def told_cost(service: Service, attempt: Attempt, step: Known) -> Decimal | None:
    """Return what an upstream says that a job took, in USD; None if it does not say.

    Tokens are priced at the rate of the fact sheet. 0 says that a failed job was free; of another
    one it stands in place of an amount that is not reckoned yet, and says nothing.
    """
    usage, price = step.usage, service.sheet.price
    if usage is None or not (usage.amount or isinstance(step, Failed)):
        return None
    if usage.unit is Unit.USD or not usage.amount:
        is_believed = isinstance(step, Failed) or _is_in_usd(usage.amount, service, attempt)
        return usage.amount if is_believed else None
    try:
        return None if price is None else cost_of_tokens(price, attempt.order, usage.amount)
    except LookupError:
        return None  # the price list has no rate by the token


def _is_in_usd(amount: Decimal, service: Service, attempt: Attempt) -> bool:
    """Tell whether a cost is near enough to the price to be one in USD.

    Relays repeat points, credits and amounts in other currencies where USD are read.
    """
    price = order_cost(service.sheet, attempt.order)
    return not price or price / _MOST_TIMES < amount < price * _MOST_TIMES


def change_of_job(  # noqa: PLR0913, PLR0917  # what a job tells, and of what
    event: AttemptEvent,
    attempt: Attempt,
    service: Service,
    step: Known,
    at: datetime,
    params: CreateParams = _PLAIN_CREATE,
    job: JobRef | None = None,
) -> AttemptChange:
    """Return an event of an attempt with all that the state of its job tells."""
    is_over = event in {AttemptEvent.DONE, AttemptEvent.FAILED_BILLED}
    told_job, results = job, tuple[str, ...]()
    if isinstance(step, Done):
        told_job, results = step.job or job, _addresses(step.outputs, attempt.order.count)
    return AttemptChange(
        attempt.id,
        event,
        at,
        job=told_job,
        failure=step.failure if isinstance(step, Failed) else None,
        progress=progress_of(step),
        made=None if step.made == NOTHING_TOLD else step.made,
        cost=cost_of_job(service, attempt, step, params)
        if is_over
        else told_cost(service, attempt, step),
        results=results,
    )


def failed_change(
    attempt: Attempt,
    service: Service,
    failed: Failed,
    at: datetime,
    params: CreateParams = _PLAIN_CREATE,
) -> AttemptChange:
    """Return the change of an attempt whose upstream says that its job failed.

    It is free if the upstream says that it took nothing, or if it bills deliveries only and does
    not say that it took something.
    """
    told = told_cost(service, attempt, failed)
    is_free = service.upstream.bills is BillingBasis.DELIVERIES if told is None else not told
    event = AttemptEvent.FAILED_FREE if is_free else AttemptEvent.FAILED_BILLED
    return change_of_job(event, attempt, service, failed, at, params)


def _addresses(outputs: Iterable[Output], count: int) -> tuple[str, ...]:
    """Return where the sold file of a job can be fetched, again later, best first.

    Of several results that were ordered, the best address of each is returned, in their order.
    """
    found = [
        (each.index, _address_of(each.at))
        for each in outputs
        if each.is_sold and isinstance(each.at, Request)
    ]
    if count == 1:
        return tuple(address for _, address in found)
    best = dict(reversed(found))
    return tuple(best[index] for index in sorted(best))


def _address_of(request: Request) -> str:
    """Return a request for a file as one text: its URL, or "POST", its URL and its body."""
    return request.url if request.method == _GET else f"{_POST}{request.url} {request.json}"


def _request_at(address: str) -> Request:
    """Return the request that `_address_of` wrote."""
    if not address.startswith(_POST):
        return get(Phase.CONTENT, address)
    url, _, body = address.removeprefix(_POST).partition(" ")
    return Request(Phase.CONTENT, "POST", url, json=body)
