import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.order import Form, Input, Operation, Order
from tallylight.upstreams.classify import chat_transcript
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import FIRST_FRAME
from tallylight.upstreams.protocols.chat_stream import ChatStream
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.redact import redact_secrets
from tallylight.upstreams.steps import Accepted, Done, Working
from tests.builders import order_of
from tests.upstreams.flows import check_request, read_check, submitted, urls

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

BASE = "https://upstream.test/v1"
DONE = "data: [DONE]\n\n"


def chunk(
    content: str | None = None, reasoning: str | None = None, finish: str | None = None
) -> str:
    delta = {"role": None, "content": content, "reasoning_content": reasoning, "tool_calls": None}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "sora",
        "choices": [choice],
    }
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


RUNNING = chunk(reasoning="**Video Generation Progress**: 35% (running)\n")
RETRYING = chunk(
    reasoning="**生成失败，正在重试**\n\n第 1 次重试（共 3 次）\n\n失败原因：heavy_load\n"
)
RESULT = chunk(
    "```html\n<video src='https://cdn.example/v/1.mp4' controls></video>\n```", None, "STOP"
)
HEAVY = (
    'data: {"error":{"message":"API request failed: 400 - heavy_load: We\'re under heavy load",'
    '"type":"server_error","param":null,"code":null}}\n\n'
)


def ended(text: str, error: str = "") -> Done | Failure:
    stream = ChatStream(BASE, echoes_model=False)
    stream.feed(text)
    return stream.end(error)


def test_a_create_streams_and_sends_the_configured_model_as_it_is(
    make_upstream: MakeUpstream,
) -> None:
    upstream = make_upstream(protocol="chat_video", dialect="sora2api")

    request = submitted(upstream, order_of("a paper boat", 10, "1280x720"), "sora2-landscape-10s")

    assert adapter_for(upstream).reader is not None
    assert (request.url, request.phase) == ("/chat/completions", Phase.CREATE)
    body = json.loads(request.json)
    assert (body["model"], body["stream"]) == ("sora2-landscape-10s", True)
    assert body["messages"][0]["content"] == [{"type": "text", "text": "a paper boat"}]


def test_progress_comes_as_reasoning_and_the_video_as_content() -> None:
    stream = ChatStream(BASE, echoes_model=False)

    running = stream.feed(RUNNING)
    again = stream.feed(RUNNING)
    done = stream.feed(RESULT + DONE)

    assert isinstance(running, Working)
    assert (running.is_started, running.progress) == (True, 35)
    assert again is None
    assert isinstance(done, Done)
    assert urls(done.outputs) == ["https://cdn.example/v/1.mp4"]
    assert stream.end("") == done


def test_the_model_in_an_answer_of_sora2api_is_ignored() -> None:
    end = ended(RESULT + DONE)

    assert isinstance(end, Done)
    assert end.made.model == ""


def test_a_retry_notice_is_no_failure() -> None:
    assert isinstance(ended(RETRYING + RUNNING + RESULT + DONE), Done)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (chunk("❌ 生成失败: heavy_load", None, "STOP") + DONE, ""),
        (HEAVY + DONE, ""),
        (RUNNING + HEAVY + DONE, ""),
        (RUNNING, ""),
        (RUNNING, "ClientPayloadError: Response payload is not completed"),
        ("", ""),
        (chunk("I cannot make videos.", None, "stop") + DONE, ""),
        (DONE, ""),
    ],
)
def test_a_stream_that_ends_without_a_video_is_a_failure_of_the_service(
    text: str, error: str
) -> None:
    end = ended(text, error)

    assert isinstance(end, Failure)
    assert end.kind in {FailureKind.DEGRADED, FailureKind.UNKNOWN}
    assert end.fault is Fault.UPSTREAM


def test_refused_content_is_the_callers() -> None:
    end = ended(chunk("❌ 生成失败: 提示词内容违规", None, "STOP") + DONE)

    assert isinstance(end, Failure)
    assert end.kind is FailureKind.CONTENT_REJECTED


