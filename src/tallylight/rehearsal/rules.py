"""Our rules and those that people run today, side by side in one world."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from multiprocessing import get_context

from tallylight.catalogue.services import ProbeIntervals
from tallylight.model.money import Budget
from tallylight.rehearsal import baselines
from tallylight.rehearsal.record import Record
from tallylight.rehearsal.run import Means, rehearsed
from tallylight.rehearsal.score import Score, score
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import Scene, scenes

OURS = "tallylight"
UNBUDGETED = "tallylight, paid probe each 5 min"

EVERY_FIVE_MINUTES = ProbeIntervals(generation=timedelta(minutes=5))
"""Our judge with money for a paid probe every five minutes."""

_UNBUDGETED_SERVICE_DAYS = 360.0
"""For so much of a world the rule that probes most is run: it takes twice as long as all others."""

_DAY = 86_400

_Rule = Callable[[Sequence[Scene], float, Means], tuple[Record, ...]]


@dataclass(frozen=True, slots=True)
class Line:
    """How one rule fared.

    Args:
        rule: Its name.
        score: How it fared.
        days: How much of the trace it lived through.
        budget: What it might spend a day, in USD; None without a limit.
    """

    rule: str
    score: Score
    days: float
    budget: Decimal | None = None


def with_traffic(trace: Trace, jobs_a_minute: float) -> Trace:
    """Return a trace with so many callers' jobs at each of its services."""
    return trace.model_copy(update={"traffic": dict.fromkeys(trace.services, jobs_a_minute * 60)})


def compared(trace: Trace, seed: int, means: Means, workers: int = 1) -> Iterator[Line]:
    """Yield how each rule fares, ours first; what comes out is the same for any number of workers.

    Args:
        trace: The world.
        seed: What chance begins with.
        means: What our watching may use.
        workers: So many processes share the rules; one does without a second process.
    """
    one = partial(_fared, trace, seed, means)
    if workers < 2:  # noqa: PLR2004
        yield from map(one, _RULES)
        return
    with ProcessPoolExecutor(min(workers, len(_RULES)), get_context("spawn")) as pool:
        yield from pool.map(one, _RULES)


def by_budget(trace: Trace, seed: int, means: Means, budgets: Sequence[Decimal]) -> Iterator[Line]:
    """Yield how our rules fare with one daily budget after the other."""
    world = scenes(trace, seed)
    for amount in budgets:
        allowed = replace(means, total=Budget(per_day=amount))
        found = score(rehearsed(world, trace.days, allowed), trace.days)
        yield Line(OURS, found, trace.days, amount)


def _fared(trace: Trace, seed: int, means: Means, rule: str) -> Line:
    part = beginning_for(rule, trace)
    found = score(_RULES[rule](scenes(part, seed), part.days, means), part.days)
    name = rule if part.days == trace.days else f"{rule}, first {part.days:g} days"
    return Line(name, found, part.days, means.total.per_day if rule == OURS else None)


def beginning_for(rule: str, trace: Trace) -> Trace:
    """Return as much of a trace as a rule lives through."""
    most = max(1, _UNBUDGETED_SERVICE_DAYS // len(trace.services)) * _DAY
    if rule != UNBUDGETED or trace.duration <= most:
        return trace
    return trace.model_copy(update={"duration": most})


def _counting(rule: baselines.InARow) -> _Rule:
    return lambda found, days, _: baselines.in_a_row(found, days, rule)


def _unbudgeted(found: Sequence[Scene], days: float, means: Means) -> tuple[Record, ...]:
    free = replace(means, pace=EVERY_FIVE_MINUTES, total=Budget(), each=Budget())
    return rehearsed(found, days, free)


_RULES: Mapping[str, _Rule] = {
    OURS: rehearsed,
    UNBUDGETED: _unbudgeted,
    "plain script, paid each 5 min": lambda found, days, _: baselines.plain_script(found, days),
    "Gatus, 3 in a row": _counting(baselines.GATUS),
    "Uptime Kuma": _counting(baselines.KUMA),
    "Uptime Kuma, 2 retries": _counting(baselines.KUMA_TWO_RETRIES),
    "official feed alone": lambda found, _, __: baselines.feed_alone(found),
}
