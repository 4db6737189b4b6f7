import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.messages import Job, JobState, Phase, Reply
from tallylight.upstreams.protocols.chat_stream import ChatStream
from tallylight.upstreams.protocols.registry import adapter_for

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


def ended(text: str, error: str = "") -> Job:
    stream = ChatStream("sora2api", BASE, echoes_model=False)
    stream.feed(text)
    return stream.end(error)


def test_a_create_streams_and_sends_the_configured_model_as_it_is(
    make_upstream: MakeUpstream,
) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api"))

    request = adapter.create(Order("a paper boat", 10, "1280x720"), "sora2-landscape-10s")

    assert adapter.streams
    assert request.url == "https://upstream.test/v1/chat/completions"
    body = json.loads(request.json)
    assert (body["model"], body["stream"]) == ("sora2-landscape-10s", True)
    assert body["messages"][0]["content"] == [{"type": "text", "text": "a paper boat"}]


def test_progress_comes_as_reasoning_and_the_video_as_content() -> None:
    stream = ChatStream("sora2api", BASE, echoes_model=False)

    running = stream.feed(RUNNING)
    again = stream.feed(RUNNING)
    done = stream.feed(RESULT + DONE)

    assert running is not None
    assert (running.state, running.progress) == (JobState.IN_PROGRESS, 35)
    assert again is None
    assert done is not None
    assert (done.state, done.results) == (JobState.COMPLETED, ("https://cdn.example/v/1.mp4",))
    assert stream.end("") == done


def test_the_model_in_an_answer_of_sora2api_is_ignored() -> None:
    assert ended(RESULT + DONE).model == ""


def test_a_retry_notice_is_no_failure() -> None:
    assert ended(RETRYING + RUNNING + RESULT + DONE).state is JobState.COMPLETED


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
    job = ended(text, error)

    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert job.failure.kind in {FailureKind.DEGRADED, FailureKind.UNKNOWN}
    assert job.failure.fault is Fault.UPSTREAM


def test_refused_content_is_the_callers() -> None:
    job = ended(chunk("❌ 生成失败: 提示词内容违规", None, "STOP") + DONE)

    assert job.failure is not None
    assert job.failure.kind is FailureKind.CONTENT_REJECTED


def test_an_answer_that_is_not_streamed_is_read(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect="relay"))
    message = {"role": "assistant", "content": "[download](https://c.example/a.mp4)"}
    body = {"id": "c1", "model": "veo", "choices": [{"message": message, "finish_reason": "stop"}]}

    job = adapter.read_job(make_reply(Phase.CREATE, json.dumps(body, indent=1)))

    assert isinstance(job, Job)
    assert (job.state, job.model, job.results) == (
        JobState.COMPLETED,
        "veo",
        ("https://c.example/a.mp4",),
    )


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
    for job in (ended(body), ended(f"data: {body}\n\n{DONE}"), ended(f"data: {body}\n\n")):
        assert job.failure is not None
        assert job.failure.kind is kind


class TestDryRunOfSora2api:
    ABLE = "All tokens available for video generation. Please enable streaming to use it."
    UNABLE = "No available models for video generation"

    @staticmethod
    def body(content: str) -> str:
        message = {"role": "assistant", "content": content}
        return json.dumps({"id": "c", "choices": [{"message": message, "finish_reason": "stop"}]})

    def test_does_not_stream_and_names_the_model(self, make_upstream: MakeUpstream) -> None:
        adapter = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api"))

        request = adapter.credentials("sora2-landscape-10s")

        body = json.loads(request.json)
        assert (request.phase, request.method) == (Phase.PROBE, "POST")
        assert (body["stream"], body["model"]) == (False, "sora2-landscape-10s")

    def test_succeeds_with_accounts_in_the_pool_and_starts_no_job(
        self, make_upstream: MakeUpstream, make_reply: MakeReply
    ) -> None:
        adapter = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api"))
        reply = make_reply(Phase.PROBE, self.body(self.ABLE))

        assert adapter.read_credentials(reply, "sora2-landscape-10s") is None
        assert isinstance(adapter.read_job(reply), Failure)

    def test_fails_with_an_empty_pool(
        self, make_upstream: MakeUpstream, make_reply: MakeReply
    ) -> None:
        adapter = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api"))

        failure = adapter.read_credentials(make_reply(Phase.PROBE, self.body(self.UNABLE)), "m")

        assert failure is not None
        assert failure.fault is Fault.UPSTREAM

    def test_that_makes_a_video_is_a_job(
        self, make_upstream: MakeUpstream, make_reply: MakeReply
    ) -> None:
        adapter = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api"))
        reply = make_reply(Phase.PROBE, self.body("<video src='https://c.example/a.mp4'>"))

        assert isinstance(adapter.read_job(reply), Job)


