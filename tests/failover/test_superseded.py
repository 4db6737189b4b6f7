"""A job that delivers after all stops the one that was to replace it."""

import pytest

from tallylight.model.ledger import EntryState
from tallylight.model.video import VideoStatus
from tallylight.simulator.scenario import Scenario, parse_scenario

from .conftest import WORLD, Start


@pytest.fixture
def scenario() -> Scenario:
    """Give a world whose second service stops jobs when it is told to."""
    return parse_scenario(
        WORLD.replace(
            "dialect: openai, keys: [sk-second]", "dialect: vllm_omni, keys: [sk-second]"
        ),
        "three.yaml",
    )


async def test_who_was_to_replace_a_late_delivery_is_stopped_and_not_paid(start: Start) -> None:
    studio = await start(upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}})
    studio.trouble("a", {"kind": "slow", "factor": 60})
    studio.trouble("b", {"kind": "stall"})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
    entries = {str(entry.service): entry for entry in await studio.history.ledger.entries()}
    assert entries["a"].state is EntryState.SETTLED
    assert entries["b"].state is EntryState.RELEASED
    assert studio.deliveries("a paper boat") == 1
