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

SHARED_OUT_EACH = timedelta(hours=1)
"""How often the money is shared out anew, from what was learned meanwhile."""

KEPT = 0.25
"""So much of a budget routine probes leave to doubt and recoveries, however calm it was lately."""

_LEAST = 0.4
"""So much of the money routine probes get, however stormy it was, so that no pace need be stretched
until evidence runs out."""

_ON_TOP = 0.25
"""So much more than the paces mean may be spent before doubt is paid by fewer routine probes."""

_DAY = 86_400.0
_LATELY = timedelta(days=4)
_ASSUMED = 0.25  # of the money, for doubt, until it is known
_LONGEST = 3.0
"""Evidence on jobs holds for four paces: a longer one, jittered, would leave gaps of unknown."""

_SHORTEST = 1 / 16
_STEPS = 48
_FACTORS = tuple(
    _SHORTEST * (_LONGEST / _SHORTEST) ** (step / (_STEPS - 1)) for step in range(_STEPS)
)
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Lately:
    """Money spent, fading over days.

    Args:
        usd: What is left of it.
        at: When.
    """

    usd: float
    at: datetime

    @classmethod
    def assumed(cls, pace: timedelta, price: float, at: datetime) -> Self:
        """Return what doubt may be expected to cost where nothing is known of it yet."""
        return cls(_ASSUMED * price * (_LATELY / pace), at)

    def spent(self, usd: float, at: datetime) -> "Lately":
        """Return it with something more spent."""
        return Lately(self._left(at) + usd, max(at, self.at))

    def a_day(self, now: datetime) -> float:
        """Return USD a day."""
        return self._left(now) / (_LATELY / timedelta(days=1))

    def _left(self, now: datetime) -> float:
        return self.usd * math.exp(-max(0.0, (now - self.at) / _LATELY))


@dataclass(frozen=True, slots=True)
class Wish:
    """What is known of one service whose routine probes cost money.

    Args:
        pace: What the operator asked for.
        price: USD of a probe.
        between: The mean time between two outages of its jobs.
        length: How long one lasts on average.
        beyond: USD a day that its probes out of their turn cost lately.
        budget: What the service's own probes may spend.
    """

    pace: timedelta
    price: float
    between: timedelta
    length: timedelta
    beyond: float = 0.0
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a service is probed for money.

    Args:
        routine: While it stands.
        recovery: The longest time between two looks at an outage: how late its end is found is
            worth as much as how late the next begin is, hence a shorter one the longer outages
            last and the oftener they come.
    """

    routine: timedelta
    recovery: timedelta


def rhythms(wishes: Mapping[ServiceId, Wish], total: Budget) -> Mapping[ServiceId, Rhythm]:
    """Return how often each service is probed for the money that the operator meant to spend."""
    meant = sum(_a_day(wish, 1.0) for wish in wishes.values())
    beyond = sum(wish.beyond for wish in wishes.values())
    money = _routine_money(meant, beyond, total)
    values = {id_: _values(wish) for id_, wish in wishes.items()}
    factors = _affordable(wishes, values, money)
    return {id_: _rhythm(wish, factors[id_]) for id_, wish in wishes.items()}


def _rhythm(wish: Wish, factor: float) -> Rhythm:
    own = _routine_money(math.inf, wish.beyond, wish.budget)
    least = wish.price * _DAY / own if own else math.inf
    seconds = max(wish.pace.total_seconds() * factor, least)
    routine = timedelta(seconds=min(seconds, timedelta(days=365).total_seconds()))
    return Rhythm(routine, min(wish.pace, routine * math.sqrt(wish.length / wish.between)))


def _affordable(
    wishes: Mapping[ServiceId, Wish], values: Mapping[ServiceId, tuple[float, ...]], money: float
) -> Mapping[ServiceId, float]:
    """Return by which factor each pace is stretched so that the last dollar buys the same."""
    low, high = -60.0, 60.0  # logarithms of what the last dollar spares
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _spend(wishes, _chosen(values, math.exp(middle))) > money:
            low = middle
        else:
            high = middle
    factors = _chosen(values, math.exp(high))
    spend = _spend(wishes, factors)
    if spend <= money * (1 + 1e-9) or not money:
        return factors if money else dict.fromkeys(wishes, math.inf)
    return {id_: factor * spend / money for id_, factor in factors.items()}


def _chosen(values: Mapping[ServiceId, tuple[float, ...]], worth: float) -> dict[ServiceId, float]:
    return {
        id_: _FACTORS[min(bisect_left(found, worth), _STEPS - 1)] if found else 1.0
        for id_, found in values.items()
    }


def _values(wish: Wish) -> tuple[float, ...]:
    """Return what the last dollar spares at each pace; it grows with the pace."""
    if not wish.price:
        return ()
    length = wish.length.total_seconds()
    most = length * length / wish.between.total_seconds() / wish.price
    found = []
    for factor in _FACTORS:
        ratio = wish.pace.total_seconds() * factor / length
        found.append(most * (1 - math.exp(-ratio) * (1 + ratio)))
    return tuple(found)


def _spend(wishes: Mapping[ServiceId, Wish], factors: Mapping[ServiceId, float]) -> float:
    return sum(_a_day(wish, factors[id_]) for id_, wish in wishes.items())


def _a_day(wish: Wish, factor: float) -> float:
    return wish.price * _DAY / (wish.pace.total_seconds() * factor)


def _routine_money(meant: float, beyond: float, budget: Budget) -> float:
    """Return what routine probes may spend a day.

    Doubt goes first: it is raised by something, and its probe decides.
    """
    limit = _a_day_of(budget)
    most = min(meant, (1 - KEPT) * limit)
    return max(_LEAST * most, min(most, (1 + _ON_TOP) * meant - beyond, limit - beyond))


def _a_day_of(budget: Budget) -> float:
    """Return what a budget allows a day, in its tightest window."""
    days = {name: window.total_seconds() / _DAY for name, window in BUDGET_WINDOWS.items()}
    limits = [float(limit) / days[name] for name, limit in budget.limits.items()]
    return min(limits, default=math.inf)
