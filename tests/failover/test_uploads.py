"""A picture that has to be uploaded is, before the attempt that names it is recorded."""

import asyncio
from datetime import timedelta

import pytest

from tallylight.model.attempt_state import AttemptState
from tallylight.model.order import Input
from tallylight.model.video import Video, VideoStatus
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario

from .conftest import RunningGateway, Start

PICTURE = Input(body=b"PNG", media_type="image/png", name="boat.png")
PROMPT = "a paper boat"

SCENARIO = """
title: One whose creates name pictures, and one whose creates hold them
start: 2026-01-28T09:00:00Z
upstreams:
  naming: {provider: one, protocol: pixverse, dialect: pixverse, keys: [sim-key-of-naming]}
  holding: {provider: two, protocol: openai_videos, dialect: new_api, keys: [sim-key-of-holding]}
services:
  a: &service
    name: A
    upstream: naming
    model: v6
    access: official
    price: {unit: per_call, rates: {"*": 0.10}}
    latency: [4, 6]
    lengths: [5]
    sizes: [1280x720]
  b: {<<: *service, name: B, upstream: holding}
catalogue:
  services:
    a: {modes: [{inputs: [[], [first_frame]], seconds: [5], frames: {720p: [input, 16:9]}}]}
"""


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(SCENARIO, "two.yaml")


async def started(start: Start) -> RunningGateway:
    return await start(route={"services": ["a", "b"], "explicit": True})


async def created(gateway: RunningGateway) -> Video:
    return await gateway.create(PROMPT, inputs=(PICTURE,))


async def until_uploading(gateway: RunningGateway, times: int = 1) -> None:
    async with asyncio.timeout(60):
        while gateway.simulation.requests["a", "upload"] < times:
            await gateway.clock.sleep(timedelta(seconds=1))


async def test_a_picture_is_uploaded_and_the_video_made_of_it(start: Start) -> None:
    gateway = await started(start)

    video = await gateway.until_ended(await created(gateway))

    assert video.status is VideoStatus.COMPLETED
    (job,) = gateway.simulation.ledger.entries
    assert [each.source for each in job.reading.inputs] == ["image/png, 3 bytes"]
    assert gateway.simulation.requests["a", "upload"] == 1


async def test_nothing_is_intended_or_reserved_while_a_picture_is_uploaded(start: Start) -> None:
    gateway = await started(start)
    gateway.set_faults("a", {"kind": "hang", "doors": ["upload"]})

    video = await created(gateway)
    await until_uploading(gateway)

    assert video.status is VideoStatus.QUEUED
    assert await gateway.attempts(video) == ()
    assert await gateway.storage.ledger.entries() == ()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "hang", "doors": ["upload"]},
        {"kind": "refuse", "http_status": 500, "body": "<html>", "doors": ["upload"]},
        {"kind": "refuse", "sign": "quota", "doors": ["upload"]},
    ],
    ids=["unanswered", "page", "quota"],
)
async def test_an_upload_that_fails_costs_nothing_and_the_next_service_delivers(
    start: Start, fault: dict[str, object]
) -> None:
    gateway = await started(start)
    gateway.set_faults("a", fault)

    video = await gateway.until_ended(await created(gateway))

    assert video.status is VideoStatus.COMPLETED
    states = dict(await gateway.attempt_states(video))
    assert states["a"] is AttemptState.REFUSED
    assert gateway.create_count("a") == 0
    assert gateway.billed_jobs(PROMPT) == 1


async def test_a_process_that_dies_while_it_uploads_has_paid_nothing(start: Start) -> None:
    gateway = await started(start)
    gateway.set_faults("a", {"kind": "hang", "doors": ["upload"]})
    video = await created(gateway)
    await until_uploading(gateway)

    await gateway.kill()
    gateway.set_faults("a")
    other = await started(start)
    ended = await other.until_ended(video)

    assert ended.status is VideoStatus.COMPLETED
    assert await other.attempt_states(video) == [("a", AttemptState.DELIVERED)]
    assert other.billed_jobs(PROMPT) == 1