def test_an_answer_that_is_not_streamed_is_read() -> None:
    message = {"role": "assistant", "content": "[download](https://c.example/a.mp4)"}
    body = {"id": "c1", "model": "veo", "choices": [{"message": message, "finish_reason": "stop"}]}
    stream = ChatStream(BASE, echoes_model=True)

    stream.feed(json.dumps(body, indent=1))
    end = stream.end("")

    assert isinstance(end, Done)
    assert (end.made.model, stream.job.id) == ("veo", "c1")
    assert urls(end.outputs) == ["https://c.example/a.mp4"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"error":{"message":"账号触发风控","type":"x","code":"y"}}', FailureKind.RISK_CONTROL),
        ('{"code":"insufficient_user_quota","message":"额度不足","data":null}', FailureKind.QUOTA),
    ],
)
def test_a_refusal_is_classified_in_place_of_a_stream_or_inside_it(
    body: str, kind: FailureKind
) -> None:
    for end in (ended(body), ended(f"data: {body}\n\n{DONE}"), ended(f"data: {body}\n\n")):
        assert isinstance(end, Failure)
        assert end.kind is kind


class TestDryRunOfSora2api:
    ABLE = "All tokens available for video generation. Please enable streaming to use it."
    UNABLE = "No available models for video generation"

    @pytest.fixture
    def sora2api(self, make_upstream: MakeUpstream) -> Upstream:
        return make_upstream(protocol="chat_video", dialect="sora2api")

    @staticmethod
    def body(content: str) -> str:
        message = {"role": "assistant", "content": content}
        return json.dumps({"id": "c", "choices": [{"message": message, "finish_reason": "stop"}]})

    def test_does_not_stream_and_names_the_model(self, sora2api: Upstream) -> None:
        request = check_request(adapter_for(sora2api), "sora2-landscape-10s")

        body = json.loads(request.json)
        assert (request.phase, request.method) == (Phase.PROBE, "POST")
        assert (body["stream"], body["model"]) == (False, "sora2-landscape-10s")

    def test_succeeds_with_accounts_in_the_pool_and_starts_no_job(
        self, sora2api: Upstream, make_reply: MakeReply
    ) -> None:
        assert read_check(sora2api, make_reply(Phase.PROBE, self.body(self.ABLE))) is None

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, body(UNABLE)),
            (200, "{}"),
            (200, "<html>Welcome</html>"),
            (502, body("<video src='https://c.example/a.mp4'>")),
        ],
    )
    def test_fails_with_an_empty_pool_and_without_a_chat(
        self, sora2api: Upstream, make_reply: MakeReply, status: int, body: str
    ) -> None:
        failure = read_check(sora2api, make_reply(Phase.PROBE, body, status))

        assert isinstance(failure, Failure)
        assert failure.fault is Fault.UPSTREAM
        assert failure.http_status == status

    def test_that_makes_a_video_is_a_job(self, sora2api: Upstream, make_reply: MakeReply) -> None:
        reply = make_reply(Phase.PROBE, self.body("<video src='https://c.example/a.mp4'>"))

        billed = read_check(sora2api, reply)

        assert isinstance(billed, Accepted)
        assert isinstance(billed.step, Done)
        assert (billed.job.id, urls(billed.step.outputs)) == ("c", ["https://c.example/a.mp4"])


def test_other_relays_are_asked_for_their_models(make_upstream: MakeUpstream) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect="relay"))

    assert check_request(adapter, "veo").url == "/models"


EVENTS = st.sampled_from(
    [
        RUNNING,
        RETRYING,
        RESULT,
        HEAVY,
        DONE,
        chunk("❌ 生成失败: 风控", None, "STOP"),
        chunk("https://c.example/a.mp4\r\nand more"),
        ": a comment\n\n",
        "event: message\nid: 7\n",
        'data: {"id":"c",\ndata: "choices":[]}\n\n',
        '{"error":{"message":"bare"}}\n',
        "data: {half",
        "\r",
        "\n",
        "\ufeff",
    ]
)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(EVENTS, max_size=8).map("".join),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_the_chunks_of_a_stream_do_not_change_its_meaning(
    text: str, line_end: str, cuts: list[int]
) -> None:
    text = text.replace("\n", line_end)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chopped = ChatStream(BASE, echoes_model=True)

    for start, end in pairwise(places):
        chopped.feed(text[start:end])
    whole = ChatStream(BASE, echoes_model=True)
    whole.feed(text)

    assert chopped.end("") == whole.end("")


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=10), st.text(max_size=20))
def test_no_text_makes_the_reader_raise(pieces: list[str], error: str) -> None:
    stream = ChatStream(BASE, echoes_model=True)

    for piece in pieces:
        stream.feed(piece)
        stream.feed(f"data: {piece}\n\n")

    assert isinstance(stream.end(error), Done | Failure)


