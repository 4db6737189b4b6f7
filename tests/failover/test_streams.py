"""Videos of services that stream their progress."""

import pytest

from tallylight.gateway.requests import ApiError
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ledger import EntryState
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario

from .conftest import Start

CHATS = """
title: One that streams
start: 2026-01-28T09:00:00Z
upstreams:
  chats: {provider: one, protocol: chat_video, dialect: sora2api, keys: [sk-chats]}
  spares: {provider: two, protocol: chat_video, dialect: sora2api, keys: [sk-spares]}
services:
  chat: &chat
    name: Chat
    upstream: chats
    model: sora2-landscape-10s
    access: reverse
    price: {unit: per_call, rates: {"*": 0.10}}
    latency: [4, 6]
    lengths: [10]
    sizes: [1280x720]
  spare: {<<: *chat, upstream: spares}
"""

FIRST = 'data: {"id":"c","choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(CHATS, "chats.yaml")


async def test_a_stream_may_last_until_the_deadline_of_its_video(start: Start) -> None:
    gateway = await start(route={"services": ["chat"], "deadline": "2s"})
    gateway.set_faults("chat", {"kind": "stall"})

    video = await gateway.until_ended(await gateway.create())

    (attempt,) = await gateway.attempts(video)
    assert attempt.state is AttemptState.UNRESOLVED
    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    (entry,) = await gateway.storage.ledger.entries()
    assert entry.state is EntryState.SETTLED  # it may be billed


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, f"{FIRST}data: error: insufficient balance\n\ndata: [DONE]\n\n"),
        (200, f"{FIRST}event: error\ndata: error: insufficient balance\n\n"),
        (200, "余额不足，请前往 https://shop.example/recharge 充值\n"),
        (503, 'event:error\ndata:{"message":"系统维护中"}\n\n'),
    ],
)
async def test_a_refusal_in_a_stream_is_free_and_the_next_service_is_asked_once(
    start: Start, status: int, body: str
) -> None:
    gateway = await start(route={"services": ["chat", "spare"]})
    gateway.set_faults("chat", {"kind": "refuse", "http_status": status, "body": body})

    video = await gateway.until_ended(await gateway.create())

    refused, made = await gateway.attempts(video)
    assert refused.state is AttemptState.REFUSED
    assert (made.service, made.state) == ("spare", AttemptState.DELIVERED)
    entries = await gateway.storage.ledger.entries()
    assert sorted(entry.state for entry in entries) == [EntryState.RELEASED, EntryState.SETTLED]


async def test_content_refused_in_a_stream_is_told_to_the_caller(start: Start) -> None:
    gateway = await start(route={"services": ["chat", "spare"]})
    body = f"{FIRST}event: error\ndata: 提示词包含敏感内容\n\n"
    gateway.set_faults("chat", {"kind": "refuse", "http_status": 200, "body": body})

    with pytest.raises(ApiError) as refused:
        await gateway.create()

    assert (refused.value.status, refused.value.code) == (400, "moderation_blocked")
