"""Whatever JSON an upstream answers, a value comes out, and nothing raises."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef, Made, Usage
from tallylight.model.order import Order
from tallylight.upstreams.acceptance import InDoubt, Refused, judge_create
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.protocol import Adapter, Definition, Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Accepted, Done, Failed, Missing, Page, Trouble, Working
from tests.contract.flows import AnyFlow, flows_of
from tests.contract.own_json import own_documents

_NAMES = (
    *("id", "task_id", "object", "status", "data", "error", "code", "message", "progress"),
    *("model", "url", "urls", "metadata", "video", "fail_reason", "created_at", "expires_at"),
    *("choices", "delta", "content", "finish_reason", "has_more", "detail", "type", "usage"),
    *("request_id", "status_url", "response_url", "cancel_url", "videos", "images", "b64_json"),
    *("task_status", "task_result", "task_info", "external_task_id", "final_unit_deduction"),
)
_WORDS = (
    *("completed", "failed", "queued", "SUCCESS", "cancelled", "list", "deleted", "succeed"),
    *("COMPLETED", "IN_QUEUE", "processing", "https://[bad", "https://x/a.mp4", "30%", "0", "-1"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from((*_NAMES, *_WORDS))
    | st.text(alphabet=st.characters(), max_size=20)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=8), inner, max_size=8)
        | inner.map(json.dumps)
    ),
    max_leaves=20,
)
BODIES = JSON.map(json.dumps) | st.text(max_size=60) | st.just("[" * 3_000)
STATUSES = st.sampled_from([200, 200, 200, 202, 302, 400, 404, 422, 429, 500, 503])

ORDER = Order("a-model", "a paper boat")
JOB = {"id": "a", "request_id": "a", "code": 0, "data": {"task_id": "a"}, "status": "queued"}
ADAPTERS = [
    pytest.param(definition.make(Site("http://127.0.0.1:9/v1", dialect)), id=f"{name}-{dialect}")
    for name, definition in PROTOCOLS.items()
    for dialect in definition.dialects
]
every_adapter = pytest.mark.parametrize("adapter", ADAPTERS)
bounded = settings(max_examples=50)


REPLIES = st.builds(
    Reply,
    phase=st.just(Phase.CREATE),
    status=STATUSES,
    headers=st.sampled_from([{}, {"x-fal-error-type": "x", "openai-poll-after-ms": "²"}]),
    body=BODIES,
)


OWN = [
    pytest.param(definition, dialect, id=f"{name}-{dialect}")
    for name, definition in PROTOCOLS.items()
    for dialect in definition.dialects
]


def own_replies(definition: Definition) -> st.SearchStrategy[Reply]:
    """Return a strategy for answers in the words of a protocol."""
    bodies = own_documents(definition).map(json.dumps)
    return st.builds(
        Reply, phase=st.just(Phase.CREATE), status=STATUSES, headers=st.just({}), body=bodies
    )


@pytest.mark.parametrize(("definition", "dialect"), OWN)
@settings(max_examples=100)
@given(data=st.data())
def test_every_flow_returns_a_value_for_any_answer_in_its_own_words(
    definition: Definition, dialect: str, data: st.DataObject
) -> None:
    adapter = definition.make(Site("http://127.0.0.1:9/v1", dialect))
    replies = data.draw(st.lists(own_replies(definition), min_size=2, max_size=2))

    for flow in flows_of(adapter, ORDER, "mark", job_of(adapter)):
        check_value(driven(flow, 4 * replies))
    found = judge_create(adapter, ORDER, replies[0])
    check_value(found if isinstance(found, Accepted) else found.failure)


def job_of(adapter: Adapter) -> JobRef:
    """Return a job as the dialect itself refers to it."""
    reply = Reply(Phase.CREATE, 200, {}, json.dumps(JOB))
    accepted = adapter.accepted(ORDER, reply)
    return JobRef("a") if accepted is None else accepted.job


def driven(flow: AnyFlow, replies: Iterable[Reply]) -> object:
    """Return what a flow returns, whatever it is answered."""
    request = next(flow)
    for reply in replies:
        assert isinstance(request, Request)
        assert request.phase is not Phase.CREATE
        try:
            request = flow.send(replace(reply, phase=request.phase))
        except StopIteration as end:
            return end.value
    raise AssertionError("it asks for ever")


def check_told(made: Made, usage: Usage | None) -> None:
    """Check that what a job tells can be reckoned with."""
    assert 0 <= made.seconds <= 24 * 3600
    assert usage is None or (usage.amount.is_finite() and usage.amount >= 0)


def check_value(value: object) -> None:
    """Check that a value of a flow can be used."""
    assert value is None or isinstance(
        value, Accepted | Failure | Working | Done | Failed | Missing | Trouble | Page | bool | str
    )
    match value:
        case Page(jobs=jobs):
            for listed in jobs:
                assert listed.job.id.encode()
                check_value(listed.step)
        case Accepted(job=job, step=step):
            assert job.id.encode() is not None
            check_value(step)
        case Working(progress=progress, made=made, usage=usage):
            assert progress is None or 0 <= progress <= 100
            check_told(made, usage)
        case Done(outputs=outputs, made=made, usage=usage):
            assert outputs
            assert all(isinstance(each.at, Request | InlineFile) for each in outputs)
            check_told(made, usage)
        case Failed(made=made, usage=usage):
            check_told(made, usage)
        case _:
            pass


@every_adapter
@bounded
@given(replies=st.lists(REPLIES, min_size=2, max_size=2))
def test_every_flow_returns_a_value_for_any_answer(adapter: Adapter, replies: list[Reply]) -> None:
    for flow in flows_of(adapter, ORDER, "mark", job_of(adapter)):
        check_value(driven(flow, 4 * replies))


@every_adapter
@bounded
@given(reply=REPLIES, error=st.sampled_from(["", "ClientPayloadError: cut"]))
def test_every_create_is_accepted_refused_or_in_doubt_for_any_answer(
    adapter: Adapter, reply: Reply, error: str
) -> None:
    found = judge_create(adapter, ORDER, replace(reply, error=error))

    assert isinstance(found, Accepted | Refused | InDoubt)
    check_value(found if isinstance(found, Accepted) else found.failure)


@every_adapter
@bounded
@given(chunks=st.lists(BODIES | BODIES.map(lambda body: f"data: {body}\n\n"), max_size=4))
def test_every_stream_ends_with_a_value_whatever_is_streamed(
    adapter: Adapter, chunks: list[str]
) -> None:
    reader = None if adapter.reader is None else adapter.reader(())
    if reader is None:
        return

    steps = [reader.feed(chunk) for chunk in chunks]

    for step in (*steps, reader.end("")):
        check_value(step)