@pytest.mark.parametrize(
    "text",
    [
        chunk("<video " * 20_000, None, "STOP") + DONE,
        chunk("[" * 60_000, None, "STOP") + DONE,
        chunk("https://" * 9_000, None, "STOP") + DONE,
        "data: {half\n" * 90_000,
        "half" * 250_000,
        "[" * 1_000_000,
    ],
    ids=["tags", "brackets", "addresses", "half events", "no line", "depth"],
)
def test_a_hostile_answer_is_read_in_bounded_time(text: str) -> None:
    clock = SystemClock()
    began = clock.monotonic()

    ended(text)

    assert clock.monotonic() - began < 5


@pytest.mark.parametrize(
    ("dialect", "reference", "url"),
    [
        ("relay", Input(url="https://x.test/1.png"), "https://x.test/1.png"),
        ("relay", Input(body=b"PNG", media_type="image/png"), "data:image/png;base64,UE5H"),
        ("sora2api", Input(body=b"PNG", media_type="image/png"), "data:image/png;base64,UE5H"),
    ],
)
def test_an_image_is_a_part_of_the_message(
    make_upstream: MakeUpstream, dialect: str, reference: Input, url: str
) -> None:
    upstream = make_upstream(protocol="chat_video", dialect=dialect)
    order = order_of("a paper boat", 4, "1280x720", inputs=(reference,), extras={"seed": 7})

    body = json.loads(submitted(upstream, order, "sora2").json)

    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "a paper boat"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    assert (body["seed"], body["stream"]) == (7, True)


@pytest.mark.parametrize(
    "order",
    [
        order_of(
            "p", 4, "", inputs=(Input(url="https://x.test/1.png"),)
        ),  # the server would ignore it
        order_of("p", 4, "", operation=Operation.REMIX, source="v"),
        order_of("p", 4, "", characters=("char_1",)),
    ],
)
def test_an_order_that_a_chat_cannot_express_is_not_sent(
    make_upstream: MakeUpstream, order: Order
) -> None:
    with pytest.raises(LookupError):
        submitted(make_upstream(protocol="chat_video", dialect="sora2api"), order)


def test_a_chat_is_neither_polled_nor_cancelled_nor_deleted(
    make_upstream: MakeUpstream,
) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect="relay"))

    assert (adapter.poll, adapter.cancel, adapter.delete) == (None, None, None)
    assert (adapter.find, adapter.create_character) == (None, None)
    assert adapter.features.operations == frozenset({Operation.CREATE})


@pytest.mark.parametrize(("dialect", "takes_url"), [("relay", True), ("sora2api", False)])
def test_a_dialect_says_whether_it_takes_the_url_of_an_image(
    make_upstream: MakeUpstream, dialect: str, *, takes_url: bool
) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect=dialect))

    assert (Form.URL in adapter.features.inputs[FIRST_FRAME]) is takes_url


def test_a_key_that_comes_back_split_over_events_is_masked(
    make_upstream: MakeUpstream, planted_key: str
) -> None:
    reader = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api")).reader
    assert reader is not None
    stream = reader((planted_key,))

    for letter in f"Invalid key {planted_key}, ask the shop":
        stream.feed(chunk(letter))
    stream.feed(DONE)
    end = stream.end("")

    assert isinstance(end, Failure)
    assert end.text.startswith("Invalid key ***")
    assert planted_key[:8] not in str(end)


def test_a_long_answer_is_searched_for_secrets_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []

    def count(text: str, secrets: tuple[str, ...]) -> str:
        searched.append(len(text))
        return redact_secrets(text, secrets)

    monkeypatch.setattr(chat_transcript, "redact_secrets", count)
    stream = ChatStream(BASE, echoes_model=False, secrets=("sk-abc-123456",))

    for _ in range(20):
        stream.feed(chunk("a" * 2000))
    stream.end("")

    assert searched.count(40_000) == 1
