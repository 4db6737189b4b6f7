"""The rehearsal, the other rules and the score, on small traces with known results."""

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


def test_a_rehearsal_is_repeatable() -> None:
    trace = load_trace("stormy")

    first, second = (
        run_rehearsal(rehearsed_services(trace, 3), 0.5, RehearsalOptions()) for _ in range(2)
    )

    assert [r.changes for r in first] == [r.changes for r in second]
    assert [r.spent for r in first] == [r.spent for r in second]


def test_scores_do_not_depend_on_the_number_of_processes() -> None:
    trace = load_trace("stormy").model_copy(update={"duration": 20_000})

    alone, shared = (
        list(compare_rules(trace, 3, RehearsalOptions(), workers)) for workers in (1, 2)
    )

    assert alone == shared
    assert [result.days for result in alone] == [trace.days] * 8


def test_the_rule_with_most_probes_runs_on_the_first_days_only(
    make_trace: Callable[..., Trace],
) -> None:
    many = make_trace(OUTAGE, days=365)
    names = [ServiceId(f"service-{n}") for n in range(200)]
    trace = many.model_copy(
        update={"services": dict.fromkeys(names, many.services[ServiceId("sora")])}
    )

    parts = [truncated_for(rule, trace).days for rule in (UNBUDGETED, OURS)]

    assert parts == [1, 365]


def test_an_outage_of_free_probes_and_its_end_are_seen_at_once(
    make_trace: Callable[..., Trace],
) -> None:
    trace = make_trace(OUTAGE)

    score = score_results(
        run_rehearsal(rehearsed_services(trace, 0), trace.days, RehearsalOptions()), trace.days
    )

    assert (score.outages, score.seen, score.false_alarms) == (1, 1, 0)
    assert score.median_delay is not None
    assert score.median_delay < 2
    assert score.wrong_share < 0.01


def test_a_paid_probe_detects_an_outage_of_jobs_only(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace(HIDDEN)
    world = rehearsed_services(trace, 0)

    ours = score_results(run_rehearsal(world, trace.days, RehearsalOptions()), trace.days)
    shallow = score_results(consecutive_rule(world, trace.days, GATUS_THRESHOLDS), trace.days)

    assert ours.seen == 1
    assert shallow.seen == 0


def test_without_a_budget_no_paid_probe_is_sent(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace(HIDDEN)
    options = replace(RehearsalOptions(), total_budget=Budget(per_day=Decimal(0)))

    (result,) = run_rehearsal(rehearsed_services(trace, 0), trace.days, options)

    assert result.paid_probes == 0
    assert result.spent == 0
    assert result.withheld > 0


def test_the_daily_spend_never_exceeds_the_budget() -> None:
    trace = load_trace("stormy")
    options = replace(RehearsalOptions(), total_budget=Budget(per_day=Decimal("2.00")))

    results = run_rehearsal(rehearsed_services(trace, 0), 3, options)

    assert 0 < sum(result.spent for result in results) <= 6


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 300)), max_size=40))
def test_a_budget_tracker_never_exceeds_its_budget(amounts: list[tuple[int, int]]) -> None:
    tracker, at = BudgetTracker(Budget(per_hour=Decimal("1.50"), per_day=Decimal(4))), START

    for minutes, cents in amounts:
        at += timedelta(minutes=minutes)
        amount = Decimal(cents) / 100
        if tracker.allows(amount, at):
            tracker.spend(amount, at)

    for name, limit in tracker.budget.limits.items():
        for end in tracker.times:
            window = (end - BUDGET_WINDOWS[name], end)
            spent = sum(
                a
                for t, a in zip(tracker.times, tracker.amounts, strict=True)
                if window[0] < t <= end
            )
            assert spent <= limit * 1_000_000


def test_failures_of_our_own_network_do_not_count() -> None:
    trace = load_trace("own-network")
    world = rehearsed_services(trace, 0)

    ours = score_results(run_rehearsal(world, 3, RehearsalOptions()), 3)
    counted = score_results(consecutive_rule(world, 3, GATUS_THRESHOLDS), 3)

    assert ours.wrong_share == 0
    assert counted.wrong_share > 0.01


def test_the_plain_script_raises_a_false_alarm_for_every_failed_job(
    make_trace: Callable[..., Trace],
) -> None:
    trace = make_trace({"from": 0, "to": 86_400, "status": "operational", "deliver": 0.9})

    (result,) = plain_script(rehearsed_services(trace, 0), trace.days)

    assert result.paid_probes == 288
    assert result.spent == 288 * Decimal("0.4")
    assert score_results([result], trace.days).false_alarms > 300


