import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.acceptance import Acceptance, acceptance
from tallylight.upstreams.messages import Job, JobState, Phase, Reply

ENVELOPE = '{"error":{"message":"no","type":"x","code":"y"}}'
PAGE = "<html><body>502 Bad Gateway</body></html>"

DEGRADED = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "test")
QUOTA = Failure(FailureKind.QUOTA, Fault.OURS, "test")
SUSPENDED = Failure(FailureKind.SUSPENDED, Fault.UPSTREAM, "test")


def answered(
    status: int | None, body: str = ENVELOPE, *, error: str = "", sent: bool = True
) -> Reply:
    return Reply(Phase.CREATE, status, {}, body, error=error, was_sent=sent)


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_was_accepted_even_if_it_failed_at_once(state: JobState) -> None:
    assert acceptance(answered(200), Job("v", state)) is Acceptance.ACCEPTED


def test_a_connection_never_made_is_a_definite_refusal() -> None:
    reply = answered(None, "", error="ConnectionRefusedError: no", sent=False)

    assert acceptance(reply, DEGRADED) is Acceptance.REFUSED


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 451, 501, 503])
def test_a_readable_refusal_is_definite(status: int) -> None:
    assert acceptance(answered(status), DEGRADED) is Acceptance.REFUSED


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirected_create_was_not_accepted(status: int) -> None:
    assert acceptance(answered(status, ""), DEGRADED) is Acceptance.REFUSED


@pytest.mark.parametrize("status", [302, 303, 408, 500, 502, 504, 520, 524, 529])
def test_an_answer_that_may_follow_acceptance_is_in_doubt(status: int) -> None:
    assert acceptance(answered(status), DEGRADED) is Acceptance.IN_DOUBT


@pytest.mark.parametrize(
    "error", ["TimeoutError: no answer within 30 s", "ConnectionResetError: x"]
)
def test_no_answer_is_in_doubt(error: str) -> None:
    assert acceptance(answered(None, "", error=error), DEGRADED) is Acceptance.IN_DOUBT


@pytest.mark.parametrize("status", [403, 429, 503, 200])
def test_an_answer_that_broke_off_is_in_doubt(status: int) -> None:
    reply = answered(status, error="ClientPayloadError: cut")

    assert acceptance(reply, DEGRADED) is Acceptance.IN_DOUBT


def test_a_proxys_page_says_nothing_about_the_service() -> None:
    assert acceptance(answered(503, PAGE), DEGRADED) is Acceptance.IN_DOUBT
    assert acceptance(answered(403, ""), DEGRADED) is Acceptance.IN_DOUBT


def test_the_operator_decides_whether_500_refuses() -> None:
    reply = answered(500)

    assert acceptance(reply, DEGRADED) is Acceptance.IN_DOUBT
    assert acceptance(reply, DEGRADED, refuses_with_500=True) is Acceptance.REFUSED
    assert acceptance(answered(502), DEGRADED, refuses_with_500=True) is Acceptance.IN_DOUBT
    assert acceptance(answered(500, PAGE), DEGRADED, refuses_with_500=True) is Acceptance.IN_DOUBT


def test_a_failure_inside_200_refuses_only_by_naming_what_is_not_the_job() -> None:
    assert acceptance(answered(200), QUOTA) is Acceptance.REFUSED
    assert acceptance(answered(200), SUSPENDED) is Acceptance.REFUSED
    assert acceptance(answered(200), DEGRADED) is Acceptance.IN_DOUBT
    assert acceptance(answered(200, '{"id":"v","sta'), QUOTA) is Acceptance.IN_DOUBT


@given(
    kind=st.sampled_from(list(FailureKind)),
    fault=st.sampled_from(list(Fault)),
    status=st.none() | st.integers(100, 599),
    body=st.sampled_from(["", ENVELOPE, PAGE, "[" * 50_000]),
    setting=st.booleans(),
)
def test_a_sent_request_without_an_answer_is_never_refused(
    kind: FailureKind, fault: Fault, status: int | None, body: str, *, setting: bool
) -> None:
    failure = Failure(kind, fault, "test")
    cut = answered(status, body, error="TimeoutError: no end of the answer")

    assert acceptance(cut, failure, refuses_with_500=setting) is Acceptance.IN_DOUBT


def test_an_answer_proven_not_billed_is_refused_whatever_its_status() -> None:
    for status in (408, 500, 502, 504):
        said = acceptance(answered(status), DEGRADED, is_proven_not_billed=True)

        assert said is Acceptance.REFUSED
