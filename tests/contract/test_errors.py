"""Failures mean the same in every dialect, wherever and in whatever form they are told."""

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from tallylight.model.evidence import FailureKind, Fault
from tallylight.simulator.faults import NamedState
from tallylight.upstreams.acceptance import InDoubt, Refused, Submission
from tallylight.upstreams.classify.rules import FAULT_BY_KIND
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site as AdapterSite
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Accepted, Done, Failed, Missing, Trouble
from tests.contract.services import each_dialect, where
from tests.contract.site import Site

At = Callable[[str], Site]

KINDS = {
    NamedState.RISK_CONTROL: FailureKind.RISK_CONTROL,
    NamedState.SUSPENDED: FailureKind.SUSPENDED,
    NamedState.MAINTENANCE: FailureKind.MAINTENANCE,
    NamedState.OVERLOADED: FailureKind.DEGRADED,
    NamedState.RATE_LIMITED: FailureKind.RATE_LIMITED,
    NamedState.QUOTA: FailureKind.QUOTA,
    NamedState.AUTH: FailureKind.AUTH,
    NamedState.CONTENT_REJECTED: FailureKind.CONTENT_REJECTED,
}
each_state = pytest.mark.parametrize("state", NamedState)

#: Where makers keep the code of an error.
PLACES: tuple[Callable[[str], Mapping[str, object]], ...] = (
    lambda code: {"code": code},
    lambda code: {"error": {"code": code}},
    lambda code: {"error": code},
    lambda code: {"status": code},
    lambda code: {"error_type": code},
    lambda code: {"failure_code": code},
    lambda code: {"reason": code},
    lambda code: {"failureCode": code},
    lambda code: {"issues": [{"code": code, "path": ["model"]}]},
    lambda code: {"detail": [{"type": code}]},
    lambda code: {"ErrCode": code},
)


def _rows() -> Iterator[object]:
    for definition in PROTOCOLS.values():
        for dialect in definition.dialects:
            errors = definition.make(AdapterSite("http://127.0.0.1:9", dialect)).errors
            for row in errors.rows:
                sign = next(iter((*row.codes, *row.words)))
                yield pytest.param(errors, row, id=f"{definition.name}-{dialect}-{sign}")


ROWS = tuple(_rows())


def example(errors: Errors, row: Row, code: str) -> Reply:
    """Return an answer that a row is about, with its code where the maker keeps codes."""
    places = (place(code) for place in PLACES)
    body = next((each for each in places if code in errors.codes(JsonView(each))), {})
    text = json.dumps({**body, "message": " ".join(row.words)})
    return Reply(Phase.POLL, next(iter(row.statuses), 400), {}, text)


@pytest.mark.parametrize(("errors", "row"), ROWS)
def test_every_line_of_a_table_reads_its_own_example(errors: Errors, row: Row) -> None:
    for pattern in row.codes or ("",):
        reply = example(errors, row, pattern.replace("*", "x"))

        failure = errors.of(reply)

        assert failure is not None
        assert failure.kind is row.kind
        assert failure.fault is (row.fault or FAULT_BY_KIND[row.kind])
        assert failure.names_state is row.is_named
        assert errors.proves_free(reply) is row.is_free
        assert isinstance(errors.no_job(reply, "test"), Missing if row.is_missing else Trouble)


@pytest.mark.parametrize(("errors", "row"), ROWS)
def test_a_code_means_the_same_inside_a_good_answer(errors: Errors, row: Row) -> None:
    for pattern in row.codes:
        if not (row.words or row.statuses):
            assert errors.named(pattern.replace("*", "x")).kind is row.kind


def kind_of(found: Submission) -> FailureKind | None:
    """Return the kind of the failure of a create, or of the job that it made."""
    match found:
        case Refused(failure) | InDoubt(failure) | Accepted(step=Failed(failure)):
            return failure.kind
        case _:
            return None


@each_dialect
@each_state
async def test_a_state_means_the_same_at_every_create(at: At, name: str, state: NamedState) -> None:
    site = at(name)
    site.trouble(kind="refuse", sign=state)

    found = await site.create()

    assert kind_of(found) is KINDS[state], found
    assert isinstance(found, Refused) or state is NamedState.OVERLOADED
    assert site.jobs == []


@where(lambda adapter: adapter.poll)
@each_state
async def test_a_state_at_a_poll_says_nothing_of_the_job(
    at: At, name: str, state: NamedState
) -> None:
    site = at(name)
    accepted = await site.accepted()
    site.trouble(kind="refuse", sign=state, doors=["poll"])

    step = await site.poll(accepted.job)

    assert isinstance(step, Trouble), step
    assert step.failure.kind is KINDS[state]
    site.trouble()
    assert isinstance(await site.end(accepted), Done)


@each_dialect
async def test_refused_content_is_the_callers_wherever_it_is_refused(at: At, name: str) -> None:
    site = at(name)
    site.prompt += " with a lot of gore"

    found = await site.create()
    step = await site.end(found) if isinstance(found, Accepted) else found

    assert isinstance(step, Failed | Refused), step
    assert step.failure.kind is FailureKind.CONTENT_REJECTED
    assert step.failure.fault is Fault.CALLER


@each_dialect
@pytest.mark.parametrize("form", ["text", "error", "close"])
async def test_a_job_that_fails_is_the_upstreams_fault(at: At, name: str, form: str) -> None:
    site = at(name)
    site.trouble(kind="fail", form=form)

    found = await site.create()
    step = await site.end(found) if isinstance(found, Accepted) else found

    assert isinstance(step, Failed | InDoubt), step
    assert step.failure.kind is FailureKind.DEGRADED
    assert step.failure.fault is Fault.UPSTREAM


@each_dialect
@each_state
async def test_a_failure_that_hides_in_success_is_no_result(
    at: At, name: str, state: NamedState
) -> None:
    site = at(name)
    site.trouble(kind="refuse", sign=state)
    request = site.adapter.submit(site.order(), site.mark)
    refusal = await site.transport.send(request, site.upstream)
    site.trouble(kind="refuse", http_status=200, body=refusal.body)

    found = await site.create()

    assert kind_of(found) in {KINDS[state], FailureKind.DEGRADED}, found
