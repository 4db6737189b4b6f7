import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import FailureKind, Fault
from tallylight.model.jobs import JobRef
from tallylight.upstreams.acceptance import InDoubt, Refused, judge_create
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Adapter, Features
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Accepted, Done, Failed, Known, Working
from tests.builders import UPSTREAM
from tests.upstreams.flows import ORDER, read_create

MakeUpstream = Callable[..., Upstream]

ENVELOPE = '{"error":{"message":"no","type":"x","code":"y"}}'
QUOTA = '{"error":{"message":"no","type":"x","code":"insufficient_quota"}}'
SUSPENDED = '{"error":{"message":"this service is suspended","code":"service_suspended"}}'
PAGE = "<html><body>502 Bad Gateway</body></html>"
RELAYS_OWN = '{"error":{"message":"no channel","type":"new_api_error","code":""}}'


def answered(
    status: int | None, body: str = ENVELOPE, *, error: str = "", sent: bool = True
) -> Reply:
    return Reply(Phase.CREATE, status, {}, body, error=error, was_sent=sent)


def result(reply: Reply, *, refuses_with_500: bool = False) -> type:
    return type(read_create(UPSTREAM, reply, refuses_with_500=refuses_with_500))


def with_errors(errors: Errors) -> Adapter:
    """Return an adapter whose creates are never accepted."""
    return replace(adapter_for(UPSTREAM), errors=errors, accepted=lambda *_: None)


@pytest.mark.parametrize(
    ("status", "step"),
    [("queued", Working), ("in_progress", Working), ("completed", Done), ("failed", Failed)],
)
def test_a_job_was_accepted_even_if_it_failed_at_once(status: str, step: type[Known]) -> None:
    body = json.dumps({"id": "v", "object": "video", "status": status})

    said = read_create(UPSTREAM, answered(200, body))

    assert isinstance(said, Accepted)
    assert (said.job, type(said.step)) == (JobRef("v"), step)


def test_a_job_without_an_id_that_still_runs_cannot_be_asked_for() -> None:
    job = {"object": "video", "progress": 0, "status": "queued"}

    said = read_create(UPSTREAM, answered(200, json.dumps(job)))

    assert isinstance(said, InDoubt)
    assert said.failure.rule == "job:no_id"
    assert result(answered(200, json.dumps({**job, "status": "failed"}))) is Accepted


def test_a_connection_never_made_is_a_definite_refusal() -> None:
    said = read_create(UPSTREAM, answered(None, "", error="ConnectionRefusedError: no", sent=False))

    assert isinstance(said, Refused)
    assert not said.was_sent


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 451, 501, 503])
def test_a_readable_refusal_is_definite(status: int) -> None:
    said = read_create(UPSTREAM, answered(status))

    assert isinstance(said, Refused)
    assert said.was_sent


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirected_create_was_not_accepted(status: int) -> None:
    assert result(answered(status, "")) is Refused


@pytest.mark.parametrize("status", [302, 303, 408, 460, 499, 500, 502, 504, 520, 524, 529])
def test_an_answer_that_may_follow_acceptance_is_in_doubt(status: int) -> None:
    assert result(answered(status)) is InDoubt


@pytest.mark.parametrize(
    "error", ["TimeoutError: no answer within 30 s", "ConnectionResetError: x"]
)
def test_no_answer_is_in_doubt(error: str) -> None:
    assert result(answered(None, "", error=error)) is InDoubt


@pytest.mark.parametrize("status", [403, 429, 503, 200])
def test_an_answer_that_broke_off_is_in_doubt(status: int) -> None:
    assert result(answered(status, error="ClientPayloadError: cut")) is InDoubt


def test_a_proxys_page_says_nothing_about_the_service() -> None:
    assert result(answered(503, PAGE)) is InDoubt
    assert result(answered(403, "")) is InDoubt


def test_a_held_create_is_refused_soon_or_was_begun() -> None:
    held = replace(with_errors(Errors()), features=Features(create_timeout=timedelta(minutes=5)))

    def judged(seconds: float, adapter: Adapter, status: int = 503) -> type:
        reply = replace(answered(status), seconds=seconds)
        return type(judge_create(adapter, ORDER, reply, refuses_with_500=True))

    assert [judged(after, held) for after in (0.2, 60)] == [Refused, InDoubt]
    assert [judged(after, held, 500) for after in (0.2, 60)] == [Refused, InDoubt]
    assert [judged(60, held, 400), judged(60, with_errors(Errors()))] == [Refused, Refused]


def test_the_operator_decides_whether_500_refuses() -> None:
    assert result(answered(500)) is InDoubt
    assert result(answered(500), refuses_with_500=True) is Refused
    assert result(answered(502), refuses_with_500=True) is InDoubt
    assert result(answered(500, PAGE), refuses_with_500=True) is InDoubt


def test_a_failure_inside_200_refuses_only_by_naming_what_is_not_the_job() -> None:
    assert result(answered(200, QUOTA)) is Refused
    assert result(answered(200, SUSPENDED)) is Refused
    assert result(answered(200, ENVELOPE)) is InDoubt
    assert result(answered(200, QUOTA[:-1])) is InDoubt


@pytest.mark.parametrize(
    ("kind", "fault", "expected"),
    [
        (FailureKind.QUOTA, Fault.OURS, Refused),
        (FailureKind.INVALID_REQUEST, Fault.CALLER, Refused),
        (FailureKind.SUSPENDED, Fault.UPSTREAM, Refused),
        (FailureKind.AUTH, Fault.UPSTREAM, Refused),
        (FailureKind.DEGRADED, Fault.UPSTREAM, InDoubt),
        (FailureKind.UNKNOWN, Fault.UPSTREAM, InDoubt),
    ],
)
def test_the_table_of_a_maker_says_what_a_failure_inside_200_is(
    kind: FailureKind, fault: Fault, expected: type
) -> None:
    adapter = with_errors(Errors(rows=(Row(kind, fault=fault),)))

    assert type(judge_create(adapter, ORDER, answered(200))) is expected


@given(
    kind=st.sampled_from(list(FailureKind)),
    fault=st.sampled_from(list(Fault)),
    status=st.none() | st.integers(100, 599),
    body=st.sampled_from(["", ENVELOPE, QUOTA, RELAYS_OWN, PAGE, "[" * 50_000]),
    setting=st.booleans(),
)
def test_a_sent_request_without_an_answer_is_never_refused(
    kind: FailureKind, fault: Fault, status: int | None, body: str, *, setting: bool
) -> None:
    adapter = with_errors(Errors(rows=(Row(kind, fault=fault, is_free=True),)))
    cut = answered(status, body, error="TimeoutError: no end of the answer")

    said = judge_create(adapter, ORDER, cut, refuses_with_500=setting)

    assert isinstance(said, InDoubt)


@pytest.mark.parametrize("status", [408, 499, 500, 502, 504])
def test_an_answer_proven_not_billed_is_refused_whatever_its_status(
    make_upstream: MakeUpstream, status: int
) -> None:
    relay = make_upstream(dialect="new_api")
    table = with_errors(Errors(rows=(Row(FailureKind.DEGRADED, is_free=True),)))

    assert isinstance(read_create(relay, answered(status, RELAYS_OWN)), Refused)
    assert isinstance(judge_create(table, ORDER, answered(status)), Refused)
