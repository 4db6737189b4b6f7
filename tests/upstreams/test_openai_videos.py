import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.order import Operation, Order
from tallylight.upstreams.messages import Job, JobState, Phase, Reply, Request
from tallylight.upstreams.protocols.registry import DIALECTS, PROTOCOLS, adapter_for

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

ORDER = Order(prompt="a paper boat", seconds=4, size="1280x720")

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
    for name in PROTOCOLS:
        for dialect in DIALECTS[name]:
            assert (
                adapter_for(make_upstream(protocol=name, dialect=dialect)).reach().method == "GET"
            )


def test_an_unknown_protocol_or_dialect_is_a_key_error(make_upstream: MakeUpstream) -> None:
    with pytest.raises(KeyError):
        adapter_for(make_upstream(protocol="telepathy"))
    with pytest.raises(KeyError):
        adapter_for(make_upstream(dialect="klingon"))


def test_a_create_is_encoded_as_the_official_sdk_does(make_upstream: MakeUpstream) -> None:
    request = adapter_for(make_upstream()).create(ORDER, "sora-2")

    assert (request.method, request.url) == ("POST", "https://upstream.test/v1/videos")
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
    request = adapter_for(make_upstream(dialect=dialect)).create(ORDER, "m")

    assert json.loads(request.json)["seconds"] == seconds


def test_the_key_is_neither_shown_nor_sent_to_reach(
    make_upstream: MakeUpstream, planted_key: str
) -> None:
    adapter = adapter_for(make_upstream())

    request = adapter.credentials("sora-2")

    assert request.authorization == ("Authorization", f"Bearer {planted_key}")
    assert planted_key not in repr(request)
    assert adapter.reach().authorization is None


def test_a_finished_job_is_read_with_all_its_members(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    adapter = adapter_for(make_upstream())

    job = adapter.read_job(make_reply(Phase.POLL, json.dumps(FINISHED)))

    assert job == Job(
        id="video_0123abcd",
        state=JobState.COMPLETED,
        progress=100,
        model="sora-2",
        created_at=datetime.fromtimestamp(1790000000, UTC),
        expires_at=datetime.fromtimestamp(1790003600, UTC),
        prompt="a paper boat",
        seconds="4",
        size="1280x720",
    )
    assert isinstance(job, Job)
    (way,) = adapter.outputs(job)
    assert isinstance(way, Request)
    assert way.url == "https://upstream.test/v1/videos/video_0123abcd/content"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("queued", JobState.QUEUED),
        ("unknown", JobState.QUEUED),
        ("NOT_START", JobState.QUEUED),
        ("pending", JobState.QUEUED),
        ("SUBMITTED", JobState.QUEUED),
        ("in_progress", JobState.IN_PROGRESS),
        ("processing", JobState.IN_PROGRESS),
        ("SUCCESS", JobState.COMPLETED),
        ("FAILURE", JobState.FAILED),
        ("cancelled", JobState.FAILED),
        ("expired", JobState.FAILED),
        ("deleted", JobState.FAILED),
    ],
)
def test_the_status_words_of_video_objects_map_to_four_states(
    make_upstream: MakeUpstream, make_reply: MakeReply, word: str, state: JobState
) -> None:
    adapter = adapter_for(make_upstream(dialect="new_api"))

    job = adapter.read_job(make_reply(Phase.POLL, json.dumps({"id": "v", "status": word})))

    assert isinstance(job, Job)
    assert job.state is state
    assert (job.failure is not None) == (state is JobState.FAILED)


