"""Allocates the money for routine probes so that it shortens unnoticed outages the most; pure.

A routine probe finds an outage that nothing else shows. If outages start at random and last
`length` on average, a probe every T leaves this much of each outage unnoticed:

    length - length² / T * (1 - exp(-T / length))

Each further probe a day saves less, so the allocation is best where the last dollar saves the same
time at every service. The intervals that the operator configured set the amount of money. The
budget, less a reserve for undecided services, limits it.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from tallylight.model.ids import ServiceId
from tallylight.model.money import BUDGET_WINDOWS, Budget

ALLOCATION_INTERVAL = timedelta(hours=1)
"""How often the money is allocated again, with what was learned since."""

RESERVED_RATIO = 0.25
"""Share of a budget reserved for undecided services and recoveries, however few there were."""

_MIN_ROUTINE_RATIO = 0.4
"""Minimum share of the money for routine probes, so that evidence does not expire between them even
while many services are undecided."""

_MAX_OVERSPEND_RATIO = 0.25
"""How far total spending may exceed the configured intervals before routine probes are reduced."""

_DAY_SECONDS = 86_400.0
_DECAY_TIME = timedelta(days=4)
_ASSUMED_RATIO = 0.25  # extra spending, as a share of routine spending, until it is known
_MAX_FACTOR = 3.0
"""Evidence on jobs is valid for four intervals; a larger factor, with jitter, would leave gaps."""

_MIN_FACTOR = 1 / 16
_STEPS = 48
_FACTORS = tuple(
    _MIN_FACTOR * (_MAX_FACTOR / _MIN_FACTOR) ** (step / (_STEPS - 1)) for step in range(_STEPS)
)
_BISECTIONS = 40


@dataclass(frozen=True, slots=True)
class DecayingSpend:
    """A sum of spending in which older amounts count less, decaying over days.

    Args:
        amount_usd: The decayed sum at that time.
        at: The time of the newest amount.
    """

    amount_usd: float
    at: datetime

    @classmethod
    def expected(cls, interval: timedelta, price: float, at: datetime) -> Self:
        """Return the extra spending to expect of a service before any was seen."""
        return cls(_ASSUMED_RATIO * price * (_DECAY_TIME / interval), at)

    def plus(self, amount_usd: float, at: datetime) -> "DecayingSpend":
        """Return the sum with another amount added."""
        return DecayingSpend(self._remaining(at) + amount_usd, max(at, self.at))

    def per_day(self, now: datetime) -> float:
        """Return the spending in USD per day."""
        return self._remaining(now) / (_DECAY_TIME / timedelta(days=1))

    def _remaining(self, now: datetime) -> float:
        return self.amount_usd * math.exp(-max(0.0, (now - self.at) / _DECAY_TIME))


@dataclass(frozen=True, slots=True)
class ProbeCandidate:
    """A service whose routine probes cost money.

    Args:
        interval: The interval that the operator configured.
        is_at_least: The service is probed at least so often, with money of its own; otherwise the
            interval sets an amount that all such services share.
        price: The price of a probe in USD.
        time_between_outages: The mean time between two outages of its jobs.
        outage_length: The mean length of an outage.
        extra_per_day: Recent spending on probes outside the routine, in USD per day.
        budget: The budget of the service's own probes.
        reported_per_day: Recent spending because a page reported trouble, which the service's own
            routine pays.
    """

    interval: timedelta
    price: float
    time_between_outages: timedelta
    outage_length: timedelta
    extra_per_day: float = 0.0
    budget: Budget = field(default_factory=Budget)
    is_at_least: bool = False
    reported_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeSchedule:
    """The intervals of a service's generation probes.

    Args:
        routine_interval: While its jobs succeed.
        recovery_interval: The longest interval during an outage. Finding the end of an outage
            late costs as much as finding a start late, so it is shorter the longer and the more
            frequent outages are.
    """

    routine_interval: timedelta
    recovery_interval: timedelta


def allocate_schedules(
    candidates: Mapping[ServiceId, ProbeCandidate], total: Budget
) -> Mapping[ServiceId, ProbeSchedule]:
    """Return the probe intervals of each service for the money that the operator planned.

    The services that are probed at least so often come first: each has the money that its interval
    costs. If the budget does not allow that, all of their intervals grow by the same factor.
    """
    limit = _budget_per_day(total)
    firm = {id_: each for id_, each in candidates.items() if each.is_at_least}
    shared = {id_: each for id_, each in candidates.items() if not each.is_at_least}
    wanted, allowed = _planned_per_day(firm), (1 - RESERVED_RATIO) * limit
    stretch = max(1.0, wanted / allowed) if allowed else math.inf
    factors = dict.fromkeys(firm, stretch)
    if shared:
        taken = wanted / stretch + sum(each.extra_per_day for each in firm.values())
        extra = sum(each.extra_per_day for each in shared.values())
        money = _routine_per_day(_planned_per_day(shared), extra, max(0.0, limit - taken))
        factors |= _affordable_factors(shared, money)
    return {id_: _schedule(each, factors[id_]) for id_, each in candidates.items()}


def _planned_per_day(candidates: Mapping[ServiceId, ProbeCandidate]) -> float:
    return _total_per_day(candidates, dict.fromkeys(candidates, 1.0))


def _schedule(candidate: ProbeCandidate, factor: float) -> ProbeSchedule:
    limit = _budget_per_day(candidate.budget)
    affordable = _routine_per_day(math.inf, candidate.extra_per_day, limit)
    shortest = candidate.price * _DAY_SECONDS / affordable if affordable else math.inf
    seconds = max(_paid_from_routine(candidate, factor), shortest)
    routine = timedelta(seconds=min(seconds, timedelta(days=365).total_seconds()))
    recovery = routine * math.sqrt(candidate.outage_length / candidate.time_between_outages)
    return ProbeSchedule(routine, min(candidate.interval, recovery))


def _paid_from_routine(candidate: ProbeCandidate, factor: float) -> float:
    """Return the interval in seconds that is left after what a page caused was paid from it."""
    seconds = candidate.interval.total_seconds()
    if not candidate.reported_per_day or candidate.is_at_least:
        return seconds * factor
    remaining = _cost_per_day(candidate, factor) - candidate.reported_per_day
    longest = seconds * max(factor, _MAX_FACTOR)
    if remaining <= 0:
        return longest
    return min(longest, candidate.price * _DAY_SECONDS / remaining)


def _affordable_factors(
    candidates: Mapping[ServiceId, ProbeCandidate], money: float
) -> Mapping[ServiceId, float]:
    """Return the factor for each interval at which the last dollar saves the same everywhere."""
    values = {id_: _marginal_values(each) for id_, each in candidates.items()}
    low, high = -60.0, 60.0  # logarithms of the value of the last dollar, found by bisection
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _total_per_day(candidates, _factors_at(values, math.exp(middle))) > money:
            low = middle
        else:
            high = middle
    factors = _factors_at(values, math.exp(high))
    spend = _total_per_day(candidates, factors)
    if spend <= money * (1 + 1e-9) or not money:
        return factors if money else dict.fromkeys(candidates, math.inf)
    return {id_: factor * spend / money for id_, factor in factors.items()}


def _factors_at(
    values: Mapping[ServiceId, tuple[float, ...]], marginal_value: float
) -> dict[ServiceId, float]:
    return {
        id_: _FACTORS[min(bisect_left(own, marginal_value), _STEPS - 1)] if own else 1.0
        for id_, own in values.items()
    }


def _marginal_values(candidate: ProbeCandidate) -> tuple[float, ...]:
    """Return the value of the last dollar at each factor; it grows with the interval."""
    if not candidate.price:
        return ()
    length = candidate.outage_length.total_seconds()
    limit = length * length / candidate.time_between_outages.total_seconds() / candidate.price
    ratios = (candidate.interval.total_seconds() * factor / length for factor in _FACTORS)
    return tuple(limit * (1 - math.exp(-ratio) * (1 + ratio)) for ratio in ratios)


def _total_per_day(
    candidates: Mapping[ServiceId, ProbeCandidate], factors: Mapping[ServiceId, float]
) -> float:
    return sum(_cost_per_day(each, factors[id_]) for id_, each in candidates.items())


def _cost_per_day(candidate: ProbeCandidate, factor: float) -> float:
    return candidate.price * _DAY_SECONDS / (candidate.interval.total_seconds() * factor)


def _routine_per_day(planned: float, extra: float, limit: float) -> float:
    """Return what routine probes may spend a day of a limit, in USD.

    Probes of undecided services are paid first: some evidence caused them, and they decide.
    """
    highest = min(planned, (1 - RESERVED_RATIO) * limit)
    remaining = min(highest, (1 + _MAX_OVERSPEND_RATIO) * planned - extra, limit - extra)
    return max(_MIN_ROUTINE_RATIO * highest, remaining)


def _budget_per_day(budget: Budget) -> float:
    """Return what a budget allows per day in its tightest window."""
    days = {name: window.total_seconds() / _DAY_SECONDS for name, window in BUDGET_WINDOWS.items()}
    limits = [float(limit) / days[name] for name, limit in budget.limits.items()]
    return min(limits, default=math.inf)
