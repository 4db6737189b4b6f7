"""Which links of a chat answer are results, and which lead elsewhere."""

import json

import pytest

from tallylight.model.evidence import Failure, FailureKind
from tallylight.upstreams.protocols.chat_stream import ChatStream
from tallylight.upstreams.steps import Done
from tests.upstreams.flows import urls

BASE = "https://relay.example/v1"
DONE = "data: [DONE]\n\n"
CUT = "ClientPayloadError: Response payload is not completed"


def event(delta: object, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def content(text: object) -> str:
    return event({"content": text})


def ended(text: str, error: str = "") -> Done | Failure:
    stream = ChatStream(BASE, echoes_model=True)
    stream.feed(text)
    return stream.end(error)


def addresses(end: Done | Failure) -> list[str]:
    assert isinstance(end, Done)
    return urls(end.outputs)


def address_in(text: object) -> str:
    return addresses(ended(content(text) + event({}, "stop") + DONE))[0]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<video src='https://c.example/a?x=1&amp;y=2' controls>", "https://c.example/a?x=1&y=2"),
        ("<video src='https://c.example/a?x=1&copy=2'>", "https://c.example/a?x=1&copy=2"),
        ('<video controls src="https://c.example/a.mp4"></video>', "https://c.example/a.mp4"),
        ("<video src=https://c.example/a controls>", "https://c.example/a"),
        (
            "<video poster='/t.jpg'><source type='video/webm' src='https://c.example/a.webm'>",
            "https://c.example/a.webm",
        ),
        ("[在线播放](https://c.example/watch/7)", "https://c.example/watch/7"),
        ("[点击下载](https://c.example/get/7)", "https://c.example/get/7"),
        ("▶️ [play](https://c.example/p/7)", "https://c.example/p/7"),
        ('[download](<https://c.example/get/7> "the film")', "https://c.example/get/7"),
        ("[here](https://c.example/a.webm?t=1)", "https://c.example/a.webm?t=1"),
        ("![video](https://c.example/a.mp4)", "https://c.example/a.mp4"),
        ("<a class='b' href='https://c.example/get/7'>下载视频</a>", "https://c.example/get/7"),
        ("Your video: https://c.example/a.MOV.", "https://c.example/a.MOV"),
        ("(<https://c.example/a.mp4?s=%2F>)", "https://c.example/a.mp4?s=%2F"),
        ("**https://c.example/a.mp4**", "https://c.example/a.mp4"),
        ("视频：https://c.example/a.mp4，24小时内有效", "https://c.example/a.mp4"),
        ("视频：https://c.example/a.mp4有效期一天", "https://c.example/a.mp4"),
        ("https://c.example/get?file=a.mp4", "https://c.example/get?file=a.mp4"),
        ("![Generated Image](https://c.example/i.png)", "https://c.example/i.png"),
        ("Seen at https://a.example/x, kept at https://b.example/y。", "https://b.example/y"),
        ("https://c.example/1.mp4\nhttps://c.example/2.mp4", "https://c.example/2.mp4"),
        (
            '```json\n{"video_url": "https:\\/\\/c.example\\/get\\/7?a=1\\u0026b=2"}\n```',
            "https://c.example/get/7?a=1&b=2",
        ),
        (
            '{"url": "https://c.example/a.mp4", "cover": "https://c.example/t"}',
            "https://c.example/a.mp4",
        ),
        (
            "see https://docs.example/help <video src='https://c.example/a.mp4'>",
            "https://c.example/a.mp4",
        ),
        (
            "![cover](https://c.example/i.png) [点击下载](https://c.example/get/7)",
            "https://c.example/get/7",
        ),
        (
            "[点击下载](https://c.example/a.mp4) [在线播放](https://c.example/watch/7)",
            "https://c.example/a.mp4",
        ),
    ],
)
def test_the_result_is_found_in_the_order_of_certainty(text: str, address: str) -> None:
    assert address_in(text) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<video id='video' controls src='/images/a-b.mp4'></video>", "/images/a-b.mp4"),
        ("<video src='/play/7'>", "/play/7"),
        ("[点击下载](/v1/files/video/abc.mp4)", "/v1/files/video/abc.mp4"),
        ("[点击下载](/v1/files/7)", "/v1/files/7"),
        ("[video](files/abc.mp4?x=%2f)", "/files/abc.mp4?x=%2f"),
        ("<a href='/files/abc.mp4'>video</a>", "/files/abc.mp4"),
        ("视频已生成:/files/abc.mp4?s=1&t=2。", "/files/abc.mp4?s=1&t=2"),
        ('{"url": "/files/abc.mp4"}', "/files/abc.mp4"),
        ('{"video_url": "/files/7"}', "/files/7"),
    ],
)
def test_a_relative_address_is_one_of_the_upstream(text: str, address: str) -> None:
    assert address_in(text) == f"https://relay.example{address}"