def test_a_job_of_an_unknown_status_is_polled_on(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    reply = make_reply(Phase.POLL, '{"id":"v","object":"video","status":"marinating"}')

    job = adapter_for(make_upstream()).read_job(reply)

    assert isinstance(job, Job)
    assert job.state is JobState.IN_PROGRESS


@pytest.mark.parametrize(
    ("said", "progress"),
    [(30, 30), (30.7, 30), ("30%", 30), ("30", 30), (140, 100), ("soon", None), (None, None)],
)
def test_progress_is_a_number_however_it_is_written(
    make_upstream: MakeUpstream, make_reply: MakeReply, said: object, progress: int | None
) -> None:
    body = json.dumps({"id": "task_1", "status": "in_progress", "progress": said})

    job = adapter_for(make_upstream(dialect="new_api")).read_job(make_reply(Phase.POLL, body))

    assert isinstance(job, Job)
    assert job.progress == progress


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
    adapter = adapter_for(make_upstream(dialect="new_api"))
    body = json.dumps({"id": "task_1", "status": "completed", **more})

    job = adapter.read_job(make_reply(Phase.POLL, body))

    assert isinstance(job, Job)
    assert job.results[0] == "https://cdn.example/v/1.mp4"


def test_the_older_envelope_of_new_api_is_a_job_too(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = (
        '{"code":"success","message":"","data":{"id":77,"task_id":"task_3","status":"SUCCESS",'
        '"progress":"100%","result_url":"https://cdn.example/v.mp4"}}'
    )

    job = adapter_for(make_upstream(dialect="new_api")).read_job(make_reply(Phase.POLL, body))

    assert job == Job(
        id="task_3",
        other_id="77",
        state=JobState.COMPLETED,
        progress=100,
        results=("https://cdn.example/v.mp4",),
    )


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
    adapter = adapter_for(make_upstream(dialect="new_api"))

    job = adapter.read_job(make_reply(Phase.POLL, body))

    assert isinstance(job, Job)
    assert job.failure is not None
    assert (job.state, job.failure.kind, job.failure.fault) == (JobState.FAILED, kind, fault)


def test_a_job_done_with_an_error_and_no_video_has_failed(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = '{"id":"v","object":"video","status":"completed","error":{"code":13,"message":"oops"}}'

    job = adapter_for(make_upstream()).read_job(make_reply(Phase.POLL, body))

    assert isinstance(job, Job)
    assert job.state is JobState.FAILED


def test_a_failed_job_under_an_http_error_is_a_failed_job(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = (
        '{"id":"video_gen_9f","object":"video","status":"failed","progress":0,'
        '"error":{"code":500,"message":"engine died"}}'
    )

    job = adapter_for(make_upstream(dialect="vllm_omni")).read_job(
        make_reply(Phase.POLL, body, 500)
    )

    assert isinstance(job, Job)
    assert job.state is JobState.FAILED


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, '{"id":"v","object":"video","status":"queued"}'),
        (404, '{"error":{"message":"Video with id \'v\' not found.","type":"x","code":null}}'),
        (200, '{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}'),
        (200, '{"code":"fail_to_fetch_task","message":"{\\"code\\":\\"x\\"}","data":null}'),
        (200, '{"id":"v","object":"video","sta'),
        (200, "<html><title>Just a moment...</title></html>"),
        (200, ""),
        (200, "[]"),
        (None, ""),
    ],
)
def test_an_answer_that_is_no_job_is_a_failure(
    make_upstream: MakeUpstream, make_reply: MakeReply, status: int | None, body: str
) -> None:
    reply = make_reply(Phase.POLL, body, status)

    assert isinstance(adapter_for(make_upstream()).read_job(reply), Failure)


def test_a_create_answered_with_nothing_but_an_id_is_queued(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    adapter = adapter_for(make_upstream(dialect="new_api"))

    job = adapter.read_job(make_reply(Phase.CREATE, '{"task_id":"task_9"}'))

    assert job == Job(id="task_9", state=JobState.QUEUED)


def test_a_refusal_with_a_request_id_is_no_job(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    reply = make_reply(Phase.CREATE, '{"id":"req_1","error":{"message":"no","code":"x"}}')

    assert isinstance(adapter_for(make_upstream(dialect="new_api")).read_job(reply), Failure)


def test_the_prompt_in_a_listing_reconciles_a_create_in_doubt(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    adapter = adapter_for(make_upstream())
    body = json.dumps({"object": "list", "data": [FINISHED, {"odd": 1}, None], "has_more": False})

    jobs = adapter.read_listing(make_reply(Phase.LIST, body))

    assert isinstance(jobs, tuple)
    assert [job.prompt for job in jobs] == ["a paper boat"]


def test_a_dialect_without_a_list_says_so(make_upstream: MakeUpstream) -> None:
    assert adapter_for(make_upstream(dialect="new_api")).listing() is None
    assert adapter_for(make_upstream()).listing() is not None


@pytest.mark.parametrize(
    "body",
    [
        '{"object":"list","data":[{"id":"Sora-2"},{"id":"veo"}]}',
        '{"data":[{"id":"openai/sora-2"}]}',
        '{"models":["sora-2"]}',
        '[{"name":"sora-2"}]',
        '{"data":[{"id":"veo"}],"has_more":true}',
    ],
)
def test_a_list_with_the_model_or_with_more_pages_proves_the_key(
    make_upstream: MakeUpstream, make_reply: MakeReply, body: str
) -> None:
    adapter = adapter_for(make_upstream())

    assert adapter.read_credentials(make_reply(Phase.PROBE, body), "sora-2") is None


@pytest.mark.parametrize("data", ['[{"id":"veo-3.1"}]', "[]"])
def test_a_model_that_is_not_listed_is_an_unknown_failure(
    make_upstream: MakeUpstream, make_reply: MakeReply, data: str
) -> None:
    reply = make_reply(Phase.PROBE, f'{{"object":"list","data":{data}}}')

    failure = adapter_for(make_upstream()).read_credentials(reply, "sora-2")

    assert failure is not None
    assert (failure.kind, failure.rule) == (FailureKind.UNKNOWN, "models:not_listed")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, '{"error":{"message":"Incorrect key","code":"invalid_api_key"}}', "auth"),
        (200, "<html><body>Welcome to nginx!</body></html>", None),
        (200, '{"object":"list","da', None),
        (200, '{"hello":"world"}', None),
    ],
)
def test_an_unreadable_list_proves_nothing(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    status: int,
    body: str,
    kind: str | None,
) -> None:
    reply = make_reply(Phase.PROBE, body, status)

    failure = adapter_for(make_upstream()).read_credentials(reply, "sora-2")

    assert failure is not None
    assert kind is None or failure.kind == kind


@pytest.mark.parametrize(("body", "passes"), [('{"data":[{"id":', True), ("<html>…", False)])
def test_a_list_too_long_to_read_proves_the_key_and_a_long_page_does_not(
    make_upstream: MakeUpstream, make_reply: MakeReply, body: str, *, passes: bool
) -> None:
    reply = replace(make_reply(Phase.PROBE, body), truncated=True)

    failure = adapter_for(make_upstream()).read_credentials(reply, "sora-2")

    assert (failure is None) == passes


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
    make_upstream: MakeUpstream, id_: str, segment: str
) -> None:
    adapter = adapter_for(make_upstream())
    remix = Order("red", 4, "", operation=Operation.REMIX, source=id_)
    job = Job(id_, JobState.COMPLETED)
    delete = adapter.delete(id_)
    (content,), (thumbnail,) = adapter.outputs(job), adapter.outputs(job, "thumbnail")

    assert delete is not None
    assert isinstance(content, Request)
    assert isinstance(thumbnail, Request)
    assert {
        adapter.poll(id_).url,
        delete.url,
        content.url.removesuffix("/content"),
        thumbnail.url.removesuffix("/content?variant=thumbnail"),
        adapter.create(remix, "m").url.removesuffix("/remix"),
    } == {f"https://upstream.test/v1/videos/{segment}"}


def test_an_answer_of_nothing_at_all_is_a_failure(make_upstream: MakeUpstream) -> None:
    reply = Reply(Phase.CREATE, None, {}, "", error="ConnectionResetError: [Errno 104] reset")

    failure = adapter_for(make_upstream()).read_job(reply)

    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.DEGRADED
