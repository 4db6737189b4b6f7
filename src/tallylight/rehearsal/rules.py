"""Our rules and those that people run today, side by side in one world."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from tallylight.catalogue.services import Pace
from tallylight.money import Budget
from tallylight.rehearsal import baselines
from tallylight.rehearsal.record import Record
from tallylight.rehearsal.run import Means, rehearsed
from tallylight.rehearsal.score import Score, score
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import Scene, scenes

OURS = "tallylight"

EVERY_FIVE_MINUTES = Pace(generation=timedelta(minutes=5))
"""Our judge with money for a paid probe every five minutes."""

_Rule = Callable[[Sequence[Scene], float], tuple[Record, ...]]


@dataclass(frozen=True, slots=True)
class Line:
    """How one rule fared.

    Args:
        rule: Its name.
        score: How it fared.
        budget: What it might spend a day, in USD; None without a limit.
    """

    rule: str
    score: Score
    budget: Decimal | None = None


def with_traffic(trace: Trace, jobs_a_minute: float) -> Trace:
    """Return a trace with so many callers' jobs at each of its services."""
    return trace.model_copy(update={"traffic": dict.fromkeys(trace.services, jobs_a_minute * 60)})


def compared(trace: Trace, seed: int, means: Means) -> Iterator[Line]:
    """Yield how each rule fares, ours first."""
    world = scenes(trace, seed)
    ours = score(rehearsed(world, trace.days, means), trace.days)
    yield Line(OURS, ours, means.total.per_day)
    rules: Mapping[str, _Rule] = {
        "tallylight, paid probe each 5 min": _unbudgeted(means),
        "plain script, paid each 5 min": baselines.plain_script,
        "Gatus, 3 in a row": _counting(baselines.GATUS),
        "Uptime Kuma": _counting(baselines.KUMA),
        "Uptime Kuma, 2 retries": _counting(baselines.KUMA_TWO_RETRIES),
        "official feed alone": lambda found, _: baselines.feed_alone(found),
    }
    for name, rule in rules.items():
        yield Line(name, score(rule(world, trace.days), trace.days))


def by_budget(trace: Trace, seed: int, means: Means, budgets: Sequence[Decimal]) -> Iterator[Line]:
    """Yield how our rules fare with one daily budget after the other."""
    world = scenes(trace, seed)
    for amount in budgets:
        allowed = replace(means, total=Budget(per_day=amount))
        yield Line(OURS, score(rehearsed(world, trace.days, allowed), trace.days), amount)


def _counting(rule: baselines.InARow) -> _Rule:
    return lambda found, days: baselines.in_a_row(found, days, rule)


def _unbudgeted(means: Means) -> _Rule:
    free = replace(means, pace=EVERY_FIVE_MINUTES, total=Budget(), each=Budget())
    return lambda found, days: rehearsed(found, days, free)
