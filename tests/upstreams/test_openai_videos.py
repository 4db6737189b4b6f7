import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import FailureKind, Fault
from tallylight.model.jobs import JobRef, Made
from tallylight.model.order import Operation
from tallylight.upstreams.acceptance import InDoubt, Refused
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for
from tallylight.upstreams.protocols.video_object import OTHER_ID
from tallylight.upstreams.steps import (
    Accepted,
    Done,
    Failed,
    Missing,
    Step,
    Trouble,
    Working,
)
from tests.builders import order_of
from tests.upstreams.flows import (
    check_request,
    first_request,
    outputs_of,
    poll_request,
    read_create,
    read_poll,
    submitted,
    urls,
)

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

FINISHED = {
    "id": "video_0123abcd",
    "object": "video",
    "model": "sora-2",
    "status": "completed",
    "progress": 100,
    "created_at": 1790000000,
    "completed_at": 1790000140,
    "expires_at": 1790003600,
    "prompt": "a paper boat",
    "size": "1280x720",
    "seconds": "4",
    "remixed_from_video_id": None,
    "error": None,
}


def test_every_registered_dialect_has_an_adapter(make_upstream: MakeUpstream) -> None:
    for name, definition in PROTOCOLS.items():
        assert definition.name == name
        for dialect in definition.dialects:
            adapter = adapter_for(make_upstream(protocol=name, dialect=dialect))

            assert adapter.reach("sora-2").method == "GET"


def test_an_unknown_protocol_or_dialect_is_a_key_error(make_upstream: MakeUpstream) -> None:
    with pytest.raises(KeyError):
        adapter_for(make_upstream(protocol="telepathy"))
    with pytest.raises(KeyError):
        adapter_for(make_upstream(dialect="klingon"))


def test_a_create_is_encoded_as_the_official_sdk_does(make_upstream: MakeUpstream) -> None:
    request = submitted(make_upstream(), model="sora-2")

    assert (request.method, request.url) == ("POST", "/videos")
    assert request.json == ""
    assert dict(request.form) == {
        "model": "sora-2",
        "prompt": "a paper boat",
        "seconds": "4",
        "size": "1280x720",
    }


@pytest.mark.parametrize(("dialect", "seconds"), [("new_api", "4"), ("sglang", 4)])
def test_seconds_are_text_or_number_as_the_dialect_requires(
    make_upstream: MakeUpstream, dialect: str, seconds: str | int
) -> None:
    request = submitted(make_upstream(dialect=dialect))

    assert json.loads(request.json)["seconds"] == seconds


def test_every_request_but_the_one_that_tells_whether_the_api_responds_is_signed(
    make_upstream: MakeUpstream, planted_key: str
) -> None:
    upstream = make_upstream()
    adapter = adapter_for(upstream)

    signed = (check_request(adapter), poll_request(adapter), submitted(upstream))

    assert all(request.is_signed for request in signed)
    assert planted_key not in repr((adapter, signed))
    assert not adapter.reach("sora-2").is_signed


def test_a_finished_job_is_read_with_all_its_members(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    id_ = "video_0123abcd"

    step = read_poll(make_upstream(), make_reply(Phase.POLL, json.dumps(FINISHED)), job=JobRef(id_))

    assert isinstance(step, Done)
    assert step.made == Made(seconds=4, size="1280x720", model="sora-2")
    assert step.expires_at == datetime.fromtimestamp(1790003600, UTC)
    assert (step.usage, step.job) == (None, None)
    assert urls(step.outputs) == ["/videos/video_0123abcd/content"]


@pytest.mark.parametrize(
    ("word", "is_started"),
    [
        ("queued", False),
        ("unknown", False),
        ("NOT_START", False),
        ("pending", False),
        ("SUBMITTED", False),
        ("in_progress", True),
        ("processing", True),
        ("marinating", True),  # a job of an unknown status is polled on
    ],
)
def test_the_status_words_of_a_job_that_has_not_ended(
    make_upstream: MakeUpstream, make_reply: MakeReply, word: str, *, is_started: bool
) -> None:
    relay = make_upstream(dialect="new_api")

    step = read_poll(relay, make_reply(Phase.POLL, json.dumps({"id": "v", "status": word})))

    assert isinstance(step, Working)
    assert step.is_started is is_started


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("SUCCESS", Done),
        ("FAILURE", Failed),
        ("cancelled", Failed),
        ("expired", Failed),
        ("deleted", Failed),
    ],
)
def test_the_status_words_of_a_job_that_has_ended(
    make_upstream: MakeUpstream, make_reply: MakeReply, word: str, step: type[Step]
) -> None:
    relay = make_upstream(dialect="new_api")
    reply = make_reply(Phase.POLL, json.dumps({"id": "v", "status": word}))

    assert type(read_poll(relay, reply)) is step


