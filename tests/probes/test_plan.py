"""The plan of a service's probes, without a clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue.services import PaceBasis, ProbeIntervals
from tallylight.model.evidence import Depth
from tallylight.model.status import Status
from tallylight.probes.budget_allocation import ProbeSchedule
from tallylight.probes.plan import (
    PlanInput,
    PlannedProbe,
    ProbeReason,
    ProbeTiming,
    initial_delay,
    planned_probes,
)
from tests import builders
from tests.builders import order_of

NOON = datetime(2026, 1, 28, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
STEADY = ProbeTiming(jitter=0.0)

SERVICE = replace(
    builders.SERVICE,
    probe_intervals=ProbeIntervals(reach=MINUTE, credentials=10 * MINUTE, generation=180 * MINUTE),
    probe_order=order_of("a paper boat", 4, "1280x720"),
)
FACTS = PlanInput(
    service=SERVICE,
    first_due_at=NOON,
    last_probed_at={Depth.REACH: NOON, Depth.CREDENTIALS: NOON, Depth.GENERATION: NOON},
    status=Status.OPERATIONAL,
)


def planned(facts: PlanInput, depth: Depth, timing: ProbeTiming = STEADY) -> PlannedProbe | None:
    return next((p for p in planned_probes(facts, timing) if p.depth is depth), None)


def test_a_new_service_is_probed_at_every_depth_in_the_first_round() -> None:
    facts = PlanInput(service=SERVICE, first_due_at=NOON)

    plan = planned_probes(facts, STEADY)

    assert {p.depth for p in plan} == set(Depth)
    assert all(p.at == NOON and p.reason is ProbeReason.FIRST for p in plan)


def test_a_bad_free_probe_is_repeated_after_10_20_and_5_seconds() -> None:
    once = replace(FACTS, failures_in_a_row=1)
    twice = replace(FACTS, failures_in_a_row=2)
    thrice = replace(FACTS, failures_in_a_row=3)
    often = replace(FACTS, failures_in_a_row=4)
    soon = [
        PlannedProbe(Depth.REACH, NOON + timedelta(seconds=seconds), ProbeReason.CONFIRM)
        for seconds in (10, 20, 5)
    ]

    assert [planned(facts, Depth.REACH) for facts in (once, twice, thrice)] == soon
    assert planned(often, Depth.REACH) == PlannedProbe(
        Depth.REACH, NOON + MINUTE, ProbeReason.ROUTINE
    )


def test_a_paid_probe_is_sent_soon_if_the_jobs_are_undecided() -> None:
    doubtful = replace(FACTS, jobs_undecided=True)

    assert planned(doubtful, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 5 * MINUTE, ProbeReason.UNDECIDED
    )


def test_a_long_outage_is_probed_less_and_less_often() -> None:
    young = replace(FACTS, jobs_down_since=NOON - 10 * MINUTE)
    old = replace(FACTS, jobs_down_since=NOON - 480 * MINUTE)

    assert planned(young, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 5 * MINUTE, ProbeReason.UNDECIDED
    )
    assert planned(old, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 60 * MINUTE, ProbeReason.UNDECIDED
    )


def test_an_outage_is_probed_sooner_if_refusals_are_free_or_jobs_recover() -> None:
    old = replace(FACTS, jobs_down_since=NOON - 480 * MINUTE)

    refused = planned(replace(old, refusals_in_a_row=1), Depth.GENERATION)
    ending = planned(replace(old, jobs_recovering=True), Depth.GENERATION)

    assert refused is not None
    assert refused.at == NOON + 15 * MINUTE
    assert ending is not None
    assert ending.at == NOON + 5 * MINUTE


def test_an_outage_is_probed_within_the_recovery_interval() -> None:
    rhythm = ProbeSchedule(routine_interval=120 * MINUTE, recovery_interval=20 * MINUTE)
    old = replace(FACTS, jobs_down_since=NOON - 480 * MINUTE, schedule=rhythm)

    found = planned(old, Depth.GENERATION)

    assert found is not None
    assert found.at == NOON + 20 * MINUTE


def test_the_allocated_routine_interval_applies() -> None:
    rhythm = ProbeSchedule(routine_interval=120 * MINUTE, recovery_interval=20 * MINUTE)

    assert planned(replace(FACTS, schedule=rhythm), Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 120 * MINUTE, ProbeReason.ROUTINE
    )


def test_the_routine_interval_applies_if_the_jobs_are_decided() -> None:
    assert planned(FACTS, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 180 * MINUTE, ProbeReason.ROUTINE
    )


def test_live_traffic_postpones_the_next_paid_probe() -> None:
    busy = replace(FACTS, last_traffic_at=NOON + 60 * MINUTE)

    assert planned(busy, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 240 * MINUTE, ProbeReason.ROUTINE
    )


@pytest.mark.parametrize(
    "spared",
    [
        replace(FACTS, status=Status.RETIRED),
        replace(FACTS, status=Status.MAINTENANCE),
        replace(FACTS, api_is_up=False),
        replace(FACTS, has_open_attempt=True),
        replace(FACTS, disabled_depths=frozenset({Depth.GENERATION})),
        replace(FACTS, service=replace(SERVICE, probe_order=None)),
        replace(FACTS, service=replace(SERVICE, probe_intervals=ProbeIntervals(generation=None))),
    ],
)
def test_no_paid_probe_is_sent_if_it_would_give_no_evidence(spared: PlanInput) -> None:
    assert planned(replace(spared, jobs_undecided=True), Depth.GENERATION) is None


def test_a_paid_probe_waits_as_long_as_credentials_probes_tell_about_a_refused_key() -> None:
    until = NOON + timedelta(days=1)

    waiting = planned(
        replace(FACTS, jobs_undecided=True, key_refused_until=until), Depth.GENERATION
    )

    assert waiting is not None
    assert waiting.at == until


def test_a_replaced_key_is_checked_at_once_unless_each_check_may_be_billed() -> None:
    checked = {Depth.CREDENTIALS: NOON - SECOND}
    replaced = replace(
        FACTS, last_probed_at=checked, key_replaced_at=NOON, key_checked_at=NOON - 2 * SECOND
    )

    soon = planned(replaced, Depth.CREDENTIALS)
    done = planned(replace(replaced, key_checked_at=NOON), Depth.CREDENTIALS)
    costly = planned(replace(replaced, unanswered_count=1), Depth.CREDENTIALS)

    assert soon is not None
    assert done is not None
    assert costly is not None
    assert NOON <= soon.at <= NOON + 5 * SECOND
    assert done.at > NOON + MINUTE
    assert costly.at > NOON + MINUTE


def test_a_withheld_probe_waits_before_the_next_try() -> None:
    withheld = replace(FACTS, withheld_at=NOON + 180 * MINUTE)

    assert planned(withheld, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 185 * MINUTE, ProbeReason.ROUTINE
    )


def test_a_retired_service_keeps_only_a_rare_credentials_probe() -> None:
    retired = replace(FACTS, status=Status.RETIRED)

    plan = planned_probes(retired, STEADY)

    assert [(p.depth, p.at) for p in plan] == [(Depth.CREDENTIALS, NOON + timedelta(days=1))]


def test_a_free_probe_that_may_have_been_billed_is_sent_less_and_less_often() -> None:
    paces = [
        planned(replace(FACTS, unanswered_count=times), Depth.CREDENTIALS)
        for times in (0, 1, 2, 30)
    ]

    assert [p.at - NOON for p in paces if p is not None] == [
        10 * MINUTE,
        20 * MINUTE,
        40 * MINUTE,
        timedelta(days=1),
    ]


def test_an_overdue_probe_waits_for_its_place_in_the_first_round() -> None:
    late = replace(FACTS, first_due_at=NOON + 300 * MINUTE)

    assert planned(late, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 300 * MINUTE, ProbeReason.ROUTINE
    )


def test_a_depth_that_was_billed_by_mistake_stays_disabled() -> None:
    burnt = replace(FACTS, disabled_depths=frozenset({Depth.CREDENTIALS}))

    assert planned(burnt, Depth.CREDENTIALS) is None


@given(st.integers(1, 5000), st.data())
def test_the_first_round_reaches_all_services_within_one_interval(
    services: int, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, services - 1))

    offset = initial_delay(position, services, MINUTE)

    assert timedelta() <= offset < MINUTE


@given(
    doubt=st.booleans(),
    bad=st.integers(0, 10),
    endpoint=st.booleans(),
    ago=st.integers(0, 10_000),
)
def test_two_paid_probes_are_never_closer_than_the_undecided_interval(
    bad: int, ago: int, *, doubt: bool, endpoint: bool
) -> None:
    sent = NOON - timedelta(seconds=ago)
    facts = replace(
        FACTS,
        jobs_undecided=doubt,
        failures_in_a_row=bad,
        api_is_up=endpoint,
        last_probed_at={Depth.GENERATION: sent},
    )

    planned_probe = planned(facts, Depth.GENERATION, ProbeTiming())

    assert planned_probe is None or planned_probe.at >= sent + 5 * MINUTE


def test_a_first_conflicting_result_is_probed_again_within_a_minute() -> None:
    doubted = replace(FACTS, jobs_undecided=True)
    at_odds = replace(doubted, has_conflicting_evidence=True)

    assert planned(doubted, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 5 * MINUTE, ProbeReason.UNDECIDED
    )
    assert planned(at_odds, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + MINUTE, ProbeReason.UNDECIDED
    )


def test_conflicting_evidence_shortens_the_wait_for_traffic_of_a_fast_service() -> None:
    reported = NOON + 30 * MINUTE
    quick = replace(
        FACTS,
        jobs_undecided=True,
        has_conflicting_evidence=True,
        last_traffic_at=reported,
        usual_job_time=timedelta(seconds=6),
    )
    slow = replace(quick, usual_job_time=timedelta(seconds=90))
    consistent = replace(quick, has_conflicting_evidence=False)

    wanted = [planned(facts, Depth.GENERATION) for facts in (quick, slow, consistent)]

    assert [each.at for each in wanted if each] == [
        reported + timedelta(seconds=12),
        reported + 2 * MINUTE,
        reported + 2 * MINUTE,
    ]


def test_no_paid_probe_is_sent_while_callers_jobs_give_evidence() -> None:
    reported = NOON + 30 * MINUTE
    facts = replace(FACTS, jobs_undecided=True, last_traffic_at=reported)

    assert planned(facts, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, reported + 2 * MINUTE, ProbeReason.UNDECIDED
    )


@pytest.mark.parametrize(
    ("times", "minutes"), [(1, 5), (2, 5), (3, 5), (4, 10), (5, 20), (6, 40), (7, 60), (30, 60)]
)
def test_a_refused_key_balance_or_rate_is_tried_again_after_growing_delays(
    times: int, minutes: int
) -> None:
    refused = replace(FACTS, refused_at=NOON + SECOND, refusals_in_a_row=times)

    assert planned(refused, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + minutes * MINUTE, ProbeReason.REFUSED
    )


def test_a_refused_balance_is_tried_no_later_than_the_routine_probe() -> None:
    intervals = replace(SERVICE.probe_intervals, generation=30 * MINUTE)
    often = replace(FACTS, service=replace(SERVICE, probe_intervals=intervals))

    refused = replace(often, refused_at=NOON + SECOND, refusals_in_a_row=9)

    assert planned(refused, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 30 * MINUTE, ProbeReason.ROUTINE
    )


def test_a_refusal_that_was_billed_is_not_repeated_before_the_routine_probe() -> None:
    billed = replace(FACTS, refused_at=NOON + SECOND, refusals_in_a_row=0)

    assert planned(billed, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 180 * MINUTE, ProbeReason.ROUTINE
    )


def test_a_probe_follows_soon_when_a_callers_order_was_refused() -> None:
    refused = replace(FACTS, refused_at=NOON + 60 * MINUTE)

    assert planned(refused, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 65 * MINUTE, ProbeReason.REFUSED
    )


def test_a_service_that_is_probed_at_least_so_often_never_waits_longer() -> None:
    intervals = replace(SERVICE.probe_intervals, generation_basis=PaceBasis.AT_LEAST)
    facts = replace(FACTS, service=replace(SERVICE, probe_intervals=intervals))
    starts = [NOON + n * MINUTE for n in range(200)]

    waits = []
    for start in starts:
        probed = replace(facts, last_probed_at={**FACTS.last_probed_at, Depth.GENERATION: start})
        next_one = planned(probed, Depth.GENERATION, ProbeTiming(jitter=0.1))
        assert next_one is not None
        waits.append(next_one.at - start)

    assert max(waits) <= 180 * MINUTE
    assert min(waits) > 140 * MINUTE
