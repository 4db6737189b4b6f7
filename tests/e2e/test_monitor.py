"""The monitor in plain scripts, as a program of somebody else's uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, World

Write = Callable[["Document"], Path]

AS_DESIGNED = """\
from tallylight import Monitor

monitor = Monitor.from_config("tallylight.yaml", on_change=lambda transition: print(transition))
monitor.check("sora-2-official")
monitor.check_all()
print(monitor.summary())
monitor.uptime("sora-2-official", hours=24)
monitor.start(); monitor.stop(); monitor.export("history.json")
"""

TWICE = """\
from tallylight import Monitor

for _ in range(2):
    with Monitor.from_config("tallylight.yaml") as monitor:
        verdict = monitor.check("sora-2-official", depth="generation")
        print(verdict.status, verdict.reasons[0].code)
        print(monitor.uptime("sora-2-official", hours=1).outages)

    try:
        monitor.check("sora-2-official")
    except RuntimeError as error:
        print(error)
"""

WATCHING = """\
import sys, threading
from tallylight import Monitor

changed, seen = threading.Event(), []

def on_change(transition):
    seen.append(transition)
    print(monitor.verdicts()[transition.service].status, flush=True)  # it may ask in turn
    if len(seen) == 1:
        raise ValueError("a defect of the caller's")
    if (transition.service, transition.after.status) == ("streamed", "suspended"):
        changed.set()

monitor = Monitor.from_config("tallylight.yaml", on_change=on_change)
monitor.start()
monitor.start()
assert changed.wait(240)
monitor.stop()
monitor.stop()
monitor.export("history.csv")
for wrong in (lambda: monitor.check("nothing"), lambda: monitor.uptime("nothing")):
    try:
        wrong()
    except KeyError as error:
        print(error.args[0])
try:
    monitor.export("history.xml")
except ValueError as error:
    print(error)
try:
    monitor.check("sora-2-official", depth="deep")
except ValueError as error:
    print(error)
print("end")
"""

IN_A_LOOP = """\
import asyncio
from tallylight import AsyncMonitor

async def main():
    told = asyncio.Queue()
    async with AsyncMonitor.from_config("tallylight.yaml", on_change=told.put) as monitor:
        await monitor.start()
        transition = await asyncio.wait_for(told.get(), 60)
        print(transition.service, transition.after.status)
        print(await monitor.summary("zh-Hant"))
        await monitor.stop()
        await monitor.export("history.parquet")

asyncio.run(main())
"""

BROKEN = """\
from tallylight import Monitor
from tallylight.errors import ConfigurationError

try:
    Monitor.from_config("nowhere.yaml")
except ConfigurationError as error:
    print(error)
"""


@pytest.fixture
def config(document: "Document", write: Write) -> Path:
    """Write a tallylight.yaml with a service of the name that the examples use."""
    services = document["services"]
    services["sora-2-official"] = services.pop("film")
    return write(document)


def test_the_example_of_the_design_runs_as_it_is_written(config: Path, launch: "Launcher") -> None:
    program = launch.python("-c", AS_DESIGNED)

    assert program.ends() == 0
    assert program.logged() == ""
    assert "(sora-2-official) · " in program.said()
    exported = json.loads((config.parent / "history.json").read_text(encoding="utf-8"))
    assert {"reach", "credentials"} <= {row["source"] for row in exported["evidence"]}


def test_it_can_be_used_twice_in_a_program(config: Path, launch: "Launcher") -> None:
    program = launch.python("-c", TWICE)

    assert program.ends() == 0
    once = ["operational jobs_delivered", "0", "this monitor is closed"]
    assert program.said().splitlines() == once * 2
    assert program.logged() == ""
    assert config.exists()


def test_it_tells_of_changes_while_it_watches(
    config: Path, launch: "Launcher", world: "World", eventually: "Eventually"
) -> None:
    program = launch.python("-c", WATCHING)
    eventually(lambda: program.said().count("operational") == 3)  # one line for each service
    world.order("streamed", {"status": "off"})

    assert program.ends(within=300) == 0, program.logged()
    said = program.said().splitlines()
    assert {"operational", "suspended"} <= set(said)
    assert said[-5].startswith("No such service: nothing. Known: relayed")
    assert said[-4] == said[-5]
    assert said[-3].startswith("history.xml: the suffix must be one of .json")
    assert "'deep' is not a valid Depth" in said[-2]
    assert said[-1] == "end"
    assert "on_change.failed" in program.logged()
    assert "a defect of the caller's" in program.logged()
    assert (config.parent / "history-evidence.csv").stat().st_size > 0


def test_it_lives_in_an_event_loop_too(config: Path, launch: "Launcher") -> None:
    program = launch.python("-W", "error::ResourceWarning", "-c", IN_A_LOOP)

    assert program.ends() == 0, program.logged()
    assert "· 正常 ·" in program.said()
    assert (config.parent / "history-evidence.parquet").stat().st_size > 0
    assert program.logged() == ""


def test_a_configuration_that_is_not_there_is_told(launch: "Launcher") -> None:
    program = launch.python("-c", BROKEN)

    assert program.ends() == 0
    assert program.said() == "nowhere.yaml: there is no such file\n"


def test_beside_a_server_it_shows_its_rounds_and_records_none(
    config: Path, launch: "Launcher", eventually: "Eventually"
) -> None:
    server = launch("serve", "--json-logs", "--config", str(config))
    eventually(lambda: server.events("serving"))

    program = launch.python("-c", TWICE)

    assert program.ends() == 0, program.logged()
    assert "operational jobs_delivered" in program.said()
    assert server.process.poll() is None
