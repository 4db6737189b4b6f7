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
from tallylight.rehearsal.record import RuleResult
from tallylight.rehearsal.run import RehearsalOptions, run_rehearsal
from tallylight.rehearsal.score import Score, score_results
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import RehearsedService, rehearsed_services

OURS = "tallylight"
UNBUDGETED = "tallylight, paid probe each 5 min"

FIVE_MINUTE_PACE = ProbeIntervals(generation=timedelta(minutes=5))
"""Our judge with money for a paid probe every five minutes."""

_UNBUDGETED_SERVICE_DAYS = 360.0
"""For so much of a world the rule that probes most is run: it takes twice as long as all others."""

_DAY = 86_400

_Rule = Callable[[Sequence[RehearsedService], float, RehearsalOptions], tuple[RuleResult, ...]]


@dataclass(frozen=True, slots=True)
class RuleScore:
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


def compare_rules(
    trace: Trace, seed: int, options: RehearsalOptions, workers: int = 1
) -> Iterator[RuleScore]:
    """Yield how each rule fares, ours first; what comes out is the same for any number of workers.

    Args:
        trace: The world.
        seed: What chance begins with.
        means: What our watching may use.
        workers: So many processes share the rules; one does without a second process.
    """
    one = partial(_score_rule, trace, seed, options)
    if workers < 2:  # noqa: PLR2004
        yield from map(one, _RULES)
        return
    with ProcessPoolExecutor(min(workers, len(_RULES)), get_context("spawn")) as pool:
        yield from pool.map(one, _RULES)


def compare_by_budget(
    trace: Trace, seed: int, options: RehearsalOptions, budgets: Sequence[Decimal]
) -> Iterator[RuleScore]:
    """Yield how our rules fare with one daily budget after the other."""
    world = rehearsed_services(trace, seed)
    for amount in budgets:
        allowed = replace(options, total_budget=Budget(per_day=amount))
        found = score_results(run_rehearsal(world, trace.days, allowed), trace.days)
        yield RuleScore(OURS, found, trace.days, amount)


def _score_rule(trace: Trace, seed: int, options: RehearsalOptions, rule: str) -> RuleScore:
    part = truncated_for(rule, trace)
    found = score_results(
        _RULES[rule](rehearsed_services(part, seed), part.days, options), part.days
    )
    name = rule if part.days == trace.days else f"{rule}, first {part.days:g} days"
    return RuleScore(name, found, part.days, options.total_budget.per_day if rule == OURS else None)


def truncated_for(rule: str, trace: Trace) -> Trace:
    """Return as much of a trace as a rule lives through."""
    most = max(1, _UNBUDGETED_SERVICE_DAYS // len(trace.services)) * _DAY
    if rule != UNBUDGETED or trace.duration <= most:
        return trace
    return trace.model_copy(update={"duration": most})


def _threshold_rule(thresholds: baselines.ConsecutiveThresholds) -> _Rule:
    return lambda found, days, _: baselines.consecutive_rule(found, days, thresholds)


def _unbudgeted(
    services: Sequence[RehearsedService], days: float, options: RehearsalOptions
) -> tuple[RuleResult, ...]:
    free = replace(options, pace=FIVE_MINUTE_PACE, total_budget=Budget(), service_budget=Budget())
    return run_rehearsal(services, days, free)


_RULES: Mapping[str, _Rule] = {
    OURS: run_rehearsal,
    UNBUDGETED: _unbudgeted,
    "plain script, paid each 5 min": lambda found, days, _: baselines.plain_script(found, days),
    "Gatus, 3 in a row": _threshold_rule(baselines.GATUS_THRESHOLDS),
    "Uptime Kuma": _threshold_rule(baselines.UPTIME_KUMA_THRESHOLDS),
    "Uptime Kuma, 2 retries": _threshold_rule(baselines.UPTIME_KUMA_TWO_RETRIES_THRESHOLDS),
    "official feed alone": lambda found, _, __: baselines.feed_only(found),
}