def test_other_relays_are_asked_for_their_models(make_upstream: MakeUpstream) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect="relay"))

    assert adapter.credentials("veo").url == "https://upstream.test/v1/models"


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
    chopped = ChatStream("sora2api", BASE, echoes_model=True)

    for start, end in pairwise(places):
        chopped.feed(text[start:end])
    whole = ChatStream("sora2api", BASE, echoes_model=True)
    whole.feed(text)

    assert chopped.end("") == whole.end("")


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=10), st.text(max_size=20))
def test_no_text_makes_the_reader_raise(pieces: list[str], error: str) -> None:
    stream = ChatStream("relay", BASE, echoes_model=True)

    for piece in pieces:
        stream.feed(piece)
        stream.feed(f"data: {piece}\n\n")

    assert stream.end(error).state in {JobState.COMPLETED, JobState.FAILED}


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
        ("relay", Reference(url="https://x.test/1.png"), "https://x.test/1.png"),
        ("relay", Reference(body=b"PNG", media_type="image/png"), "data:image/png;base64,UE5H"),
        ("sora2api", Reference(body=b"PNG", media_type="image/png"), "data:image/png;base64,UE5H"),
    ],
)
def test_an_image_is_a_part_of_the_message(
    make_upstream: MakeUpstream, dialect: str, reference: Reference, url: str
) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect=dialect))
    order = Order("a paper boat", 4, "1280x720", reference=reference, extras={"seed": 7})

    body = json.loads(adapter.create(order, "sora2").json)

    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "a paper boat"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    assert (body["seed"], body["stream"]) == (7, True)


@pytest.mark.parametrize(
    "order",
    [
        Order(
            "p", 4, "", reference=Reference(url="https://x.test/1.png")
        ),  # the server would ignore it
        Order("p", 4, "", operation=Operation.REMIX, source="v"),
        Order("p", 4, "", characters=("char_1",)),
    ],
)
def test_an_order_that_a_chat_cannot_express_is_not_sent(
    make_upstream: MakeUpstream, order: Order
) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api"))

    with pytest.raises(LookupError):
        adapter.create(order, "m")


def test_a_chat_is_neither_cancelled_nor_deleted(
    make_upstream: MakeUpstream,
) -> None:
    adapter = adapter_for(make_upstream(protocol="chat_video", dialect="relay"))

    assert (adapter.cancel("c"), adapter.delete("c")) == (None, None)
    assert adapter.operations == frozenset({Operation.CREATE})
    assert adapter.variants == frozenset({"video"})


def test_a_key_that_comes_back_split_over_events_is_masked(
    make_upstream: MakeUpstream, planted_key: str
) -> None:
    stream = adapter_for(make_upstream(protocol="chat_video", dialect="sora2api")).open_stream()

    for letter in f"Invalid key {planted_key}, ask the shop":
        stream.feed(chunk(letter))
    stream.feed(DONE)
    job = stream.end("")

    assert job.failure is not None
    assert job.failure.text.startswith("Invalid key ***")
    assert planted_key[:8] not in str(job)
