"""What a create in doubt comes to where a maker's list shows a mark, prompts late, or neither."""

import pytest

from tallylight.model.attempt_state import AttemptState
from tallylight.model.video import VideoStatus
from tallylight.simulator.scenario import Scenario
from tests.protocols import scenario_of

from .conftest import Start

RESET = {"kind": "reset", "accepts": True}


@pytest.fixture
def scenario() -> Scenario:
    return scenario_of("ark", "dashscope", "minimax")


@pytest.mark.parametrize("name", ["seedance-2.0", "wan-3.0"])
async def test_a_job_is_known_by_our_mark_or_by_its_prompt_once_it_is_done(
    start: Start, name: str
) -> None:
    gateway = await start(routes={"boats": {"services": [name], "explicit": True}})
    await gateway.until_ended(await gateway.create("another boat"))
    gateway.set_faults(name, RESET)

    video = await gateway.until_ended(await gateway.create("a paper boat"))

    (attempt,) = await gateway.attempts(video)
    assert (video.status, attempt.state) == (VideoStatus.COMPLETED, AttemptState.DELIVERED)
    (job,) = (each for each in gateway.simulation.jobs.values() if each.prompt == "a paper boat")
    assert attempt.job_id == job.id


async def test_a_job_without_a_sign_is_left_and_counts_as_paid(start: Start) -> None:
    gateway = await start(
        routes={"boats": {"services": ["minimax-h3", "wan-3.0"], "explicit": True}},
        upstreams={"minimax": {"lists_all_jobs": True}},
    )
    gateway.set_faults("minimax-h3", RESET)

    video = await gateway.until_ended(await gateway.create("a paper boat"))

    (attempt,) = await gateway.attempts(video)
    assert (video.status, attempt.state) == (VideoStatus.FAILED, AttemptState.UNRESOLVED)
    assert len(gateway.simulation.jobs) == 1


async def test_a_complete_list_without_a_job_lets_the_next_service_make_it(start: Start) -> None:
    gateway = await start(
        routes={"boats": {"services": ["minimax-h3", "wan-3.0"], "explicit": True}},
        upstreams={"minimax": {"lists_all_jobs": True}},
    )
    gateway.set_faults("minimax-h3", {"kind": "reset", "accepts": False})

    video = await gateway.until_ended(await gateway.create("a paper boat"))

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "wan-3.0")
