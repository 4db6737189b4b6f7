"""What a paid probe orders, and what it may cost: the rows of a probe before it is sent. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service
from tallylight.errors import ProbeWithheldError
from tallylight.jobs.submit import CreateTiming
from tallylight.model.attempt import Attempt
from tallylight.model.ids import NO_KEY, AttemptId, VideoId
from tallylight.model.ledger import (
    ALL_PROBES,
    EntryId,
    EntryState,
    LedgerEntry,
    Purpose,
    SpendingLimit,
    probe_scope,
)
from tallylight.model.money import Budget
from tallylight.model.order import Order
from tallylight.model.video import Video, VideoKind
from tallylight.storage.transaction import NewAttempt

SEND_ORDER_WITHIN = timedelta(minutes=1)
"""A probe that no process has sent by then is not sent any more: nobody waits for it."""

_TIME_TO_SETTLE = timedelta(minutes=10)
"""Time after the limit of a job in which a probe in doubt is looked for and its video fetched."""


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """What a paid probe orders from a service, and what that costs in USD."""

    service: Service
    order: Order
    cost: Decimal


def probe_order_of(service: Service) -> ProbeOrder:
    """Return what a paid probe orders.

    Raises:
        ProbeWithheldError: if the fact sheet has no price, length or size for an order.
    """
    order, cost = service.probe_order, probe_cost(service)
    if order is None or cost is None:
        raise ProbeWithheldError("its fact sheet has no price, length or size for an order")
    return ProbeOrder(service, order, cost)


def new_probe(
    wanted: ProbeOrder, name: str, owner: str, now: datetime, timing: CreateTiming
) -> Video:
    """Return the video of a probe.

    Args:
        wanted: What is ordered.
        name: A random name; in the prompt it identifies the job in a list of jobs.
        owner: The process that sends it, "" to leave that to any process.
        now: The time.
        timing: How long its create may take.
    """
    order, upstream = wanted.order, wanted.service.upstream
    limit = timing.longest_create(upstream) + upstream.job_timeout
    return Video(
        id=VideoId(f"probe_{name}"),
        key=NO_KEY,
        model=wanted.service.id,
        prompt=f"{order.prompt} (take {name[:8]})",
        seconds=order.seconds or 0,
        size=order.size,
        created_at=now,
        deadline=now + limit + _TIME_TO_SETTLE,
        kind=VideoKind.PROBE,
        owner=owner,
    )


def probe_attempt(
    wanted: ProbeOrder,
    video: Video,
    total_budget: Budget,
    now: datetime,
    timing: CreateTiming,
) -> NewAttempt:
    """Return the only attempt at a probe, with the reservation of its cost.

    Args:
        wanted: What is ordered.
        video: The video of the probe.
        total_budget: The budget of all probes together.
        now: The time.
        timing: How long its create may take.
    """
    service = wanted.service
    name = f"{video.id}.1"
    entry = LedgerEntry(
        id=EntryId(name),
        service=service.id,
        purpose=Purpose.PROBE,
        note="generation probe",
        state=EntryState.RESERVED,
        estimate=wanted.cost,
        amount=wanted.cost,
        at=now,
    )
    attempt = Attempt(
        id=AttemptId(name),
        service=service.id,
        purpose=Purpose.PROBE,
        order=replace(wanted.order, prompt=video.prompt),
        entry=entry.id,
        intended_at=now,
        video=video.id,
        number=1,
        send_within=timing.send_within,
        answer_within=timing.answer_within(service.upstream, video.deadline - now),
    )
    spending = (
        SpendingLimit(service.budget, probe_scope(service.id), f"of {service.id}"),
        SpendingLimit(total_budget, ALL_PROBES, "total"),
    )
    return NewAttempt(attempt, entry, spending)
