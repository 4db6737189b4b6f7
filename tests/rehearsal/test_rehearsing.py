"""The driver, the baselines and the score, in small worlds whose answers are known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.evidence import Depth
from tallylight.model.ids import ServiceId
from tallylight.model.money import BUDGET_WINDOWS, Budget
from tallylight.model.status import Status
from tallylight.rehearsal.baselines import (
    GATUS_THRESHOLDS,
    UPTIME_KUMA_THRESHOLDS,
    consecutive_rule,
    feed_only,
    plain_script,
)
from tallylight.rehearsal.budget_tracker import BudgetTracker
from tallylight.rehearsal.recipes import load_trace
from tallylight.rehearsal.rng import draw, log_normal
from tallylight.rehearsal.rules import OURS, UNBUDGETED, compare_rules, truncated_for
from tallylight.rehearsal.run import RehearsalOptions, run_rehearsal
from tallylight.rehearsal.score import RuleResult, score_results
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import START, ShownStatus, rehearsed_services

HOUR = 3600
OUTAGE = {"from": 10 * HOUR, "to": 12 * HOUR, "status": "suspended", "accept": 0, "reach": 0}
HIDDEN = {"from": 10 * HOUR, "to": 16 * HOUR, "status": "suspended", "deliver": 0, "accept": 1}


def _moment(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_a_rehearsal_repeats_itself() -> None:
    trace = load_trace("stormy")

    first, second = (
        run_rehearsal(rehearsed_services(trace, 3), 0.5, RehearsalOptions()) for _ in range(2)
    )

    assert [r.changes for r in first] == [r.changes for r in second]
    assert [r.spent for r in first] == [r.spent for r in second]


def test_rules_that_share_two_processes_fare_as_they_do_in_one() -> None:
    trace = load_trace("stormy").model_copy(update={"duration": 20_000})

    alone, shared = (
        list(compare_rules(trace, 3, RehearsalOptions(), workers)) for workers in (1, 2)
    )

    assert alone == shared
    assert [line.days for line in alone] == [trace.days] * 7


def test_the_rule_that_probes_most_lives_through_the_beginning_alone(
    told: Callable[..., Trace],
) -> None:
    many = told(OUTAGE, days=365)
    names = [ServiceId(f"service-{n}") for n in range(200)]
    trace = many.model_copy(
        update={"services": dict.fromkeys(names, many.services[ServiceId("sora")])}
    )

    parts = [truncated_for(rule, trace).days for rule in (UNBUDGETED, OURS)]

    assert parts == [1, 365]


def test_an_outage_at_the_door_is_seen_at_once_and_its_end_too(told: Callable[..., Trace]) -> None:
    trace = told(OUTAGE)

    found = score_results(
        run_rehearsal(rehearsed_services(trace, 0), trace.days, RehearsalOptions()), trace.days
    )

    assert (found.outages, found.seen, found.false_alarms) == (1, 1, 0)
    assert found.median_delay is not None
    assert found.median_delay < 2
    assert found.wrong_share < 0.01


def test_an_outage_of_jobs_alone_is_found_by_a_paid_probe(told: Callable[..., Trace]) -> None:
    trace = told(HIDDEN)
    world = rehearsed_services(trace, 0)

    ours = score_results(run_rehearsal(world, trace.days, RehearsalOptions()), trace.days)
    shallow = score_results(consecutive_rule(world, trace.days, GATUS_THRESHOLDS), trace.days)

    assert ours.seen == 1
    assert shallow.seen == 0


def test_without_money_no_paid_probe_is_sent(told: Callable[..., Trace]) -> None:
    trace = told(HIDDEN)
    means = replace(RehearsalOptions(), total_budget=Budget(per_day=Decimal(0)))

    (record,) = run_rehearsal(rehearsed_services(trace, 0), trace.days, means)

    assert record.paid_probes == 0
    assert record.spent == 0
    assert record.withheld > 0


def test_no_window_ever_holds_more_than_the_budget() -> None:
    trace = load_trace("stormy")
    means = replace(RehearsalOptions(), total_budget=Budget(per_day=Decimal("2.00")))

    records = run_rehearsal(rehearsed_services(trace, 0), 3, means)

    assert 0 < sum(record.spent for record in records) <= 6


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 300)), max_size=40))
def test_a_purse_never_exceeds_its_budget(wishes: list[tuple[int, int]]) -> None:
    purse, at = BudgetTracker(Budget(per_hour=Decimal("1.50"), per_day=Decimal(4))), START

    for minutes, cents in wishes:
        at += timedelta(minutes=minutes)
        amount = Decimal(cents) / 100
        if purse.allows(amount, at):
            purse.spend(amount, at)

    for name, limit in purse.budget.limits.items():
        for end in purse.times:
            window = (end - BUDGET_WINDOWS[name], end)
            spent = sum(
                a for t, a in zip(purse.times, purse.amounts, strict=True) if window[0] < t <= end
            )
            assert spent <= limit * 1_000_000


def test_our_own_network_is_no_services_fault() -> None:
    trace = load_trace("own-network")
    world = rehearsed_services(trace, 0)

    ours = score_results(run_rehearsal(world, 3, RehearsalOptions()), 3)
    counted = score_results(consecutive_rule(world, 3, GATUS_THRESHOLDS), 3)

    assert ours.wrong_share == 0
    assert counted.wrong_share > 0.01


def test_the_plain_script_is_wrong_with_every_job_that_fails_by_chance(
    told: Callable[..., Trace],
) -> None:
    trace = told({"from": 0, "to": 86_400, "status": "operational", "deliver": 0.9})

    (record,) = plain_script(rehearsed_services(trace, 0), trace.days)

    assert record.paid_probes == 288
    assert record.spent == 288 * Decimal("0.4")
    assert score_results([record], trace.days).false_alarms > 300


def test_a_page_tells_late_and_never_of_what_is_over(told: Callable[..., Trace]) -> None:
    short = {"from": 0, "to": 1, "status": "suspended"}
    trace = told(short, OUTAGE, feeds={"sora": {"lag": 60}})

    (record,) = feed_only(rehearsed_services(trace, 0))

    statuses = [turn.status for turn in record.changes]
    assert statuses == [Status.OPERATIONAL, Status.SUSPENDED, Status.OPERATIONAL]
    assert _moment(10) < record.changes[1].at < _moment(11)


def test_one_bad_answer_is_enough_without_retries(told: Callable[..., Trace]) -> None:
    blink = {"from": HOUR, "to": HOUR + 40, "status": "operational", "reach": 0}
    world = rehearsed_services(told(blink), 0)

    assert score_results(consecutive_rule(world, 1, UPTIME_KUMA_THRESHOLDS), 1).false_alarms == 30
    assert score_results(consecutive_rule(world, 1, GATUS_THRESHOLDS), 1).false_alarms == 0


def test_the_score_counts_minutes_by_truth_and_by_what_was_shown(
    told: Callable[..., Trace],
) -> None:
    scene = rehearsed_services(told(OUTAGE), 0)[0]
    turns = (
        ShownStatus(START, Status.UNKNOWN),
        ShownStatus(_moment(1), Status.OPERATIONAL),
        ShownStatus(_moment(2), Status.DEGRADED),  # a false alarm
        ShownStatus(_moment(3), Status.OPERATIONAL),
        ShownStatus(_moment(10.5), Status.DEGRADED),
        ShownStatus(_moment(11), Status.SUSPENDED),
        ShownStatus(_moment(12.5), Status.OPERATIONAL),
    )

    found = score_results([RuleResult(scene, turns)], 1)

    assert found.median_delay == 30
    assert found.wrong_share == pytest.approx((1 + 0.5 + 0.5) / 24)
    assert found.false_alarms == 30
    assert found.misnamed_share == pytest.approx(0.5 / 1.5)
    assert found.unknown_share == pytest.approx(1 / 24)
    assert found.minutes[Status.SUSPENDED][Status.DEGRADED] == pytest.approx(30)


@given(st.integers(0, 2**64 - 1), st.integers(0, 10**14))
def test_a_draw_is_a_share_and_always_the_same(purpose: int, moment: int) -> None:
    assert 0 < draw(purpose, moment) < 1
    assert draw(purpose, moment) == draw(purpose, moment)


def test_durations_have_the_quantiles_that_were_asked_for() -> None:
    drawn = sorted(log_normal(7, n, 60, 120) for n in range(4000))

    assert drawn[2000] == pytest.approx(60, rel=0.03)
    assert drawn[3800] == pytest.approx(120, rel=0.06)


def test_chance_is_the_same_for_all_who_ask_at_the_same_moment(
    told: Callable[..., Trace],
) -> None:
    trace = told({"from": 0, "to": 86_400, "status": "operational", "reach": 0.5, "deliver": 0.5})
    one, other = rehearsed_services(trace, 4)[0], rehearsed_services(trace, 4)[0]
    other.submit_job(_moment(1))

    assert [one.free_probe(Depth.REACH, _moment(h)) for h in range(24)] == [
        other.free_probe(Depth.REACH, _moment(h)) for h in range(24)
    ]
    assert one.submit_job(_moment(2)) == other.submit_job(_moment(2))
