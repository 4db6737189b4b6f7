"""How the money for routine probes is shared out: where it spares most wrong minutes; pure.

A probe of a service that stands finds an outage that nothing else shows. With outages that come at
random, `between` apart, and last `length` on average, a probe each T leaves

    length - length² / T * (1 - exp(-T / length))

of each unseen. What one more probe a day spares shrinks the more of them there are, so the money is
spent best where the last dollar spares the same at every service. The paces that the operator
wrote say how much money that is; the budget, less what doubt will need, how much at most.
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
"""How often the money is shared out anew, from what was learned meanwhile."""

RESERVED_RATIO = 0.25
"""So much of a budget routine probes leave to doubt and recoveries, however calm it was lately."""

_MIN_ROUTINE_RATIO = 0.4
"""So much of the money routine probes get, however stormy it was, so that no pace need be stretched
until evidence runs out."""

_MAX_OVERSPEND_RATIO = 0.25
"""So much more than the paces mean may be spent before doubt is paid by fewer routine probes."""

_DAY_SECONDS = 86_400.0
_DECAY_TIME = timedelta(days=4)
_ASSUMED_RATIO = 0.25  # of the money, for doubt, until it is known
_MAX_FACTOR = 3.0
"""Evidence on jobs holds for four paces: a longer one, jittered, would leave gaps of unknown."""

_MIN_FACTOR = 1 / 16
_STEPS = 48
_FACTORS = tuple(
    _MIN_FACTOR * (_MAX_FACTOR / _MIN_FACTOR) ** (step / (_STEPS - 1)) for step in range(_STEPS)
)
_BISECTIONS = 40


@dataclass(frozen=True, slots=True)
class DecayingSpend:
    """Money spent, fading over days.

    Args:
        usd: What is left of it.
        at: When.
    """

    amount_usd: float
    at: datetime

    @classmethod
    def expected(cls, interval: timedelta, price: float, at: datetime) -> Self:
        """Return what doubt may be expected to cost where nothing is known of it yet."""
        return cls(_ASSUMED_RATIO * price * (_DECAY_TIME / interval), at)

    def plus(self, usd: float, at: datetime) -> "DecayingSpend":
        """Return it with something more spent."""
        return DecayingSpend(self._remaining(at) + usd, max(at, self.at))

    def per_day(self, now: datetime) -> float:
        """Return USD a day."""
        return self._remaining(now) / (_DECAY_TIME / timedelta(days=1))

    def _remaining(self, now: datetime) -> float:
        return self.amount_usd * math.exp(-max(0.0, (now - self.at) / _DECAY_TIME))


@dataclass(frozen=True, slots=True)
class ProbeCandidate:
    """What is known of one service whose routine probes cost money.

    Args:
        pace: What the operator asked for.
        price: USD of a probe.
        between: The mean time between two outages of its jobs.
        length: How long one lasts on average.
        beyond: USD a day that its probes out of their turn cost lately.
        budget: What the service's own probes may spend.
    """

    interval: timedelta
    price: float
    time_between_outages: timedelta
    outage_length: timedelta
    extra_per_day: float = 0.0
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class ProbeSchedule:
    """How often a service is probed for money.

    Args:
        routine: While it stands.
        recovery: The longest time between two looks at an outage: how late its end is found is
            worth as much as how late the next begin is, hence a shorter one the longer outages
            last and the oftener they come.
    """

    routine_interval: timedelta
    recovery_interval: timedelta


def allocate_schedules(
    candidates: Mapping[ServiceId, ProbeCandidate], total: Budget
) -> Mapping[ServiceId, ProbeSchedule]:
    """Return how often each service is probed for the money that the operator meant to spend."""
    meant = sum(_cost_per_day(wish, 1.0) for wish in candidates.values())
    beyond = sum(wish.extra_per_day for wish in candidates.values())
    money = _routine_per_day(meant, beyond, total)
    values = {id_: _marginal_values(wish) for id_, wish in candidates.items()}
    factors = _affordable_factors(candidates, values, money)
    return {id_: _schedule(wish, factors[id_]) for id_, wish in candidates.items()}


def _schedule(candidate: ProbeCandidate, factor: float) -> ProbeSchedule:
    own = _routine_per_day(math.inf, candidate.extra_per_day, candidate.budget)
    least = candidate.price * _DAY_SECONDS / own if own else math.inf
    seconds = max(candidate.interval.total_seconds() * factor, least)
    routine = timedelta(seconds=min(seconds, timedelta(days=365).total_seconds()))
    return ProbeSchedule(
        routine,
        min(
            candidate.interval,
            routine * math.sqrt(candidate.outage_length / candidate.time_between_outages),
        ),
    )


def _affordable_factors(
    candidates: Mapping[ServiceId, ProbeCandidate],
    values: Mapping[ServiceId, tuple[float, ...]],
    money: float,
) -> Mapping[ServiceId, float]:
    """Return by which factor each pace is stretched so that the last dollar buys the same."""
    low, high = -60.0, 60.0  # logarithms of what the last dollar spares
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
        id_: _FACTORS[min(bisect_left(found, marginal_value), _STEPS - 1)] if found else 1.0
        for id_, found in values.items()
    }


def _marginal_values(candidate: ProbeCandidate) -> tuple[float, ...]:
    """Return what the last dollar spares at each pace; it grows with the pace."""
    if not candidate.price:
        return ()
    length = candidate.outage_length.total_seconds()
    most = length * length / candidate.time_between_outages.total_seconds() / candidate.price
    found = []
    for factor in _FACTORS:
        ratio = candidate.interval.total_seconds() * factor / length
        found.append(most * (1 - math.exp(-ratio) * (1 + ratio)))
    return tuple(found)


def _total_per_day(
    candidates: Mapping[ServiceId, ProbeCandidate], factors: Mapping[ServiceId, float]
) -> float:
    return sum(_cost_per_day(wish, factors[id_]) for id_, wish in candidates.items())


def _cost_per_day(candidate: ProbeCandidate, factor: float) -> float:
    return candidate.price * _DAY_SECONDS / (candidate.interval.total_seconds() * factor)


def _routine_per_day(planned: float, extra: float, budget: Budget) -> float:
    """Return what routine probes may spend a day.

    Doubt goes first: it is raised by something, and its probe decides.
    """
    limit = _budget_per_day(budget)
    most = min(planned, (1 - RESERVED_RATIO) * limit)
    return max(
        _MIN_ROUTINE_RATIO * most,
        min(most, (1 + _MAX_OVERSPEND_RATIO) * planned - extra, limit - extra),
    )


def _budget_per_day(budget: Budget) -> float:
    """Return what a budget allows a day, in its tightest window."""
    days = {name: window.total_seconds() / _DAY_SECONDS for name, window in BUDGET_WINDOWS.items()}
    limits = [float(limit) / days[name] for name, limit in budget.limits.items()]
    return min(limits, default=math.inf)
