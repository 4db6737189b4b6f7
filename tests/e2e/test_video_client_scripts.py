"""The video client in plain scripts, as a program of somebody else's uses it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve, World

Write = Callable[["Document"], Path]

AS_DESIGNED = """\
from tallylight import VideoClient

client = VideoClient.from_config("tallylight.yaml")
video = client.create("A sunset over the ocean", seconds=8, policy="production")
video.service, video.attempts, video.cost
video.wait(); video.save("sunset.mp4")
print(video.service, video.attempts, video.cost)
"""

ASKING = """\
from tallylight import VideoClient

video = VideoClient.from_config("tallylight.yaml").create("A sunset over the ocean")
print(video.id, flush=True)
video.wait()
"""

FETCHING = """\
import sys
from tallylight import VideoClient

with VideoClient.from_config("tallylight.yaml") as client:
    video = client.video(sys.argv[1]).wait(timeout=60)
    print(video.status, video.attempts)
"""

IN_A_LOOP = """\
import asyncio
from tallylight import AsyncVideoClient, ApiError

async def main():
    async with AsyncVideoClient.from_config("tallylight.yaml") as client:
        videos = await asyncio.gather(*(client.create(f"boat {n}") for n in range(3)))
        await asyncio.gather(*(video.wait() for video in videos))
        print(*{video.status for video in videos})
        try:
            await client.create("a boat", model="kites")
        except ApiError as error:
            print(error)

asyncio.run(main())
"""


@pytest.fixture
def document(document: "Document") -> "Document":
    """Return a configuration with one route, in which nothing is probed."""
    still = {"reach": "off", "credentials": "off", "generation": "off"}
    return document | {"routes": {"boats": {"services": ["film"]}}, "probes": still}


@pytest.fixture
def config(document: "Document", write: Write) -> Path:
    """Write it where the scripts look for it."""
    return write(document)


@pytest.mark.usefixtures("config")
def test_the_example_of_the_design_runs_as_it_is_written(launch: "Launcher") -> None:
    program = launch.python("-W", "error::ResourceWarning", "-c", AS_DESIGNED)

    assert program.ends() == 0, program.logged()
    assert program.said() == "film 1 0.80\n"
    assert program.logged() == ""
    assert (launch.folder / "sunset.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.usefixtures("config")
def test_it_lives_in_an_event_loop_too(launch: "Launcher") -> None:
    program = launch.python("-W", "error::ResourceWarning", "-c", IN_A_LOOP)

    assert program.ends() == 0, program.logged()
    assert program.said() == "completed\nNo such route: kites. Known: boats.\n"
    assert program.logged() == ""


def test_a_server_goes_on_with_the_video_of_a_client_that_is_killed(
    document: "Document", launch: "Launcher", serve: "Serve", world: "World"
) -> None:
    world.order("film", {"faults": [{"kind": "slow", "factor": 10}]})
    server = serve(document)
    asking = launch.python("-c", ASKING)
    (id_,) = re.findall(r"video_\w+", asking.has_printed(r"video_\w+\n")[0])

    asking.kill()
    fetching = launch.python("-c", FETCHING, id_)

    assert fetching.ends() == 0, fetching.logged()
    assert fetching.said() == "completed 1\n"
    assert len(world.entries("film")) == 1
    taken = server.program.events("video.taken_over")
    assert [event["video"] for event in taken] in ([id_], [])


def test_a_killed_client_s_video_waits_for_the_next(
    launch: "Launcher", config: Path, world: "World", eventually: "Eventually"
) -> None:
    asking = launch.python("-c", ASKING)
    (id_,) = re.findall(r"video_\w+", asking.has_printed(r"video_\w+\n")[0])

    asking.kill()
    eventually(lambda: world.entries("film"))
    fetching = launch.python("-c", FETCHING, id_)

    assert fetching.ends() == 0, fetching.logged()
    assert fetching.said() == "completed 1\n"
    assert len(world.entries("film")) == 1
    assert config.exists()