def test_a_page_reports_late_and_omits_outages_that_are_over(
    make_trace: Callable[..., Trace],
) -> None:
    short = {"from": 0, "to": 1, "status": "suspended"}
    trace = make_trace(short, OUTAGE, feeds={"sora": {"lag": 60}})

    (result,) = feed_only(rehearsed_services(trace, 0))

    statuses = [change.status for change in result.changes]
    assert statuses == [Status.OPERATIONAL, Status.SUSPENDED, Status.OPERATIONAL]
    assert _moment(10) < result.changes[1].at < _moment(11)


def test_one_failed_probe_suffices_without_retries(make_trace: Callable[..., Trace]) -> None:
    blink = {"from": HOUR, "to": HOUR + 40, "status": "operational", "reach": 0}
    world = rehearsed_services(make_trace(blink), 0)

    assert score_results(consecutive_rule(world, 1, UPTIME_KUMA_THRESHOLDS), 1).false_alarms == 30
    assert score_results(consecutive_rule(world, 1, GATUS_THRESHOLDS), 1).false_alarms == 0


def test_the_score_counts_minutes_by_true_and_shown_status(
    make_trace: Callable[..., Trace],
) -> None:
    service = rehearsed_services(make_trace(OUTAGE), 0)[0]
    changes = (
        ShownStatus(START, Status.UNKNOWN),
        ShownStatus(_moment(1), Status.OPERATIONAL),
        ShownStatus(_moment(2), Status.DEGRADED),  # a false alarm
        ShownStatus(_moment(3), Status.OPERATIONAL),
        ShownStatus(_moment(10.5), Status.DEGRADED),
        ShownStatus(_moment(11), Status.SUSPENDED),
        ShownStatus(_moment(12.5), Status.OPERATIONAL),
    )

    score = score_results([RuleResult(service, changes)], 1)

    assert score.median_delay == 30
    assert score.wrong_share == pytest.approx((1 + 0.5 + 0.5) / 24)
    assert score.false_alarms == 30
    assert score.misnamed_share == pytest.approx(0.5 / 1.5)
    assert score.unknown_share == pytest.approx(1 / 24)
    assert score.minutes[Status.SUSPENDED][Status.DEGRADED] == pytest.approx(30)


@given(st.integers(0, 2**64 - 1), st.integers(0, 10**14))
def test_a_draw_is_between_0_and_1_and_repeatable(purpose: int, moment: int) -> None:
    assert 0 < draw(purpose, moment) < 1
    assert draw(purpose, moment) == draw(purpose, moment)


def test_durations_have_the_given_quantiles() -> None:
    draws = sorted(log_normal(7, n, 60, 120) for n in range(4000))

    assert draws[2000] == pytest.approx(60, rel=0.03)
    assert draws[3800] == pytest.approx(120, rel=0.06)


def test_results_do_not_depend_on_earlier_requests(
    make_trace: Callable[..., Trace],
) -> None:
    trace = make_trace(
        {"from": 0, "to": 86_400, "status": "operational", "reach": 0.5, "deliver": 0.5}
    )
    one, other = rehearsed_services(trace, 4)[0], rehearsed_services(trace, 4)[0]
    other.submit_job(_moment(1))

    assert [one.free_probe(Depth.REACH, _moment(h)) for h in range(24)] == [
        other.free_probe(Depth.REACH, _moment(h)) for h in range(24)
    ]
    assert one.submit_job(_moment(2)) == other.submit_job(_moment(2))


def _silent_trace(silent: int, services: int, provider: str = "") -> Trace:
    outage = {
        "from": 2 * HOUR,
        "to": 4 * HOUR,
        "status": "suspended",
        "reach": 0,
        "credentials": 0,
        "failure": {"http_status": None, "body": "TimeoutError: "},
    }
    return Trace.model_validate(
        {
            "duration": 5 * HOUR,
            "services": {
                f"s{n}": {"spells": [outage] if n < silent else []}
                | ({"provider": provider} if provider else {})
                for n in range(services)
            },
        }
    )


@pytest.mark.parametrize(("silent", "services"), [(1, 2), (3, 6), (12, 14)])
def test_silent_providers_are_seen_while_others_answer(silent: int, services: int) -> None:
    trace = _silent_trace(silent, services)

    score = score_results(
        run_rehearsal(rehearsed_services(trace, 0), trace.days, RehearsalOptions()), trace.days
    )

    assert (score.seen, score.false_alarms) == (silent, 0)
    assert score.p90_delay is not None
    assert score.p90_delay < 3


def test_all_services_of_one_provider_have_no_witness_and_count_at_once() -> None:
    trace = _silent_trace(3, 3, provider="kie")

    score = score_results(
        run_rehearsal(rehearsed_services(trace, 0), trace.days, RehearsalOptions()), trace.days
    )

    assert score.seen == 3
