"""The pure heart: what a service does at a second, given chance."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.simulator.faults import (
    FAULT_ADAPTER,
    AnyFault,
    DeliverDefective,
    Endpoint,
    Refuse,
    VideoDefect,
    affects,
)
from tallylight.simulator.outcomes import (
    FaultInterval,
    JobFailure,
    JobOutcome,
    JobStatus,
    OutputSpec,
    active_faults,
    apply_defect,
    decide_outcome,
    draw_job_duration,
    fault_intervals,
    progress_at,
    select_fault,
    video_price,
)
from tallylight.simulator.scenario import ScenarioPrice, ScenarioService, ScheduledFault

ASKED = OutputSpec("sora-2", "1280x720", 8)
chances = st.floats(0, 1)
seconds = st.floats(0, 100_000)
shares = st.floats(0.01, 1)
KINDS: list[dict[str, object]] = [
    {"kind": "refuse", "http_status": 503},
    {"kind": "refuse", "sign": "risk_control", "doors": ["create", "poll", "models"]},
    {"kind": "hang"},
    {"kind": "reset", "doors": ["content"]},
    {"kind": "stall", "at": 60},
    {"kind": "fail", "after": 3},
    {"kind": "deliver_defective", "defect": "black"},
    {"kind": "deliver_defective", "defect": "wrong_size"},
    {"kind": "expire"},
    {"kind": "slow", "factor": 3},
    {"kind": "retire"},
    {"kind": "incomplete_list"},
    {"kind": "false_report"},
]
troubles = st.builds(
    lambda kind, share: FAULT_ADAPTER.validate_python(kind | {"share": share}),
    st.sampled_from(KINDS),
    shares,
)
fates = st.builds(
    JobOutcome,
    duration=st.none() | st.floats(0.1, 1000),
    stall_percent=st.integers(0, 99),
    failure=st.none() | st.just(JobFailure("server_error", "An internal error occurred.")),
    output=st.just(ASKED),
)


def service(**facts: object) -> ScenarioService:
    return ScenarioService.model_validate(
        {
            "name": "Sora 2",
            "upstream": "openai",
            "model": "sora-2",
            "access": "official",
            "price": {"unit": "per_second", "rates": {"*": "0.10"}},
            "lengths": [4, 8],
            "sizes": ["1280x720"],
        }
        | facts
    )


@given(st.lists(troubles), st.sampled_from(Endpoint), chances)
def test_whatever_strikes_stands_at_that_door(
    several: list[AnyFault], door: Endpoint, chance: float
) -> None:
    trouble = select_fault(several, door, chance)

    assert trouble is None or (trouble in several and affects(trouble, door))


@given(st.lists(troubles), st.sampled_from(Endpoint), chances, chances)
def test_a_luckier_draw_never_meets_an_earlier_trouble(
    several: list[AnyFault], door: Endpoint, one: float, other: float
) -> None:
    def rank(chance: float) -> int:
        trouble = select_fault(several, door, chance)
        return len(several) if trouble is None else several.index(trouble)

    assert rank(min(one, other)) <= rank(max(one, other))


@given(shares, chances)
def test_a_trouble_strikes_its_share_of_the_draws(share: float, chance: float) -> None:
    trouble = Refuse.model_validate({"kind": "refuse", "http_status": 500, "share": share})

    assert (select_fault([trouble], Endpoint.CREATE, chance) is not None) == (
        chance < share or share == 1
    )


def test_two_troubles_share_one_pie() -> None:
    first = FAULT_ADAPTER.validate_python({"kind": "stall", "share": 0.3})
    second = FAULT_ADAPTER.validate_python({"kind": "hang", "share": 0.3})

    assert [
        select_fault([first, second], Endpoint.CREATE, draw / 10) for draw in (1, 2, 4, 5, 7, 9)
    ] == [
        first,
        first,
        second,
        second,
        None,
        None,
    ]


@given(fates, st.floats(0, 2000), st.floats(0, 2000))
def test_a_job_only_moves_forward(fate: JobOutcome, one: float, other: float) -> None:
    order = [JobStatus.QUEUED, JobStatus.IN_PROGRESS, JobStatus.COMPLETED, JobStatus.FAILED]
    early, late = progress_at(fate, min(one, other)), progress_at(fate, max(one, other))

    assert order.index(early.status) <= order.index(late.status)
    assert late.status is JobStatus.FAILED or early.progress <= late.progress
    if early.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
        assert late == early


@given(fates, st.floats(0, 1e6))
def test_only_a_completed_job_is_at_a_hundred_percent(fate: JobOutcome, age: float) -> None:
    stage = progress_at(fate, age)

    assert (stage.progress == 100) == (stage.status is JobStatus.COMPLETED)


@given(st.floats(0.1, 100), st.floats(1, 10), chances, chances)
def test_a_worse_draw_never_makes_a_job_faster(
    median: float, ratio: float, one: float, other: float
) -> None:
    latency = (median, median * ratio)

    assert draw_job_duration(latency, min(one, other)) <= draw_job_duration(
        latency, max(one, other)
    )


def test_job_times_run_through_the_given_median_and_95th_percentile() -> None:
    assert draw_job_duration((4.0, 6.0), 0.5) == pytest.approx(4.0)
    assert draw_job_duration((4.0, 6.0), 0.95) == pytest.approx(6.0)


@given(troubles, chances)
def test_every_trouble_leads_to_a_fate(trouble: AnyFault, chance: float) -> None:
    fate = decide_outcome(service(), ASKED, "a boat", trouble, chance)

    if isinstance(trouble, DeliverDefective):
        assert fate.output.defect is trouble.defect
    else:
        assert fate.output == ASKED


@given(troubles, chances)
def test_refused_content_ends_as_refused_content_whatever_else_happens(
    trouble: AnyFault, chance: float
) -> None:
    fate = decide_outcome(service(), ASKED, "much Gore", trouble, chance)

    assert fate.failure is not None
    assert fate.failure.code == "moderation_blocked"


@given(st.sampled_from(VideoDefect))
def test_a_flaw_changes_what_it_names_and_nothing_else(flaw: VideoDefect) -> None:
    made = apply_defect(ASKED, DeliverDefective(kind="deliver_defective", defect=flaw))

    assert (made.size != ASKED.size) == (flaw is VideoDefect.WRONG_SIZE)
    assert (made.seconds != ASKED.seconds) == (flaw is VideoDefect.WRONG_LENGTH)
    assert (made.model != ASKED.model) == (flaw is VideoDefect.OTHER_MODEL)
    assert made.defect is flaw


def spell(**facts: object) -> ScheduledFault:
    return ScheduledFault.model_validate({"fault": {"kind": "stall"}} | facts)


@given(seconds, st.floats(0, 1000), st.floats(0.1, 1000))
def test_a_spell_lasts_from_its_first_second_to_before_its_last(
    second: float, begin: float, length: float
) -> None:
    script = fault_intervals([spell(**{"from": begin, "to": begin + length})])

    assert bool(active_faults(script, (), second)) == (begin <= second < begin + length)


def test_a_spell_that_comes_again_does_so_until_the_day_is_over() -> None:
    script = fault_intervals([spell(**{"from": 100, "to": 160, "every": 3600})])

    struck_at = [bool(active_faults(script, (), at)) for at in (99, 100, 160, 3700, 3760, 82_950)]

    assert struck_at == [False, True, False, True, False, True]
    assert len(script) == 24


def test_an_override_replaces_the_script_while_it_lasts() -> None:
    script = fault_intervals([spell(**{"from": 0, "to": 100})])
    slow = FAULT_ADAPTER.validate_python({"kind": "slow"})
    overrides = (FaultInterval(10, 20, (slow,)), FaultInterval(30, None, ()))

    named = [[one.kind for one in active_faults(script, overrides, at)] for at in (5, 15, 25, 50)]

    assert named == [["stall"], ["slow"], ["stall"], []]


def test_prices_follow_the_resolution_and_the_unit() -> None:
    by_second = ScenarioPrice.model_validate(
        {"unit": "per_second", "rates": {"720p": "0.3", "*": "0.5"}}
    )
    by_call = ScenarioPrice.model_validate({"unit": "per_call", "rates": {"*": "0.15"}})

    assert video_price(by_second, "1280x720", 4) == Decimal("1.2")
    assert video_price(by_second, "1792x1024", 4) == Decimal(2)
    assert video_price(by_call, "1280x704", 15) == Decimal("0.15")
