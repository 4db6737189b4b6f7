"""The bound: the least wrong time that routine paid probes can reach for a given spend."""

import random
from collections.abc import Callable

import pytest

from tallylight.rehearsal.bound import least_wrong
from tallylight.rehearsal.rules import BOUND, OURS, compare_rules
from tallylight.rehearsal.run import RehearsalOptions
from tallylight.rehearsal.score import Score
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import rehearsed_services

HOUR = 3600
DAY = 86_400
HIDDEN = {"from": 10 * HOUR, "to": 16 * HOUR, "status": "suspended", "accept": 0}
VISIBLE = {**HIDDEN, "reach": 0}


def _bound(trace: Trace, spend_per_day: float) -> Score:
    return least_wrong(rehearsed_services(trace, 0), trace.days, spend_per_day)


def test_without_money_a_hidden_outage_is_wrong_for_its_whole_length(
    make_trace: Callable[..., Trace],
) -> None:
    bound = _bound(make_trace(HIDDEN), 0)

    assert (bound.seen, bound.outages, bound.spend_per_day) == (0, 1, 0)
    assert bound.wrong_share == pytest.approx(6 / 24)


def test_a_visible_outage_is_wrong_for_a_minute(make_trace: Callable[..., Trace]) -> None:
    bound = _bound(make_trace(VISIBLE), 0)

    assert bound.seen == 1
    assert bound.wrong_share == pytest.approx(60 / DAY)


def test_a_page_is_believed_at_once(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace(HIDDEN, feeds={"sora": {"lag": 0, "blind": 0}})

    assert _bound(trace, 0).wrong_share == 0


@pytest.mark.parametrize("passes", [0.0, 0.4])
def test_money_buys_what_probes_at_a_random_phase_find(
    make_trace: Callable[..., Trace], passes: float
) -> None:
    trace = make_trace({**HIDDEN, "accept": passes, "deliver": 1, "latency": [1, 1]}, price=1)
    bound = _bound(trace, 6.0)  # 18 hours are up: a probe each three hours

    found = [_simulated_delay(seed, 3 * HOUR, 1 - passes) for seed in range(20_000)]
    assert bound.spend_per_day == pytest.approx(6.0)
    assert bound.wrong_share * DAY == pytest.approx(sum(found) / len(found), rel=0.04)


@pytest.mark.parametrize("late", [{"deliver": 0}, {"deliver": 1, "status": "degraded"}])
def test_a_job_that_stalls_or_is_slow_counts_once_it_is_late(
    make_trace: Callable[..., Trace], late: dict[str, object]
) -> None:
    good = {"from": 0, "to": 10 * HOUR, "status": "operational", "latency": [60, 120]}
    stalled = make_trace(
        good, {**HIDDEN, "accept": 1, "latency": [7200, 7200], **late}, price=0.000001
    )

    bound = _bound(stalled, 100)  # a probe each minute

    assert bound.wrong_share * DAY == pytest.approx(120 + 30, abs=1)


def test_more_money_is_never_worse(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace(HIDDEN)

    shares = [_bound(trace, spend).wrong_share for spend in (0, 0.5, 1, 2, 4, 8, 16)]

    assert shares == sorted(shares, reverse=True)


def test_a_comparison_names_the_bound_beside_our_rules_unless_callers_send_jobs(
    make_trace: Callable[..., Trace],
) -> None:
    alone = list(compare_rules(make_trace(HIDDEN), 0, RehearsalOptions()))
    with_jobs = compare_rules(make_trace(HIDDEN, traffic={"sora": 6}), 0, RehearsalOptions())

    assert [each.rule for each in alone[:2]] == [OURS, BOUND]
    assert alone[1].score.spend_per_day == pytest.approx(alone[0].score.spend_per_day, rel=0.1)
    assert BOUND not in {each.rule for each in with_jobs}


def _simulated_delay(seed: int, pace_s: float, failing: float) -> float:
    draws = random.Random(seed)  # noqa: S311
    at = draws.uniform(0, pace_s)
    while at < 6 * HOUR and draws.random() > failing:
        at += pace_s
    return min(at, 6 * HOUR)
