"""A job that delivers late cancels its replacement."""

import pytest

from tallylight.model.ledger import EntryState
from tallylight.model.video import VideoStatus
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario

from .conftest import SCENARIO, Start


@pytest.fixture
def scenario() -> Scenario:
    """Return a scenario whose second service supports cancellation."""
    return parse_scenario(
        SCENARIO.replace(
            "dialect: openai, keys: [sk-second]", "dialect: vllm_omni, keys: [sk-second]"
        ),
        "three.yaml",
    )


async def test_the_replacement_of_a_late_delivery_is_cancelled_and_not_paid(start: Start) -> None:
    gateway = await start(upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}})
    gateway.set_faults("a", {"kind": "slow", "factor": 60})
    gateway.set_faults("b", {"kind": "stall"})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
    entries = {str(entry.service): entry for entry in await gateway.storage.ledger.entries()}
    assert entries["a"].state is EntryState.SETTLED
    assert entries["b"].state is EntryState.RELEASED
    assert gateway.billed_jobs("a paper boat") == 1
