"""Every flow of every dialect returns a value for any JSON in place of each answer."""

import json
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.catalogue.services import Upstream
from tallylight.model.ids import ProviderId, UpstreamId
from tallylight.model.jobs import JobRef
from tallylight.model.order import Input
from tallylight.upstreams.acceptance import InDoubt, Refused
from tallylight.upstreams.client import MAX_REQUESTS, run_flow
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Adapter, Doubt, Flow
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for
from tallylight.upstreams.protocols.video_object import OTHER_ID
from tallylight.upstreams.steps import (
    Accepted,
    Done,
    Failed,
    Listed,
    Missing,
    Page,
    Trouble,
    Working,
)
from tests.upstreams.flows import MARK, ORDER, Answers, at_once, read_create, read_poll

WORDS = st.sampled_from(
    (
        *("id", "task_id", "object", "status", "data", "error", "code", "message", "progress"),
        *("model", "url", "urls", "metadata", "video", "fail_reason", "created_at", "expires_at"),
        *("choices", "delta", "content", "finish_reason", "has_more", "completed", "failed"),
        *("queued", "SUCCESS", "cancelled", "list", "https://[bad", "https://x/a.mp4", "30%"),
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | WORDS
    | st.text(alphabet=st.characters(), max_size=20)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=8)
        | inner.map(json.dumps)
    ),
    max_leaves=20,
)


BASE = Upstream(
    UpstreamId("one"), ProviderId("provider"), "https://upstream.test/v1", "", "", key=None
)
UPSTREAMS = [
    replace(BASE, protocol=each.name, dialect=dialect)
    for each in PROTOCOLS.values()
    for dialect in each.dialects
]
GOOD = Reply(
    Phase.POLL, 200, {}, '{"id": "v", "object": "video", "status": "queued", "deleted": false}'
)
"""An answer that flows go on after."""

BODIES = JSON.map(json.dumps) | st.text(max_size=60) | st.just("[" * 3_000)
STATUSES = st.sampled_from([200, 202, 302, 400, 404, 429, 500, 503, None])
ERRORS = st.sampled_from(["", "ClientPayloadError: cut"])


def _flows(adapter: Adapter) -> Iterator[Flow[object]]:
    job = JobRef("v", {OTHER_ID: "other"})
    yield adapter.check("sora-2")
    for make in (adapter.poll, adapter.cancel, adapter.delete):
        if make is not None:
            yield make(job)
    if adapter.find is not None:
        yield adapter.find(Doubt(ORDER, MARK), "")
    if adapter.create_character is not None:
        yield adapter.create_character("Ann", Input(body=b"mp4", media_type="video/mp4"))


def _check(value: object) -> None:
    """Check what the type of a value cannot say."""
    match value:
        case Working(progress=progress):
            assert progress is None or 0 <= progress <= 100
        case Done(outputs=outputs):
            assert outputs
            assert all(isinstance(each.at, InlineFile) or each.at.url.encode() for each in outputs)
        case Accepted(job=job, step=step) | Listed(job=job, step=step):
            job.id.encode()
            _check(step)
        case Page(jobs=jobs):
            for each in jobs:
                _check(each)
        case _:
            pass


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from(UPSTREAMS), BODIES, STATUSES, ERRORS)
def test_the_answer_to_a_create_is_judged_whatever_it_is(
    upstream: Upstream, body: str, status: int | None, error: str
) -> None:
    said = read_create(upstream, Reply(Phase.CREATE, status, {}, body, error=error))

    assert isinstance(said, Accepted | Refused | InDoubt)
    _check(said)


@settings(deadline=None)
@given(st.sampled_from(UPSTREAMS), BODIES, STATUSES, ERRORS, st.integers(0, 3))
def test_any_answer_in_place_of_each_one_of_a_flow_gives_a_value(
    upstream: Upstream, body: str, status: int | None, error: str, place: int
) -> None:
    odd = Reply(Phase.POLL, status, {}, body, error=error)

    for flow in _flows(adapter_for(upstream)):
        answers = Answers(*[GOOD] * place, *[odd] * MAX_REQUESTS)

        ran = at_once(run_flow(flow, upstream, answers))

        assert (ran.failure is None) or (ran.value is None)
        _check(ran.value)


@settings(deadline=None)
@given(st.sampled_from(UPSTREAMS), BODIES, STATUSES, ERRORS)
def test_any_answer_to_a_poll_is_a_step(
    upstream: Upstream, body: str, status: int | None, error: str
) -> None:
    if adapter_for(upstream).poll is None:
        return
    reply = Reply(Phase.POLL, status, {}, body, error=error)

    step = read_poll(upstream, reply, reply, job=JobRef("v", {OTHER_ID: "other"}))

    assert isinstance(step, Working | Done | Failed | Missing | Trouble)