def test_a_status_of_a_cancelled_job_says_nothing_against_the_service(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    def kind_of(word: str) -> FailureKind:
        reply = make_reply(Phase.POLL, json.dumps({"id": "v", "object": "video", "status": word}))
        step = read_poll(make_upstream(), reply)
        assert isinstance(step, Failed)
        return step.failure.kind

    assert kind_of("cancelled") is FailureKind.UNKNOWN
    assert kind_of("expired") is FailureKind.DEGRADED


@pytest.mark.parametrize(
    ("said", "progress"),
    [(30, 30), (30.7, 30), ("30%", 30), ("30", 30), (140, 100), ("soon", None), (None, None)],
)
def test_progress_is_a_number_however_it_is_written(
    make_upstream: MakeUpstream, make_reply: MakeReply, said: object, progress: int | None
) -> None:
    body = json.dumps({"id": "task_1", "status": "in_progress", "progress": said})

    step = read_poll(make_upstream(dialect="new_api"), make_reply(Phase.POLL, body))

    assert isinstance(step, Working)
    assert step.progress == progress


@pytest.mark.parametrize(
    "more",
    [
        {"url": "https://cdn.example/v/1.mp4", "urls": ["https://cdn.example/v/2.mp4"]},
        {"urls": ["https://cdn.example/v/1.mp4"], "video_url": "https://cdn.example/v/2.mp4"},
        {"video_url": "https://cdn.example/v/1.mp4"},
        {"unsigned_urls": ["https://cdn.example/v/1.mp4"], "metadata": {"url": "https://x.y/z"}},
        {"metadata": {"url": "https://cdn.example/v/1.mp4"}},
        {"data": {"result_url": "https://cdn.example/v/1.mp4"}},
        {"url": "/app/outputs/1.mp4", "metadata": {"url": "https://cdn.example/v/1.mp4"}},
    ],
)
def test_the_url_of_the_video_is_found_in_order(
    make_upstream: MakeUpstream, make_reply: MakeReply, more: dict[str, object]
) -> None:
    body = json.dumps({"id": "task_1", "status": "completed", **more})

    ways = outputs_of(make_upstream(dialect="new_api"), make_reply(Phase.POLL, body))

    assert urls(ways)[0] == "https://cdn.example/v/1.mp4"


def test_the_older_envelope_of_new_api_is_a_job_too(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = (
        '{"code":"success","message":"","data":{"id":77,"task_id":"task_3","status":"SUCCESS",'
        '"progress":"100%","result_url":"https://cdn.example/v.mp4"}}'
    )

    said = read_create(make_upstream(dialect="new_api"), make_reply(Phase.CREATE, body))

    assert isinstance(said, Accepted)
    assert said.job == JobRef("task_3", {OTHER_ID: "77"})
    assert isinstance(said.step, Done)
    assert urls(said.step.outputs) == ["https://cdn.example/v.mp4", "/videos/task_3/content"]


@pytest.mark.parametrize(
    ("body", "kind", "fault"),
    [
        (
            '{"id":"v","status":"failed","error":{"code":"moderation_blocked","message":"no"}}',
            FailureKind.CONTENT_REJECTED,
            Fault.CALLER,
        ),
        (
            '{"id":"gen-vid-1","status":"failed","error":"content flagged by safety filter"}',
            FailureKind.CONTENT_REJECTED,
            Fault.CALLER,
        ),
        (
            '{"id":"v","status":"failed","error":{"message":"CUDA out of memory"}}',
            FailureKind.DEGRADED,
            Fault.UPSTREAM,
        ),
        ('{"id":"v","object":"video","status":"failed"}', FailureKind.DEGRADED, Fault.UPSTREAM),
        (
            '{"code":"success","data":{"id":"t","status":"FAILURE","fail_reason":"超时"}}',
            FailureKind.DEGRADED,
            Fault.UPSTREAM,
        ),
    ],
)
def test_a_failed_job_says_why_whatever_form_its_error_has(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    body: str,
    kind: FailureKind,
    fault: Fault,
) -> None:
    step = read_poll(make_upstream(dialect="new_api"), make_reply(Phase.POLL, body))

    assert isinstance(step, Failed)
    assert (step.failure.kind, step.failure.fault) == (kind, fault)


def test_a_job_done_with_an_error_and_no_video_has_failed(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = '{"id":"v","object":"video","status":"completed","error":{"code":13,"message":"oops"}}'

    assert isinstance(read_poll(make_upstream(), make_reply(Phase.POLL, body)), Failed)


def test_a_failed_job_under_an_http_error_is_a_failed_job(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = (
        '{"id":"video_gen_9f","object":"video","status":"failed","progress":0,'
        '"error":{"code":500,"message":"engine died"}}'
    )

    step = read_poll(make_upstream(dialect="vllm_omni"), make_reply(Phase.POLL, body, 500))

    assert isinstance(step, Failed)


@pytest.mark.parametrize(
    ("status", "body", "step"),
    [
        (503, '{"id":"v","object":"video","status":"queued"}', Trouble),
        (
            404,
            '{"error":{"message":"Video with id \'v\' not found.","type":"x","code":null}}',
            Missing,
        ),
        (200, '{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}', Trouble),
        (
            200,
            '{"code":"fail_to_fetch_task","message":"{\\"code\\":\\"x\\"}","data":null}',
            Trouble,
        ),
        (200, '{"id":"v","object":"video","sta', Trouble),
        (200, "<html><title>Just a moment...</title></html>", Trouble),
        (200, "", Trouble),
        (200, "[]", Trouble),
        (None, "", Trouble),
    ],
)
def test_an_answer_that_is_no_job_ends_none(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    status: int | None,
    body: str,
    step: type[Step],
) -> None:
    assert type(read_poll(make_upstream(), make_reply(Phase.POLL, body, status))) is step


def test_a_create_answered_with_nothing_but_an_id_is_queued(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    reply = make_reply(Phase.CREATE, '{"task_id":"task_9"}')

    said = read_create(make_upstream(dialect="new_api"), reply)

    assert said == Accepted(JobRef("task_9"), Working())


def test_a_create_says_when_to_ask_for_its_job(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = '{"id":"v","object":"video","status":"queued"}'
    reply = replace(make_reply(Phase.CREATE, body), headers={"openai-poll-after-ms": "2500"})

    said = read_create(make_upstream(), reply)

    assert said == Accepted(JobRef("v"), Working(poll_after=timedelta(seconds=2.5)))


def test_a_refusal_with_a_request_id_is_no_job(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    reply = make_reply(Phase.CREATE, '{"id":"req_1","error":{"message":"no","code":"x"}}')

    said = read_create(make_upstream(dialect="new_api"), reply)

    assert isinstance(said, Refused | InDoubt)


@pytest.mark.parametrize(
    ("id_", "segment"),
    [
        ("video_a?c=d#e", "video_a%3Fc%3Dd%23e"),
        ("video_a/../b", "video_a%2F%2E%2E%2Fb"),
        ("..\\.", "%2E%2E%5C%2E"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("../..", "%2E%2E%2F%2E%2E"),
        ("...", "..."),
        ("v1.2", "v1.2"),
        ("%2E%2E", "%252E%252E"),
        ("任务 1", "%E4%BB%BB%E5%8A%A1%201"),
    ],
)
def test_an_id_is_one_segment_of_every_path(
    make_upstream: MakeUpstream, make_reply: MakeReply, id_: str, segment: str
) -> None:
    upstream = make_upstream()
    adapter = adapter_for(upstream)
    remix = order_of("red", 4, "", operation=Operation.REMIX, source=id_)
    finished_job = make_reply(Phase.POLL, '{"object":"video","status":"completed"}')
    assert adapter.delete is not None

    ways = outputs_of(upstream, finished_job, id_)

    assert {
        poll_request(adapter, id_).url,
        first_request(adapter.delete(JobRef(id_))).url,
        urls(ways)[0].removesuffix("/content"),
        urls(ways, "thumbnail")[0].removesuffix("/content?variant=thumbnail"),
        submitted(upstream, remix).url.removesuffix("/remix"),
    } == {f"/videos/{segment}"}


def test_an_answer_of_nothing_at_all_is_a_failure(make_upstream: MakeUpstream) -> None:
    reply = Reply(Phase.CREATE, None, {}, "", error="ConnectionResetError: [Errno 104] reset")

    said = read_create(make_upstream(), reply)

    assert isinstance(said, InDoubt)
    assert said.failure.kind is FailureKind.DEGRADED
