"""A create in doubt takes a job of the upstream's list only if that can be nobody else's."""

import asyncio
from datetime import timedelta

import pytest

from tallylight.model.attempt import AttemptState
from tallylight.model.video import Video, VideoStatus
from tallylight.simulator.scenario import Scenario, parse_scenario
from tallylight.simulator.world import JobRequest

from .conftest import WORLD, Start, Studio

TWINS = """
  twin: {<<: *service, name: Twin}
  pro: {<<: *service, name: Pro, model: sora-2-pro}
"""
ONE = {"services": ["a"], "explicit": True}
OTHERS = {"services": ["twin"], "explicit": True}


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(WORLD + TWINS, "twins.yaml")


async def in_vain(studio: Studio, prompt: str = "a paper boat") -> Video:
    """Return a video whose create was cut off before it was accepted, once it has an end."""
    studio.trouble("a", {"kind": "reset", "accepts": False})
    return await studio.ended(await studio.create(prompt, size="720x1280", seconds=4))


async def assert_unresolved(studio: Studio, video: Video) -> None:
    (attempt,) = await studio.attempts(video)
    assert (attempt.state, attempt.job) == (AttemptState.FAILED, "")
    assert video.error is not None
    assert video.error.code == "outcome_unknown"


@pytest.mark.parametrize(
    "other",
    [
        JobRequest("pro", "a paper boat", "720x1280", 4, "sora-2-pro"),
        JobRequest("a", "a paper boat", "1280x720", 4, "sora-2"),
        JobRequest("a", "a paper boat", "720x1280", 8, "sora-2"),
    ],
    ids=["another model", "another size", "another length"],
)
async def test_a_job_of_other_measures_is_somebody_elses(start: Start, other: JobRequest) -> None:
    studio = await start(routes={"boats": ONE})
    studio.world.accept_job(other, None, "video_other")

    video = await in_vain(studio)

    await assert_unresolved(studio, video)


async def test_a_dated_name_of_the_model_is_the_same_model(start: Start) -> None:
    studio = await start(routes={"boats": ONE})
    dated = JobRequest("a", "a paper boat", "720x1280", 4, "sora-2-2025-10-06")
    studio.world.accept_job(dated, None, "video_dated")

    video = await in_vain(studio)

    (attempt,) = await studio.attempts(video)
    assert (video.status, attempt.job) == (VideoStatus.COMPLETED, "video_dated")


async def test_a_job_of_another_service_of_the_upstream_is_taken_already(start: Start) -> None:
    studio = await start(routes={"boats": ONE, "kites": OTHERS})
    await studio.create(model="kites", size="720x1280", seconds=4)

    video = await in_vain(studio)

    await assert_unresolved(studio, video)


async def test_a_job_may_belong_to_a_create_that_awaits_its_answer(start: Start) -> None:
    studio = await start(routes={"boats": ONE})
    studio.trouble("a", {"kind": "hang", "accepts": True})
    asking = asyncio.create_task(studio.create(size="720x1280", seconds=4))
    while not studio.creates("a"):  # a server tells no event
        await studio.clock.sleep(timedelta(seconds=1))

    video = await in_vain(studio)

    await assert_unresolved(studio, video)
    asking.cancel()


async def test_a_job_that_may_be_anothers_is_no_proof_of_a_refusal(start: Start) -> None:
    studio = await start(upstreams={"first": {"lists_all_jobs": True}})
    other = JobRequest("a", "a paper boat", "1280x720", 4, "sora-2")
    studio.world.accept_job(other, None, "video_other")

    video = await in_vain(studio)

    await assert_unresolved(studio, video)
    assert studio.creates("b") == 0


async def test_a_job_is_looked_for_with_the_key_that_a_reload_has_brought(start: Start) -> None:
    studio = await start(routes={"boats": ONE})
    studio.trouble("a", {"kind": "reset", "accepts": True}, {"kind": "incomplete_list"})

    video = await studio.create()
    while not studio.world.requests["a", "list"]:  # a server tells no event
        await studio.clock.sleep(timedelta(seconds=1))
    await studio.renew_key("first", "sk-renewed")
    studio.trouble("a")
    seen = await studio.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
