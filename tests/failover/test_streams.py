"""Videos of services that stream until they are done."""

import pytest

from tallylight.model.attempt import AttemptState
from tallylight.model.ledger import EntryState
from tallylight.simulator.scenario import Scenario, parse_scenario

from .conftest import Start

CHATS = """
title: One that streams
start: 2026-01-28T09:00:00Z
upstreams:
  chats: {provider: one, protocol: chat_video, dialect: sora2api, keys: [sk-chats]}
services:
  chat:
    name: Chat
    upstream: chats
    model: sora2-landscape-10s
    access: reverse
    price: {unit: per_call, rates: {"*": 0.10}}
    latency: [4, 6]
    lengths: [10]
    sizes: [1280x720]
"""


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(CHATS, "chats.yaml")


async def test_a_stream_is_waited_for_until_the_deadline_of_its_video(start: Start) -> None:
    studio = await start(route={"services": ["chat"], "deadline": "2s"})
    studio.trouble("chat", {"kind": "stall"})

    video = await studio.ended(await studio.create())

    (attempt,) = await studio.attempts(video)
    assert attempt.state is AttemptState.FAILED
    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    (entry,) = await studio.history.ledger.entries()
    assert entry.state is EntryState.SETTLED  # it may be billed
