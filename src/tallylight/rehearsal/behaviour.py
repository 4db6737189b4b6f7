"""Recipes: the behaviour of services as distributions, from which traces are generated."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.status import Access
from tallylight.rehearsal.trace import Ratio, TraceInterval

PositiveRange = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class Behaviour(Section):
    """The behaviour of one service.

    Args:
        price: USD of one paid probe.
        days_between_outages: Mean time between outages, exponential; 0 for no outages.
        outage_minutes: Mean length of an outage, exponential.
        hidden: Share of outages that free probes do not detect.
        partial: Share of outages in which some jobs still succeed.
        partial_passes: Range of the share of those jobs.
        risk_weekly: Mean number of risk control periods per week.
        risk_hours: Range of their length.
        risk_passes: Range of the share of jobs that succeed in them.
        suspended_weekly: Mean number of suspensions per week.
        suspended_days: Range of their length.
        noise: Share of jobs that fail while the service is operational.
        free_probe_noise: Share of free probes that fail while the service is operational.
        latency: Median and 95th percentile of a job's duration in seconds.
        feed_lag_minutes: Mean delay of its status page; None without one.
        feed_blind: Share of outages that the page never reports.
        traffic: Callers' jobs per hour.
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
                raise ValueError(f"{name}: the second number must not be smaller than the first")
        return self


class ServiceGroup(Section):
    """Services of one kind in a recipe; scripted intervals replace the random ones."""

    count: Annotated[int, Field(ge=1, le=1000)] = 1
    behaviour: Behaviour = Behaviour()
    scripted: tuple[TraceInterval, ...] = ()


class Recipe(Section):
    """A recipe file.

    Groups are named by the prefix of their services' ids. Scripted intervals replace all others.
    """

    about: str = ""
    days: Annotated[float, Field(gt=0, le=3660)] = 60.0
    seed: int = 1
    groups: Mapping[str, ServiceGroup]
    scripted: tuple[TraceInterval, ...] = ()
