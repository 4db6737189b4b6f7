"""Failures in a chat answer, in all the forms that services give them."""

import json

import pytest

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.acceptance import InDoubt, Refused, Submission, judge_stream
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.chat_stream import ChatStream
from tallylight.upstreams.protocols.not_billed import new_api_proves_not_billed
from tallylight.upstreams.steps import Accepted, Done, Failed, Working
from tests.builders import UPSTREAM
from tests.upstreams.flows import read_create, urls

DONE = "data: [DONE]\n\n"
CUT = "ClientPayloadError: Response payload is not completed"
POOR = "error: insufficient balance, please top up your account"


def event(delta: object, finish: str | None = None) -> str:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


FIRST = event({"role": "assistant", "content": ""})
PROGRESS = event({"reasoning_content": "进度 50%\n"})


def new_stream() -> ChatStream:
    return ChatStream("https://relay.example/v1", echoes_model=True)


def ended(text: str, error: str = "") -> Done | Failure:
    stream = new_stream()
    stream.feed(text)
    return stream.end(error)


def judged(text: str, error: str = "") -> Submission:
    stream = new_stream()
    stream.feed(text)
    end = stream.end(error)
    return judge_stream(stream.job, end, error, has_begun=stream.has_progress)


def kind_of(text: str) -> FailureKind | None:
    end = ended(text)
    return end.kind if isinstance(end, Failure) else None


@pytest.mark.parametrize(
    "text",
    [
        f"data: {POOR}\n\n",
        f'data: "{POOR}"\n\n',
        f"data: {POOR}\n",
        f"event: error\ndata: {POOR}\n\n",
        f"event:error\r\ndata:{POOR}\r\n\r\n",
        f"\ufeff: keep-alive\n\n: PROCESSING\n\ndata: {POOR}\n\n",
        "data: 余额不足\n\n",
        f"{POOR}\n",
        '{"error":{"message":"余额不足"}}\n\n',
        '{\n  "error": {\n    "message": "余额不足"\n  }\n}\n',
        'data: {\n  "error": {\n    "message": "余额不足"\n  }\n}\n\n',
        "data: {'error': {'message': '余额不足'}}\n\n",
        'event: error\ndata: {"message":"余额不足"}\n\n',
        'data: {"type":"ping"}\n\ndata: {"type":"error","error":{"message":"余额不足"}}\n\n',
        'data: {"type":"ping"}\nevent: error\ndata: {"detail":"余额不足"}\n',
        'data: {"event":"error","data":{"message":"余额不足"}}\n\n',
        'data: {"success":false,"reason":"余额不足"}\n\n',
        'data: {"choices":[{"finish_reason":"error","error":{"message":"余额不足"}}]}\n\n',
        event({"content": "余额不足，请充值"}, "stop"),
    ],
)
@pytest.mark.parametrize("first", ["", FIRST])
@pytest.mark.parametrize("last", ["", DONE])
def test_a_refusal_before_any_work_is_refused_in_every_form(
    text: str, first: str, last: str
) -> None:
    said = judged(first + text + last)

    assert isinstance(said, Refused)
    assert (said.failure.kind, said.failure.fault) == (FailureKind.QUOTA, Fault.OURS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("data: [ERROR] 提示词包含敏感内容\n\n", FailureKind.CONTENT_REJECTED),
        ("event: error\ndata: duration must be 5 or 10\n\n", FailureKind.INVALID_REQUEST),
        ('event: error\ndata: {"code":"InvalidParameter"}\n\n', FailureKind.INVALID_REQUEST),
        ("data: 请求过于频繁，请稍后再试\n\n", FailureKind.RATE_LIMITED),
        ("data: 系统维护中\n\n", FailureKind.MAINTENANCE),
        ("data: 当前分组上游负载已饱和\n\n", FailureKind.DEGRADED),
        (event({}, "content_filter"), FailureKind.CONTENT_REJECTED),
        (event({"content": "Here"}) + event({}, "CONTENT_FILTER"), FailureKind.CONTENT_REJECTED),
        (event({"refusal": "No, thank you."}, "stop"), FailureKind.CONTENT_REJECTED),
        (event({"refusal": "余额不足"}, "stop"), FailureKind.QUOTA),
        (
            event({"content": "I'm sorry, but I can't assist with that."}),
            FailureKind.CONTENT_REJECTED,
        ),
        (event({"content": "抱歉，我无法生成这个视频"}, "stop"), FailureKind.CONTENT_REJECTED),
        (event({"reasoning_content": "❌ 生成失败: 内容违反政策"}), FailureKind.CONTENT_REJECTED),
        (event({}, "error"), FailureKind.DEGRADED),
        (event({"content": "Once upon a"}, "length"), FailureKind.DEGRADED),
        (event({"tool_calls": [{"function": {"name": "x"}}]}, "tool_calls"), FailureKind.DEGRADED),
        (
            FIRST + 'data: {"id":"c","choices":[],"usage":{"total_tokens":1}}\n\n',
            FailureKind.DEGRADED,
        ),
        (FIRST + "<html><title>502 Bad Gateway</title></html>\n", FailureKind.DEGRADED),
        ("error code: 1020\n", FailureKind.RISK_CONTROL),
    ],
)
def test_a_failure_is_named_by_its_words_or_its_code(text: str, kind: FailureKind) -> None:
    assert kind_of(text + DONE) is kind


