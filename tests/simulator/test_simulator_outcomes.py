"""The pure decisions: faults, outcomes and prices."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

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
    reading_price,
    select_fault,
)
from tallylight.simulator.reading import OrderReading, matching_size, sized_reading
from tallylight.simulator.scenario import ScenarioPrice, ScenarioService, ScheduledFault

REQUESTED = OutputSpec("sora-2", "1280x720", 8)
draws = st.floats(0, 1)
seconds = st.floats(0, 100_000)
shares = st.floats(0.01, 1)
KINDS: list[dict[str, object]] = [
    {"kind": "refuse", "http_status": 503},
    {"kind": "refuse", "sign": "risk_control", "doors": ["create", "poll", "check"]},
    {"kind": "hang"},
    {"kind": "reset", "doors": ["content"]},
    {"kind": "stall", "at": 60},
    {"kind": "fail", "after": 3},
    {"kind": "deliver_defective", "defect": "black"},
    {"kind": "deliver_defective", "defect": "wrong_size"},
    {"kind": "expire"},
    {"kind": "result_late"},
    {"kind": "answer_late"},
    {"kind": "cut"},
    {"kind": "mislabel", "doors": ["poll"]},
    {"kind": "slow", "factor": 3},
    {"kind": "retire"},
    {"kind": "incomplete_list"},
    {"kind": "false_report"},
]
faults = st.builds(
    lambda kind, share: FAULT_ADAPTER.validate_python(kind | {"share": share}),
    st.sampled_from(KINDS),
    shares,
)
outcomes = st.builds(
    JobOutcome,
    duration=st.none() | st.floats(0.1, 1000),
    stall_percent=st.integers(0, 99),
    failure=st.none() | st.just(JobFailure("server_error", "An internal error occurred.")),
    output=st.just(REQUESTED),
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


@given(st.lists(faults), st.sampled_from(Endpoint), draws)
def test_a_selected_fault_affects_that_endpoint(
    faults_: list[AnyFault], endpoint: Endpoint, draw: float
) -> None:
    fault = select_fault(faults_, endpoint, draw)

    assert fault is None or (fault in faults_ and affects(fault, endpoint))


@given(st.lists(faults), st.sampled_from(Endpoint), draws, draws)
def test_a_higher_draw_never_selects_an_earlier_fault(
    faults_: list[AnyFault], endpoint: Endpoint, one: float, other: float
) -> None:
    def rank(draw: float) -> int:
        fault = select_fault(faults_, endpoint, draw)
        return len(faults_) if fault is None else faults_.index(fault)

    assert rank(min(one, other)) <= rank(max(one, other))


@given(shares, draws)
def test_a_fault_is_selected_for_its_share_of_the_draws(share: float, draw: float) -> None:
    fault = Refuse.model_validate({"kind": "refuse", "http_status": 500, "share": share})

    assert (select_fault([fault], Endpoint.CREATE, draw) is not None) == (
        draw < share or share == 1
    )


def test_the_shares_of_two_faults_add_up() -> None:
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


@given(outcomes, st.floats(0, 2000), st.floats(0, 2000))
def test_the_progress_of_a_job_never_decreases(
    outcome: JobOutcome, one: float, other: float
) -> None:
    order = [JobStatus.QUEUED, JobStatus.IN_PROGRESS, JobStatus.COMPLETED, JobStatus.FAILED]
    early, late = progress_at(outcome, min(one, other)), progress_at(outcome, max(one, other))

    assert order.index(early.status) <= order.index(late.status)
    assert late.status is JobStatus.FAILED or early.percent <= late.percent
    if early.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
        assert late == early


@given(outcomes, st.floats(0, 1e6))
def test_only_a_completed_job_is_at_100_percent(outcome: JobOutcome, age: float) -> None:
    progress = progress_at(outcome, age)

    assert (progress.percent == 100) == (progress.status is JobStatus.COMPLETED)


@given(st.floats(0.1, 100), st.floats(1, 10), draws, draws)
def test_a_higher_draw_never_makes_a_job_faster(
    median: float, ratio: float, one: float, other: float
) -> None:
    latency = (median, median * ratio)

    assert draw_job_duration(latency, min(one, other)) <= draw_job_duration(
        latency, max(one, other)
    )


def test_job_durations_have_the_given_median_and_95th_percentile() -> None:
    assert draw_job_duration((4.0, 6.0), 0.5) == pytest.approx(4.0)
    assert draw_job_duration((4.0, 6.0), 0.95) == pytest.approx(6.0)


@given(faults, draws)
def test_every_fault_leads_to_an_outcome(fault: AnyFault, draw: float) -> None:
    outcome = decide_outcome(service(), REQUESTED, "a boat", fault, draw)

    if isinstance(fault, DeliverDefective):
        assert outcome.output.defect is fault.defect
    else:
        assert outcome.output == REQUESTED


@given(faults, draws)
def test_blocked_content_is_rejected_with_any_fault(fault: AnyFault, draw: float) -> None:
    outcome = decide_outcome(service(), REQUESTED, "much Gore", fault, draw)

    assert outcome.failure is not None
    assert outcome.failure.code == "moderation_blocked"


@given(st.sampled_from(VideoDefect))
def test_a_defect_changes_nothing_but_what_it_names(defect: VideoDefect) -> None:
    delivered = apply_defect(REQUESTED, DeliverDefective(kind="deliver_defective", defect=defect))

    assert (delivered.size != REQUESTED.size) == (defect is VideoDefect.WRONG_SIZE)
    assert (delivered.seconds != REQUESTED.seconds) == (defect is VideoDefect.WRONG_LENGTH)
    assert (delivered.model != REQUESTED.model) == (defect is VideoDefect.OTHER_MODEL)
    assert delivered.defect is defect


def scheduled(**facts: object) -> ScheduledFault:
    return ScheduledFault.model_validate({"fault": {"kind": "stall"}} | facts)


@given(seconds, st.floats(0, 1000), st.floats(0.1, 1000))
def test_a_scheduled_fault_includes_its_start_and_excludes_its_end(
    second: float, begin: float, length: float
) -> None:
    script = fault_intervals([scheduled(**{"from": begin, "to": begin + length})])

    assert bool(active_faults(script, (), second)) == (begin <= second < begin + length)


def test_a_periodic_fault_repeats_for_the_rest_of_the_day() -> None:
    script = fault_intervals([scheduled(**{"from": 100, "to": 160, "every": 3600})])

    active_at = [bool(active_faults(script, (), at)) for at in (99, 100, 160, 3700, 3760, 82_950)]

    assert active_at == [False, True, False, True, False, True]
    assert len(script) == 24


def test_an_override_replaces_the_script_for_its_duration() -> None:
    script = fault_intervals([scheduled(**{"from": 0, "to": 100})])
    slow = FAULT_ADAPTER.validate_python({"kind": "slow"})
    overrides = (FaultInterval(10, 20, (slow,)), FaultInterval(30, None, ()))

    kinds = [[one.kind for one in active_faults(script, overrides, at)] for at in (5, 15, 25, 50)]

    assert kinds == [["stall"], ["slow"], ["stall"], []]


def read(size: str, seconds: int, **facts: Any) -> OrderReading:
    return replace(sized_reading("a boat", size, seconds, "m"), **facts)


def test_prices_depend_on_resolution_and_unit() -> None:
    by_second = ScenarioPrice.model_validate(
        {"unit": "per_second", "rates": {"720p": "0.3", "*": "0.5"}}
    )
    by_call = ScenarioPrice.model_validate({"unit": "per_call", "rates": {"*": "0.15"}})

    assert reading_price(by_second, read("1280x720", 4)) == Decimal("1.2")
    assert reading_price(by_second, read("1792x1024", 4)) == Decimal(2)
    assert reading_price(by_call, read("1280x704", 15)) == Decimal("0.15")


def test_silence_and_quality_have_their_own_rates_and_every_output_is_paid() -> None:
    clip = ScenarioPrice.model_validate(
        {"unit": "per_second", "rates": {"720p": "0.2", "*": "0.4"}, "silent": {"720p": "0.1"}}
    )
    image = ScenarioPrice.model_validate(
        {"unit": "per_call", "rates": {"*": "0.04"}, "qualities": {"high": "0.16"}}
    )
    still = read("1024x1024", 0, count=2)

    assert reading_price(clip, read("1280x720", 5, audio=True)) == Decimal(1)
    assert reading_price(clip, read("1280x720", 5, audio=False)) == Decimal("0.5")
    assert reading_price(clip, read("1920x1080", 5, audio=False)) == Decimal(2)
    assert reading_price(image, still) == Decimal("0.08")
    assert reading_price(image, replace(still, quality="high")) == Decimal("0.32")


@pytest.mark.parametrize(
    ("size", "resolution", "aspect"),
    [
        ("1280x720", "720p", "16:9"),
        ("854x480", "480p", "16:9"),
        ("1080x1920", "1080p", "9:16"),
        ("3840x2160", "4k", "16:9"),
        ("1280x704", "704p", "20:11"),
    ],
)
def test_a_frame_in_pixels_has_a_class_and_an_aspect(
    size: str, resolution: str, aspect: str
) -> None:
    reading = read(size, 4)

    assert (reading.resolution, reading.aspect, reading.size) == (resolution, aspect, size)


@pytest.mark.parametrize(
    ("resolution", "aspect", "size"),
    [
        ("720p", "16:9", "1280x720"),
        ("1080p", "9:16", "1080x1920"),
        ("1080p", "", "1920x1080"),
        ("", "9:16", "1080x1920"),
        ("4k", "16:9", None),
        ("720p", "9:16", None),
    ],
)
def test_an_offered_size_is_found_by_class_and_aspect(
    resolution: str, aspect: str, size: str | None
) -> None:
    offered = ("1280x720", "1920x1080", "1080x1920")

    assert matching_size(offered, resolution, aspect) == size
