"""Comparison of our rules with those of other monitors on the same trace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import chain
from multiprocessing import get_context

from tallylight.catalogue.services import ProbeIntervals
from tallylight.model.money import Budget
from tallylight.rehearsal import baselines
from tallylight.rehearsal.bound import least_wrong
from tallylight.rehearsal.run import RehearsalOptions, run_rehearsal
from tallylight.rehearsal.score import RuleResult, Score, score_results
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import RehearsedService, rehearsed_services

OURS = "tallylight"
UNBUDGETED = "tallylight, paid probe each 5 min"

BOUND = "best possible plan, same money"
"""No rule: the least wrong time that routine paid probes can reach for what ours spend."""

FIVE_MINUTE_PACE = ProbeIntervals(generation=timedelta(minutes=5))
"""For our rules without a budget: a paid probe every five minutes."""

_UNBUDGETED_SERVICE_DAYS = 360.0
"""The rule without a budget runs on these first days only: it is twice as slow as all others."""

_DAY = 86_400

_Rule = Callable[[Sequence[RehearsedService], float, RehearsalOptions], tuple[RuleResult, ...]]


@dataclass(frozen=True, slots=True)
class RuleScore:
    """The score of a rule on some days of a trace; the budget is USD per day, None for no limit."""

    rule: str
    score: Score
    days: float
    budget: Decimal | None = None


def with_traffic(trace: Trace, jobs_per_minute: float) -> Trace:
    """Return a trace with the given rate of callers' jobs at each service."""
    return trace.model_copy(update={"traffic": dict.fromkeys(trace.services, jobs_per_minute * 60)})


def compare_rules(
    trace: Trace, seed: int, options: RehearsalOptions, workers: int = 1
) -> Iterator[RuleScore]:
    """Yield the score of each rule, ours first and then the bound, which needs what ours spend.

    With callers' jobs there is no bound. The scores do not depend on the number of processes.
    """
    score = partial(score_rule, trace, seed, options)
    if workers < 2:  # noqa: PLR2004
        yield from chain.from_iterable(map(score, RULES))
        return
    with ProcessPoolExecutor(min(workers, len(RULES)), get_context("spawn")) as pool:
        yield from chain.from_iterable(pool.map(score, RULES))


def compare_by_budget(
    trace: Trace, seed: int, options: RehearsalOptions, budgets: Sequence[Decimal]
) -> Iterator[RuleScore]:
    """Yield the score of our rules for each daily budget."""
    services = rehearsed_services(trace, seed)
    for amount in budgets:
        limited = replace(options, total_budget=Budget(per_day=amount))
        score = score_results(run_rehearsal(services, trace.days, limited), trace.days)
        yield RuleScore(OURS, score, trace.days, amount)


def score_rule(
    trace: Trace, seed: int, options: RehearsalOptions, rule: str
) -> Sequence[RuleScore]:
    """Return the score of a rule of `RULES`; ours is followed by the bound at the same spend."""
    part = truncated_for(rule, trace)
    services = rehearsed_services(part, seed)
    score = score_results(_RULES[rule](services, part.days, options), part.days)
    if rule != OURS:
        name = rule if part.days == trace.days else f"{rule}, first {part.days:g} days"
        return (RuleScore(name, score, part.days),)
    ours = RuleScore(rule, score, part.days, options.total_budget.per_day)
    if any(trace.traffic.values()):
        return (ours,)
    bound = least_wrong(services, part.days, score.spend_per_day)
    return (ours, RuleScore(BOUND, bound, part.days))


def truncated_for(rule: str, trace: Trace) -> Trace:
    """Return the part of a trace that a rule runs on."""
    max_duration = max(1, _UNBUDGETED_SERVICE_DAYS // len(trace.services)) * _DAY
    if rule != UNBUDGETED or trace.duration <= max_duration:
        return trace
    return trace.model_copy(update={"duration": max_duration})


def _threshold_rule(thresholds: baselines.ConsecutiveThresholds) -> _Rule:
    return lambda services, days, _: baselines.consecutive_rule(services, days, thresholds)


def _unbudgeted(
    services: Sequence[RehearsedService], days: float, options: RehearsalOptions
) -> tuple[RuleResult, ...]:
    unlimited = replace(
        options, pace=FIVE_MINUTE_PACE, total_budget=Budget(), service_budget=Budget()
    )
    return run_rehearsal(services, days, unlimited)


_RULES: Mapping[str, _Rule] = {
    OURS: run_rehearsal,
    UNBUDGETED: _unbudgeted,
    "plain script, paid each 5 min": lambda services, days, _: baselines.plain_script(
        services, days
    ),
    "Gatus, 3 in a row": _threshold_rule(baselines.GATUS_THRESHOLDS),
    "Uptime Kuma": _threshold_rule(baselines.UPTIME_KUMA_THRESHOLDS),
    "Uptime Kuma, 2 retries": _threshold_rule(baselines.UPTIME_KUMA_TWO_RETRIES_THRESHOLDS),
    "official feed alone": lambda services, _, __: baselines.feed_only(services),
}

RULES = tuple(_RULES)
"""The names of the rules, ours first."""