@pytest.mark.parametrize(
    "text",
    [
        "余额不足，请前往 https://shop.example/recharge 充值",
        "余额不足，请访问 https://shop.example/a 充值",
        "生成失败 https://relay.example/x/9",
        "Please [sign up](https://shop.example/signup) first",
        "Please top up at https://shop.example/#/topup",
        "Your prompt violates https://openai.example/policies/usage-policies",
        "Read https://docs.example.com/video",
        "Visit https://shop.example/",
        "![thumbnail](https://c.example/t.jpg)",
        "![image](https://c.example/cover.jpg)",
        "<img src='https://c.example/avatar/7.png'>",
        "https://c.example/t.jpg",
        "<video src='data:video/mp4;base64,AAAA'></video>",
        "<video src='blob:https://c.example/7'></video>",
        "<video src=''></video>",
        "Saved as video.mp4",
        "[chapter](#top) [note](/notes)",
        "ffmpeg: /tmp/a.mp4 is empty",
        '{"input_video_url": "https://c.example/get/7", "status": "https://x.example/status"}',
    ],
)
def test_an_address_of_something_else_is_no_result(text: str) -> None:
    assert isinstance(ended(content(text) + event({}, "stop") + DONE), Failure)


@pytest.mark.parametrize(
    "text",
    [
        "视频已生成，24小时内有效：https://c.example/get/7",
        "Your video is ready: https://c.example/get/7 (if it fails, try again)",
        "[点击下载](https://c.example/get/7) 额度不足时请充值",
    ],
)
def test_words_beside_a_link_that_is_named_as_the_video_are_no_failure(text: str) -> None:
    assert address_in(text) == "https://c.example/get/7"


def test_the_moderation_of_an_error_with_an_address_is_read() -> None:
    end = ended(content("Your prompt violates our policy: https://x.example/abc") + DONE)

    assert isinstance(end, Failure)
    assert end.kind is FailureKind.CONTENT_REJECTED


URL = "https://c.example/get/7?a=(1)"


@pytest.mark.parametrize(
    "answer",
    [
        event(
            {
                "content": [
                    {"type": "text", "text": "x"},
                    {"type": "video_url", "video_url": {"url": URL}},
                ]
            }
        ),
        event({"content": [{"type": "video_url", "video_url": URL}]}),
        event({"content": {"type": "video", "url": URL}}),
        event({"content": "", "video_url": URL}),
        event({"content": None, "videos": [{"url": URL}]}),
        f"data: {json.dumps({'status': 'completed', 'video_url': URL})}\n\n",
    ],
)
def test_a_member_for_videos_holds_the_result(answer: str) -> None:
    assert addresses(ended(answer + DONE))[0] == URL


def test_a_picture_in_a_part_is_no_result() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://c.example/7"}}

    assert isinstance(ended(event({"content": [part]}) + DONE), Failure)


@pytest.mark.parametrize("indent", [None, 1])
def test_a_completion_that_is_not_streamed_is_read(indent: int | None) -> None:
    message = {"role": "assistant", "content": "<video src='/a/b.mp4'>"}
    body = json.dumps({"id": "c", "choices": [{"message": message}]}, indent=indent)

    assert addresses(ended(body))[0] == "https://relay.example/a/b.mp4"


@pytest.mark.parametrize("text", ["[下载](https://c.example/a)", "=> https://c.example/a.mp4\n"])
def test_a_result_may_stand_among_the_notices(text: str) -> None:
    end = ended(event({"reasoning_content": f"100%\n{text}"}) + event({}, "stop") + DONE)

    assert addresses(end)[0].startswith("https://c.example/a")


def test_a_result_split_over_chunks_is_joined() -> None:
    pieces = ("[点击", "下载](/v1/fi", "les/a.m", "p4)")

    end = ended("".join(map(content, pieces)) + DONE)

    assert addresses(end)[0] == "https://relay.example/v1/files/a.mp4"


def test_a_result_before_a_large_preview_is_found() -> None:
    preview = f"![preview](data:image/png;base64,{'A' * 300_000})"

    assert address_in(f"<video src='/a.mp4'></video>\n{preview}") == "https://relay.example/a.mp4"


@pytest.mark.parametrize(
    "text",
    [
        "<video src='https://c.example/a.mp4' controls>",
        "[play](https://c.example/a.mp4)",
        "https://c.example/a.mp4",
        "https://c.example/a.mp4 is ready",
    ],
)
def test_a_result_counts_if_the_stream_then_breaks_off(text: str) -> None:
    assert addresses(ended(content(text), CUT))[0] == "https://c.example/a.mp4"


@pytest.mark.parametrize("text", ["https://c.example/get/7", "https://c.example/a.mp4?sig=7"])
def test_an_address_that_may_have_been_cut_is_ignored(text: str) -> None:
    assert isinstance(ended(content(text), CUT), Failure)
    assert isinstance(ended(content(text)), Failure)


def test_a_link_to_a_film_counts_before_an_error_of_the_connection() -> None:
    error = 'data: {"error":{"message":"upstream closed the connection"}}\n\n'

    assert isinstance(ended(content("<video src='/a.mp4'>") + error + DONE), Done)
    assert isinstance(ended(content("https://c.example/get/7 ") + error + DONE), Failure)


def test_a_help_page_beside_a_failure_is_not_the_video() -> None:
    text = "❌ 生成失败: sentinel_block, visit https://help.example.com"

    assert isinstance(ended(content(text) + DONE), Failure)


def test_a_failure_mark_before_a_successful_retry_is_ignored() -> None:
    text = content("❌ 第一次失败\n") + content("<video src='https://c.example/a.mp4'>")

    assert isinstance(ended(text + DONE), Done)


def test_a_video_before_the_failure_mark_does_not_count() -> None:
    text = content("<video src='https://c.example/a.mp4'>\n> ❌ 生成失败: heavy_load")

    assert isinstance(ended(text + DONE), Failure)
