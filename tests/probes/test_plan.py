"""Which probe is due when: the rules, without a clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue.services import (
    FactSheet,
    Medium,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.model.evidence import Depth
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Budget
from tallylight.model.order import Order
from tallylight.model.status import Access, Status
from tallylight.probes.budget_allocation import ProbeSchedule
from tallylight.probes.plan import (
    PlanInput,
    PlannedProbe,
    ProbeReason,
    ProbeTiming,
    initial_delay,
    planned_probes,
)

NOON = datetime(2026, 1, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STEADY = ProbeTiming(jitter=0.0)

SHEET = FactSheet(
    provider=ProviderId("openai"),
    model="sora-2",
    title="Sora 2",
    medium=Medium.VIDEO,
    access=Access.OFFICIAL,
    protocol="openai_videos",
    lengths=(4,),
    sizes=("1280x720",),
    price=None,
    announced_at=None,
    shutdown_at=None,
    shutdown_precision=ShutdownPrecision.EXACT,
    replacement="",
    notes="",
    sources=("a test",),
    as_of=date(2026, 1, 1),
)
SERVICE = Service(
    id=ServiceId("sora-2-official"),
    name="Sora 2 官轉",
    upstream=Upstream(
        id=UpstreamId("openai"),
        provider=ProviderId("openai"),
        base_url="http://127.0.0.1/v1",
        protocol="openai_videos",
        dialect="openai",
        key=None,
    ),
    model="sora-2",
    access=Access.OFFICIAL,
    sheet=SHEET,
    probe_intervals=ProbeIntervals(reach=MINUTE, credentials=10 * MINUTE, generation=180 * MINUTE),
    budget=Budget(),
    probe_order=Order("a paper boat", 4, "1280x720"),
)
WATCHED = PlanInput(
    service=SERVICE,
    first_due_at=NOON,
    last_probed_at={Depth.REACH: NOON, Depth.CREDENTIALS: NOON, Depth.GENERATION: NOON},
    status=Status.OPERATIONAL,
)


def planned(watch: PlanInput, depth: Depth, pacing: ProbeTiming = STEADY) -> PlannedProbe | None:
    return next((p for p in planned_probes(watch, pacing) if p.depth is depth), None)


def test_a_new_service_is_probed_at_every_depth_in_the_opening_round() -> None:
    watch = PlanInput(service=SERVICE, first_due_at=NOON)

    plan = planned_probes(watch, STEADY)

    assert {p.depth for p in plan} == set(Depth)
    assert all(p.at == NOON and p.reason is ProbeReason.FIRST for p in plan)


def test_a_bad_shallow_result_is_looked_at_again_after_10_20_and_5_seconds() -> None:
    once = replace(WATCHED, failures_in_a_row=1)
    twice = replace(WATCHED, failures_in_a_row=2)
    thrice = replace(WATCHED, failures_in_a_row=3)
    often = replace(WATCHED, failures_in_a_row=4)
    soon = [
        PlannedProbe(Depth.REACH, NOON + timedelta(seconds=seconds), ProbeReason.CONFIRM)
        for seconds in (10, 20, 5)
    ]

    assert [planned(watch, Depth.REACH) for watch in (once, twice, thrice)] == soon
    assert planned(often, Depth.REACH) == PlannedProbe(
        Depth.REACH, NOON + MINUTE, ProbeReason.ROUTINE
    )


def test_money_is_spent_soon_where_the_jobs_are_in_doubt() -> None:
    doubtful = replace(WATCHED, jobs_undecided=True)

    assert planned(doubtful, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 5 * MINUTE, ProbeReason.UNDECIDED
    )


def test_an_outage_of_hours_is_looked_at_ever_more_rarely() -> None:
    young = replace(WATCHED, jobs_down_since=NOON - 10 * MINUTE)
    old = replace(WATCHED, jobs_down_since=NOON - 480 * MINUTE)

    assert planned(young, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 5 * MINUTE, ProbeReason.UNDECIDED
    )
    assert planned(old, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 60 * MINUTE, ProbeReason.UNDECIDED
    )


def test_an_outage_is_looked_at_sooner_where_it_refuses_for_free_or_seems_to_end() -> None:
    old = replace(WATCHED, jobs_down_since=NOON - 480 * MINUTE)

    refused = planned(replace(old, was_refused=True), Depth.GENERATION)
    ending = planned(replace(old, jobs_recovering=True), Depth.GENERATION)

    assert refused is not None
    assert refused.at == NOON + 15 * MINUTE
    assert ending is not None
    assert ending.at == NOON + 5 * MINUTE


def test_an_outage_is_looked_at_no_later_than_is_worth_it() -> None:
    rhythm = ProbeSchedule(routine_interval=120 * MINUTE, recovery_interval=20 * MINUTE)
    old = replace(WATCHED, jobs_down_since=NOON - 480 * MINUTE, schedule=rhythm)

    found = planned(old, Depth.GENERATION)

    assert found is not None
    assert found.at == NOON + 20 * MINUTE


def test_the_routine_holds_that_was_reckoned() -> None:
    rhythm = ProbeSchedule(routine_interval=120 * MINUTE, recovery_interval=20 * MINUTE)

    assert planned(replace(WATCHED, schedule=rhythm), Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 120 * MINUTE, ProbeReason.ROUTINE
    )


def test_where_the_jobs_are_known_the_slow_pace_holds() -> None:
    assert planned(WATCHED, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 180 * MINUTE, ProbeReason.ROUTINE
    )


def test_live_traffic_puts_the_next_paid_probe_off() -> None:
    busy = replace(WATCHED, last_traffic_at=NOON + 60 * MINUTE)

    assert planned(busy, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 240 * MINUTE, ProbeReason.ROUTINE
    )


@pytest.mark.parametrize(
    "spared",
    [
        replace(WATCHED, status=Status.RETIRED),
        replace(WATCHED, status=Status.MAINTENANCE),
        replace(WATCHED, is_key_refused=True),
        replace(WATCHED, api_is_up=False),
        replace(WATCHED, has_open_attempt=True),
        replace(WATCHED, disabled_depths=frozenset({Depth.GENERATION})),
        replace(WATCHED, service=replace(SERVICE, probe_order=None)),
        replace(WATCHED, service=replace(SERVICE, probe_intervals=ProbeIntervals(generation=None))),
    ],
)
def test_no_money_is_spent_where_it_cannot_tell_anything(spared: PlanInput) -> None:
    assert planned(replace(spared, jobs_undecided=True), Depth.GENERATION) is None


def test_a_probe_that_a_budget_withheld_waits_before_it_asks_again() -> None:
    withheld = replace(WATCHED, withheld_at=NOON + 180 * MINUTE)

    assert planned(withheld, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 185 * MINUTE, ProbeReason.ROUTINE
    )


def test_a_retired_service_keeps_only_a_rare_free_look_at_its_key() -> None:
    retired = replace(WATCHED, status=Status.RETIRED)

    plan = planned_probes(retired, STEADY)

    assert [(p.depth, p.at) for p in plan] == [(Depth.CREDENTIALS, NOON + timedelta(days=1))]


def test_a_free_question_that_may_have_been_billed_is_asked_ever_more_rarely() -> None:
    paces = [
        planned(replace(WATCHED, unanswered_count=times), Depth.CREDENTIALS)
        for times in (0, 1, 2, 30)
    ]

    assert [p.at - NOON for p in paces if p is not None] == [
        10 * MINUTE,
        20 * MINUTE,
        40 * MINUTE,
        timedelta(days=1),
    ]


def test_what_is_overdue_waits_for_its_place_in_the_opening_round() -> None:
    late = replace(WATCHED, first_due_at=NOON + 300 * MINUTE)

    assert planned(late, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 300 * MINUTE, ProbeReason.ROUTINE
    )


def test_a_depth_that_was_billed_by_mistake_stays_off() -> None:
    burnt = replace(WATCHED, disabled_depths=frozenset({Depth.CREDENTIALS}))

    assert planned(burnt, Depth.CREDENTIALS) is None


@given(st.integers(1, 5000), st.data())
def test_the_opening_round_reaches_everybody_within_one_interval(
    services: int, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, services - 1))

    offset = initial_delay(position, services, MINUTE)

    assert timedelta() <= offset < MINUTE


@given(
    doubt=st.booleans(),
    bad=st.integers(0, 10),
    door=st.booleans(),
    ago=st.integers(0, 10_000),
)
def test_two_paid_probes_are_never_closer_than_the_doubt_pace(
    bad: int, ago: int, *, doubt: bool, door: bool
) -> None:
    placed = NOON - timedelta(seconds=ago)
    watch = replace(
        WATCHED,
        jobs_undecided=doubt,
        failures_in_a_row=bad,
        api_is_up=door,
        last_probed_at={Depth.GENERATION: placed},
    )

    appointment = planned(watch, Depth.GENERATION, ProbeTiming())

    assert appointment is None or appointment.at >= placed + 5 * MINUTE


def test_a_first_contradiction_is_looked_at_again_within_a_minute() -> None:
    doubted = replace(WATCHED, jobs_undecided=True)
    at_odds = replace(doubted, has_conflicting_evidence=True)

    assert planned(doubted, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + 5 * MINUTE, ProbeReason.UNDECIDED
    )
    assert planned(at_odds, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, NOON + MINUTE, ProbeReason.UNDECIDED
    )


def test_a_quick_service_that_contradicts_itself_is_asked_before_its_callers_ask_again() -> None:
    told = NOON + 30 * MINUTE
    quick = replace(
        WATCHED,
        jobs_undecided=True,
        has_conflicting_evidence=True,
        last_traffic_at=told,
        usual_job_time=timedelta(seconds=6),
    )
    slow = replace(quick, usual_job_time=timedelta(seconds=90))
    settled = replace(quick, has_conflicting_evidence=False)

    wanted = [planned(watch, Depth.GENERATION) for watch in (quick, slow, settled)]

    assert [each.at for each in wanted if each] == [
        told + timedelta(seconds=12),
        told + 2 * MINUTE,
        told + 2 * MINUTE,
    ]


def test_no_doubt_is_paid_for_while_callers_jobs_go_on_telling() -> None:
    told = NOON + 30 * MINUTE
    watch = replace(WATCHED, jobs_undecided=True, last_traffic_at=told)

    assert planned(watch, Depth.GENERATION) == PlannedProbe(
        Depth.GENERATION, told + 2 * MINUTE, ProbeReason.UNDECIDED
    )
