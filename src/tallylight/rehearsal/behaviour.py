"""How services behave, as distributions; recipes are made of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.status import Access
from tallylight.rehearsal.trace import TraceInterval

Ratio = Annotated[float, Field(ge=0, le=1)]
PositiveRange = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class Behaviour(Section):
    """How one service behaves.

    Args:
        access: Official, reverse or self-hosted.
        price: USD of one paid probe.
        days_between_outages: Mean of the time between two outages, exponential; 0 for none.
        outage_minutes: Mean of their length, exponential.
        hidden: The share of outages that free probes do not notice.
        partial: The share of outages in which part of the jobs still passes.
        partial_passes: Which share of the jobs that is, from and to.
        risk_weekly: Spells of risk control a week, on average.
        risk_hours: How long they last, from and to.
        risk_passes: Which share of the jobs passes within, from and to.
        suspended_weekly: Suspensions a week, on average.
        suspended_days: How long they last, from and to.
        noise: The share of jobs that fail though nothing is wrong.
        shallow_noise: The same for the free questions.
        latency: Median and 95th percentile of a job's seconds.
        feed_lag_minutes: How late its status page is on average; None without one.
        feed_blind: The share of outages that the page never mentions.
        traffic: Callers' jobs an hour.
    """

    access: Access = Access.OFFICIAL
    price: Money = Decimal("0.40")
    days_between_outages: Annotated[float, Field(ge=0)] = 2.0
    outage_minutes: Annotated[float, Field(gt=0)] = 60.0
    hidden: Ratio = 0.6
    partial: Ratio = 0.0
    partial_passes: tuple[Ratio, Ratio] = (0.3, 0.7)
    risk_weekly: Annotated[float, Field(ge=0)] = 0.0
    risk_hours: PositiveRange = (3.0, 24.0)
    risk_passes: tuple[Ratio, Ratio] = (0.3, 0.5)
    suspended_weekly: Annotated[float, Field(ge=0)] = 0.0
    suspended_days: PositiveRange = (1.0, 4.0)
    noise: Ratio = 0.03
    free_probe_noise: Ratio = 0.01
    latency: tuple[float, float] = (75.0, 150.0)
    feed_lag_minutes: Annotated[float, Field(ge=0)] | None = 15.0
    feed_blind: Ratio = 0.23
    traffic: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name in ("partial_passes", "risk_hours", "risk_passes", "suspended_days", "latency"):
            low, high = getattr(self, name)
            if high < low:
                raise ValueError(f"{name}: the second figure must not be smaller than the first")
        return self


class ServiceGroup(Section):
    """Some services of one kind in a recipe.

    Args:
        count: How many.
        habits: How each of them behaves.
        scripted: Spells of all of them that are told, laid over what chance makes.
    """

    count: Annotated[int, Field(ge=1, le=1000)] = 1
    behaviour: Behaviour = Behaviour()
    scripted: tuple[TraceInterval, ...] = ()


class Recipe(Section):
    """A trace in a few lines.

    Args:
        about: One sentence of what it is.
        days: Its length.
        seed: What chance begins with.
        casts: The services by the beginning of their ids.
        scripted: Spells of all services, laid over everything.
    """

    about: str = ""
    days: Annotated[float, Field(gt=0, le=3660)] = 60.0
    seed: int = 1
    groups: Mapping[str, ServiceGroup]
    scripted: tuple[TraceInterval, ...] = ()
