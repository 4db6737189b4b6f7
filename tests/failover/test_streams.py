"""Videos of services that stream their progress."""

import pytest

from tallylight.model.attempt_state import AttemptState
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
