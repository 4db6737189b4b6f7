"""A mistake in the configuration is no outage, as long as the service has never answered well."""

from dataclasses import replace

import pytest

from tallylight.model.evidence import Failure, FailureKind, Fault, Source
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode
from tallylight.verdicts.snapshot import dump_state, load_state
from tests.verdicts.test_judge import KEY, Story

HOST = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "exception:name", "gaierror: not known")
SCHEME = replace(
    HOST, rule="exception:tls", text="[SSL: WRONG_VERSION_NUMBER] wrong version number"
)
ADDRESS = Failure(FailureKind.INVALID_REQUEST, Fault.CALLER, "page:web-interface", "New API")
MODEL = Failure(
    FailureKind.UNKNOWN,
    Fault.UPSTREAM,
    "models:not_listed",
    "seedance2 is not one of the 2 models that this key can use",
)
PROBLEMS = pytest.mark.parametrize(
    ("failure", "problem"),
    [(HOST, "host"), (SCHEME, "scheme"), (ADDRESS, "address"), (MODEL, "model")],
)


@PROBLEMS
def test_a_service_that_never_answered_needs_setup(failure: Failure, problem: str) -> None:
    story = Story()
    for minute in range(60):
        story.apply(60 * minute, Source.CREDENTIALS, failure, note="mend")

    verdict = story.state.verdict
    assert set(story.seen) == {Status.UNKNOWN}
    assert verdict.needs_setup
    assert verdict.reasons[0].code is ReasonCode.SETUP_PROBLEM
    assert verdict.reasons[0].facts["problem"] == problem
    assert verdict.reasons[0].facts["mend"] == "mend"


@PROBLEMS
def test_the_same_failures_are_evidence_once_it_has_answered(
    failure: Failure, problem: str
) -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS)
    for minute in range(1, 10):
        story.apply(60 * minute, Source.CREDENTIALS, failure)

    assert not story.state.verdict.needs_setup
    assert story.state.setup is None
    if failure.fault is Fault.UPSTREAM and problem != "model":
        assert story.status is Status.SUSPENDED


def test_a_host_that_responded_once_may_fail_later() -> None:
    story = Story()
    story.apply(0, Source.REACH)
    story.apply(60, Source.REACH, HOST)
    story.apply(120, Source.REACH, HOST)
    story.apply(130, Source.REACH, HOST)

    assert story.status is Status.SUSPENDED


def test_a_responding_host_does_not_disprove_a_wrong_path_or_model() -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS, ADDRESS)
    story.apply(60, Source.REACH)

    assert story.state.verdict.needs_setup


@pytest.mark.parametrize("problem", [ADDRESS, MODEL])
def test_orders_that_fail_meanwhile_are_no_outage(problem: Failure) -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS, problem)
    story.fail(60, 120, 180)
    story.fail(240, source=Source.TRAFFIC)

    assert story.state.verdict.needs_setup
    assert story.state.jobs.last_result_at is None


def test_a_refused_key_is_told_beside_a_setup_problem() -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS, MODEL)
    story.fail(60, failure=KEY)

    assert story.state.blocked is not None


def test_orders_count_once_one_was_accepted() -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS, MODEL)
    story.apply(60, Source.ACCEPTANCE)
    story.fail(120, 180, 240)

    assert story.status is Status.DEGRADED


def test_an_answer_ends_the_need_of_setup() -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS, MODEL)
    story.deliver(60)

    assert story.status is Status.OPERATIONAL
    assert story.state.setup is None


def test_a_refused_key_at_the_right_address_is_no_setup_problem_of_the_address() -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS, ADDRESS)
    story.apply(60, Source.CREDENTIALS, KEY)

    assert not story.state.verdict.needs_setup
    assert story.state.blocked is not None


def test_an_unanswered_path_whose_neighbour_answers_is_a_wrong_address() -> None:
    story = Story()
    missing = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "status:404", http_status=404)
    story.apply(0, Source.CREDENTIALS, missing, note="https://a.example/v1")

    assert story.state.verdict.needs_setup
    assert story.state.verdict.reasons[0].facts["problem"] == "address"


def test_the_need_of_setup_survives_a_restart() -> None:
    story = Story()
    story.apply(0, Source.CREDENTIALS, MODEL, note="seedance-2")

    assert load_state(dump_state(story.state)) == story.state


def test_a_model_that_has_shut_down_is_not_called_misspelt() -> None:
    story = Story()
    story.apply(0, Source.CALENDAR, claimed_status=Status.RETIRED, until=0)
    story.apply(60, Source.CREDENTIALS, MODEL)

    codes = {each.code for each in story.state.verdict.reasons}

    assert story.status is Status.RETIRED
    assert ReasonCode.SETUP_PROBLEM not in codes
