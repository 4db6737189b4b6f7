"""One route over services of different protocols: a video moves between them, and is paid once."""

import asyncio
from collections.abc import Mapping

import pytest

from tallylight.gateway.keys import ANONYMOUS
from tallylight.model.attempt_state import AttemptState
from tallylight.model.video import VideoStatus
from tallylight.model.wish import WishedMeasures
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario

from .conftest import Start

REFUSED, FAILED, DELIVERED = AttemptState.REFUSED, AttemptState.FAILED, AttemptState.DELIVERED

SCENARIO = """
title: One film, four protocols
start: 2026-11-29T09:00:00Z
upstreams:
  videos: {provider: one, protocol: openai_videos, dialect: openai, keys: [sk-videos]}
  chat: {provider: two, protocol: chat_video, dialect: sora2api, keys: [sk-chat]}
  queue: {provider: three, protocol: fal, dialect: fal, keys: ["id:queue-secret"]}
  studio: {provider: four, protocol: kling, dialect: kling, keys: [sk-studio]}
services:
  videos: &service
    name: Videos
    upstream: videos
    model: sora-2
    access: official
    price: {unit: per_call, rates: {"*": 0.10}}
    latency: [4, 6]
    lengths: [4, 8]
    sizes: [1280x720, 720x1280]
  chat: {<<: *service, name: Chat, upstream: chat, model: sora2-landscape-4s}
  queue: {<<: *service, name: Queue, upstream: queue, model: maker/film, wire: {duration: suffixed}}
  studio: {<<: *service, name: Studio, upstream: studio, model: kling-v3}
catalogue:
  services:
    queue:
      modes: [{seconds: [4, 8], frames: {720p: ["16:9", "9:16"]}}]
      wire:
        seconds: {duration: suffixed}
        resolution: {resolution: class}
        aspect: {aspect_ratio: ratio}
    studio:
      modes: [{seconds: [4, 8], frames: {720p: ["16:9", "9:16"]}, audio: [true, false]}]
"""
SERVICES = ("videos", "chat", "queue", "studio")
WANTED = WishedMeasures(seconds=4, size="1280x720")

REFUSE = {"kind": "refuse", "sign": "quota"}
FAIL = {"kind": "fail", "after": 2}
RESET = {"kind": "reset", "accepts": True}


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(SCENARIO, "four.yaml")


def route(first: str) -> Mapping[str, object]:
    """Return a route over all services that begins with one of them."""
    at = SERVICES.index(first)
    return {"services": [*SERVICES[at:], *SERVICES[:at]], "explicit": True}


def next_of(name: str) -> str:
    return SERVICES[(SERVICES.index(name) + 1) % len(SERVICES)]


@pytest.mark.parametrize("name", SERVICES)
async def test_each_protocol_makes_the_film_that_was_wished(start: Start, name: str) -> None:
    gateway = await start(route=route(name))

    video = await gateway.until_ended(await gateway.create(measures=WANTED))

    assert (video.status, video.service) == (VideoStatus.COMPLETED, name)
    (job,) = gateway.simulation.jobs.values()
    read = job.reading
    assert (read.seconds, read.resolution, read.aspect) == (4, "720p", "16:9")
    async with gateway.wiring.gateway.content(video.id, ANONYMOUS, "video", None) as content:
        assert content.media_type == "video/mp4"
        assert b"ftyp" in b"".join([chunk async for chunk in content.chunks])[:16]


@pytest.mark.parametrize("name", SERVICES)
async def test_what_one_protocol_refuses_the_next_one_makes(start: Start, name: str) -> None:
    gateway = await start(route=route(name))
    gateway.set_faults(name, REFUSE)

    video = await gateway.until_ended(await gateway.create(measures=WANTED))

    assert video.status is VideoStatus.COMPLETED
    assert await gateway.attempt_states(video) == [(name, REFUSED), (next_of(name), DELIVERED)]
    assert gateway.billed_jobs("a paper boat") == 1


@pytest.mark.parametrize("name", SERVICES)
async def test_what_one_protocol_accepts_and_fails_the_next_one_makes(
    start: Start, name: str
) -> None:
    gateway = await start(route=route(name))
    gateway.set_faults(name, FAIL)

    video = await gateway.until_ended(await gateway.create(measures=WANTED))

    assert video.status is VideoStatus.COMPLETED
    assert await gateway.attempt_states(video) == [(name, FAILED), (next_of(name), DELIVERED)]


@pytest.mark.parametrize("name", SERVICES)
async def test_a_create_in_doubt_is_found_or_left_and_never_paid_twice(
    start: Start, name: str
) -> None:
    gateway = await start(route=route(name))
    gateway.set_faults(name, RESET)

    video = await gateway.until_ended(await gateway.create(measures=WANTED))

    assert len(await gateway.attempts(video)) == 1
    assert len(gateway.simulation.jobs) == 1
    is_listed = name in {"videos", "studio"}
    assert video.status is (VideoStatus.COMPLETED if is_listed else VideoStatus.FAILED)
    assert is_listed or (video.error is not None and video.error.code == "outcome_unknown")


async def test_two_alike_in_doubt_are_told_apart_by_our_mark(start: Start) -> None:
    gateway = await start(route={"services": ["studio"], "explicit": True})
    gateway.set_faults("studio", RESET)

    created = await asyncio.gather(
        gateway.create(measures=WANTED, fingerprint="1"),
        gateway.create(measures=WANTED, fingerprint="2"),
    )
    ended = [await gateway.until_ended(each) for each in created]

    assert [each.status for each in ended] == [VideoStatus.COMPLETED] * 2
    found = {(await gateway.attempts(each))[0].job_id: each.id for each in ended}
    marks = {job.id: job.mark.partition(".")[0] for job in gateway.simulation.jobs.values()}
    assert found == marks