@pytest.mark.parametrize(
    "text",
    [
        'data: {"type":"ping"}\n\n',
        "data: ping\n\n",
        'data: {"status":"processing","message":"in the queue"}\n\n',
        'data: {"error":{"code":null,"message":""},"choices":[]}\n\n',
        "event: progress\ndata: 生成中\n\n",
    ],
)
def test_an_event_that_is_no_error_changes_nothing(text: str) -> None:
    url = "https://c.example/get/7"

    end = ended(text + event({"content": url}, "stop") + DONE)

    assert isinstance(end, Done)
    assert urls(end.outputs) == [url]


def test_the_progress_of_a_status_event_is_read() -> None:
    step = new_stream().feed('data: {"status":"processing","progress":40,"message":"busy"}\n\n')

    assert isinstance(step, Working)
    assert step.progress == 40


@pytest.mark.parametrize("error", ["", CUT])
def test_an_error_event_refuses_though_the_stream_breaks_off(error: str) -> None:
    assert isinstance(judged(f"{FIRST}event: error\ndata: {POOR}\n\n", error), Refused)


@pytest.mark.parametrize(
    "text",
    [
        event({"content": "Note that an insufficient balance"}),
        'data: {"error":{"message":"insufficient bal',
        FIRST,
        "",
    ],
)
def test_half_an_answer_is_in_doubt(text: str) -> None:
    assert isinstance(judged(text, CUT), InDoubt)


@pytest.mark.parametrize("last", ["", DONE])
def test_a_refusal_after_progress_refuses_nothing_though_both_arrive_at_once(last: str) -> None:
    text = f"{PROGRESS}event: error\ndata: {POOR}\n\n{last}"

    said = judged(text)

    assert isinstance(said, Accepted)
    assert isinstance(said.step, Failed)
    assert said.step.failure.kind is FailureKind.QUOTA
    assert isinstance(judged(text, CUT), InDoubt)


@pytest.mark.parametrize(
    ("status", "body", "kind", "fault"),
    [
        (
            400,
            'event:error\ndata:{"code":"InvalidParameter","message":"The duration is invalid"}\n\n',
            FailureKind.INVALID_REQUEST,
            Fault.CALLER,
        ),
        (400, "event: error\ndata: 提示词违规\n\n", FailureKind.CONTENT_REJECTED, Fault.CALLER),
        (400, "event: error\ndata: no\n\n", FailureKind.INVALID_REQUEST, Fault.CALLER),
        (429, 'data:{"message":"Too many requests"}\n\n', FailureKind.RATE_LIMITED, Fault.OURS),
        (401, "data: no\n\ndata: [DONE]\n\n", FailureKind.AUTH, Fault.OURS),
        (
            503,
            '\ufeff: x\r\n\r\ndata: {"error":"系统维护中"}\r\n',
            FailureKind.MAINTENANCE,
            Fault.UPSTREAM,
        ),
        (200, 'event: error\ndata: {"message":"余额不足"}\n\n', FailureKind.QUOTA, Fault.OURS),
    ],
)
def test_a_frame_as_the_body_of_an_answer_refuses_as_its_json_does(
    status: int, body: str, kind: FailureKind, fault: Fault
) -> None:
    reply = Reply(Phase.CREATE, status, {}, body)

    said = read_create(UPSTREAM, reply)

    assert isinstance(said, Refused)
    assert (said.failure.kind, said.failure.fault) == (kind, fault)


def test_a_server_error_in_a_frame_is_in_doubt_as_its_json_is() -> None:
    reply = Reply(Phase.CREATE, 500, {}, 'event: error\ndata: {"error":{"message":"no"}}\n\n')

    assert isinstance(read_create(UPSTREAM, reply), InDoubt)
    assert isinstance(read_create(UPSTREAM, reply, refuses_with_500=True), Refused)


def test_a_relays_own_error_in_a_frame_is_proven_not_billed() -> None:
    body = 'event: error\ndata: {"error":{"type":"new_api_error","message":"no"}}\n\n'

    assert new_api_proves_not_billed(Reply(Phase.CREATE, 500, {}, body))
