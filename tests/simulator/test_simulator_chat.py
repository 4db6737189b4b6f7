"""Reverse channels: results and failures are inside a stream with status 200."""

import json
import re
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tallylight.simulator.protocols.chat_messages import result_text
from tallylight.simulator.protocols.chat_video import parse_model_name
from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
Say = Callable[..., Awaitable[tuple[int, str]]]
SORA = "sora-2-reverse"


@pytest.fixture
def say(http: aiohttp.ClientSession) -> Say:
    """Request a video from the channel; return the status and the whole text."""

    async def say(
        world: Simulation,
        prompt: object = "a boat",
        *,
        model: str = "sora2-landscape-10s",
        stream: bool = True,
        key: str = "sim-relay-a-key",
    ) -> tuple[int, str]:
        body = {
            "model": model,
            "stream": stream,
            "messages": [{"role": "user", "content": prompt}],
        }
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = f"{world.base_urls['relay-a']}/chat/completions"
        async with http.post(url, json=body, headers=headers) as response:
            return response.status, await response.text()

    return say


def models(text: str) -> set[str]:
    return set(re.findall(r'"model": "([^"]*)"', text))


def contents(text: str) -> list[str]:
    return [delta["content"] for delta in deltas(text) if delta["content"] is not None]


def deltas(text: str) -> list[dict[str, str | None]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    events = [json.loads(line) for line in lines if line != "[DONE]"]
    return [event["choices"][0]["delta"] for event in events if "choices" in event]


async def test_progress_is_in_the_reasoning_and_the_result_is_one_last_chunk(
    start: Start, say: Say, http: aiohttp.ClientSession
) -> None:
    world = await start()

    status, text = await say(world)

    assert status == 200
    assert text.endswith("data: [DONE]\n\n")
    assert re.search(r"\*\*Video Generation Progress\*\*: \d+% \(running\)", text)
    (result,) = contents(text)
    match = re.fullmatch(r"```html\n<video src='(.*)' controls></video>\n```", result)
    assert match is not None
    async with http.get(match.group(1)) as response:
        assert response.content_type == "video/mp4"


async def test_the_model_is_always_sora_and_the_finish_reason_is_upper_case(
    start: Start, say: Say
) -> None:
    world = await start()

    _, text = await say(world, model="sora2-portrait-15s")

    assert models(text) == {"sora"}
    assert '"finish_reason": "STOP"' in text


async def test_an_image_is_returned_as_markdown(
    start: Start, say: Say, http: aiohttp.ClientSession
) -> None:
    world = await start()

    _, text = await say(world, model="gpt-image")

    (result,) = contents(text)
    match = re.fullmatch(r"!\[Generated Image\]\((.*\.png)\)", result)
    assert match is not None
    async with http.get(match.group(1)) as response:
        assert (await response.read()).startswith(b"\x89PNG")


async def test_a_prompt_may_be_in_parts(start: Start, say: Say) -> None:
    world = await start()

    await say(
        world,
        [
            {"type": "text", "text": "a boat"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5H"}},
        ],
    )

    assert [entry.prompt for entry in world.ledger.entries] == ["a boat"]


@pytest.mark.parametrize(
    ("faults", "prefix"),
    [([], "All tokens available for video"), ([{"kind": "refuse", "sign": "suspended"}], "No ")],
)
async def test_without_streaming_the_response_only_reports_availability(
    start: Start, say: Say, faults: list[dict[str, object]], prefix: str
) -> None:
    world = await start(faults={SORA: faults})

    status, text = await say(world, stream=False)

    assert status == 200
    assert json.loads(text)["choices"][0]["message"]["content"].startswith(prefix)
    assert world.ledger.entries == ()


@pytest.mark.parametrize(
    ("key", "status", "body"),
    [
        ("", 403, {"detail": "Not authenticated"}),
        ("sk-wrong", 401, {"detail": "Invalid API key"}),
    ],
)
async def test_keys_are_refused_before_the_stream(
    start: Start, say: Say, key: str, status: int, body: object
) -> None:
    world = await start()

    actual_status, text = await say(world, key=key)

    assert (actual_status, json.loads(text)) == (status, body)


async def test_an_unknown_model_is_a_500(start: Start, say: Say) -> None:
    world = await start()

    status, text = await say(world, model="sora3")

    assert status == 500
    assert json.loads(text)["error"]["type"] == "server_error"


@pytest.mark.parametrize(
    ("form", "mark", "is_done"),
    [
        ("error", '"type": "server_error"', True),
        ("text", "❌ 生成失败: boom", True),
        ("close", "", False),
    ],
)
async def test_a_failed_job_is_reported_in_three_forms(
    start: Start, say: Say, form: str, mark: str, is_done: bool
) -> None:
    failing = {"kind": "fail", "after": 0.5, "form": form, "message": "boom"}
    world = await start(faults={SORA: [failing]})

    status, text = await say(world)

    assert status == 200
    assert mark in text
    assert ("[DONE]" in text) == is_done
    assert "<video" not in text


async def test_risk_control_is_named_inside_the_stream(start: Start, say: Say) -> None:
    world = await start(faults={SORA: [{"kind": "refuse", "sign": "risk_control"}]})

    responses = [await say(world) for _ in range(12)]

    assert {status for status, _ in responses} == {200}
    for mark in ("sentinel_block", "风控", "Cloudflare challenge"):
        assert any(mark in text for _, text in responses)
    assert world.ledger.entries == ()


async def test_prompts_with_blocked_words_fail_for_their_content(start: Start, say: Say) -> None:
    world = await start()

    _, text = await say(world, "gore everywhere")

    assert "may violate our guardrails" in text


async def test_an_empty_balance_is_reported_inside_the_stream(start: Start, say: Say) -> None:
    world = await start()

    status, text = await say(world, key="sim-relay-a-empty")

    assert status == 200
    assert "余额不足" in text


async def test_closing_the_stream_does_not_cancel_the_job(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()
    body = {
        "model": "sora2-landscape-10s",
        "stream": True,
        "messages": [{"role": "user", "content": "a boat"}],
    }
    headers = {"authorization": "Bearer sim-relay-a-key"}

    url = f"{world.base_urls['relay-a']}/chat/completions"
    async with http.post(url, json=body, headers=headers) as response:
        await response.content.readline()
    while world.ledger.as_json(world.second())["entries"][0]["state"] == "accepted":
        async with http.get(f"{world.base_url}/_sim/ledger") as response:
            await response.read()

    assert world.ledger.as_json(world.second())["total"]["billed_usd"] == pytest.approx(0.15)


async def test_the_list_of_models_has_one_id_for_each_length_and_orientation(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()

    async with http.get(
        f"{world.base_urls['relay-a']}/models",
        headers={"authorization": "Bearer sim-relay-a-key"},
    ) as response:
        names = [model["id"] for model in (await response.json())["data"]]

    assert names[:2] == ["sora2-landscape-10s", "sora2-portrait-10s"]
    assert names[-1] == "gpt-image"


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("sora2-landscape-10s", ("1280x704", 10)),
        ("sora2-portrait-10s", ("704x1280", 10)),
        ("sora2-portrait-15s", ("704x1280", 15)),
        ("something-else", ("1280x704", 10)),
    ],
)
async def test_a_model_id_encodes_size_and_length(
    start: Start, model: str, shape: tuple[str, int]
) -> None:
    world = await start()

    assert parse_model_name(world.scenario.services[SORA], model) == shape


@pytest.mark.parametrize("form", ["html", "double_quotes", "link", "bare", "image"])
def test_every_form_of_a_result_has_its_link(form: str) -> None:
    assert "https://cdn.example/v.mp4" in result_text(form, "https://cdn.example/v.mp4")
