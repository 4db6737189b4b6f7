"""`generate` as it is typed: progress, exit codes, the file, and what is left after Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve, World

Write = Callable[["Document"], Path]


@pytest.fixture
def document(document: "Document") -> "Document":
    """Return a configuration with one route over two services."""
    route = {"services": ["film", "relayed"], "explicit": True}
    return document | {"routes": {"boats": route}}


@pytest.fixture
def config(document: "Document", write: Write) -> Path:
    """Write it where the command looks for it."""
    return write(document)


def is_film(path: Path) -> bool:
    """Tell whether a file begins as an MP4 does."""
    return path.read_bytes()[4:8] == b"ftyp"


def test_a_video_is_made_and_saved_with_lines_of_its_progress(
    launch: "Launcher", config: Path, world: "World"
) -> None:
    program = launch("generate", "A paper boat", "--seconds", "4", "--out", "boat.mp4")

    assert program.ends() == 0
    assert program.said() == "boat.mp4\n"
    assert is_film(config.parent / "boat.mp4")
    lines = program.logged().splitlines()
    assert re.fullmatch(r"video_\w+ · queued · film · 0 %", lines[0])
    assert re.fullmatch(r"video_\w+ · completed · film · 100 %", lines[-2])
    assert lines[-1] == "1 attempt, $0.40"
    assert [entry["billed_usd"] for entry in world.entries("film")] == [0.4]


@pytest.mark.usefixtures("config")
def test_without_a_name_the_file_is_called_as_the_video_is(launch: "Launcher") -> None:
    program = launch("generate", "A paper boat", "--json")

    assert program.ends() == 0
    told = json.loads(program.said())
    assert (told["status"], told["error"], told["cost_usd"]) == ("completed", None, 0.4)
    assert told["file"] == f"{told['id']}.mp4"
    assert is_film(launch.folder / told["file"])


@pytest.mark.usefixtures("config")
def test_another_service_makes_it_where_the_first_refuses(
    launch: "Launcher", world: "World"
) -> None:
    world.order("film", {"status": "off"})

    program = launch("generate", "A paper boat", "--json", "--lang", "zh-Hant")

    assert program.ends() == 0
    told = json.loads(program.said())
    assert (told["service"], told["attempts"]) == ("relayed", 2)
    assert "已完成 · relayed · 第 2 次嘗試" in program.logged()


@pytest.mark.usefixtures("config")
def test_a_video_that_nobody_makes_is_exit_1(launch: "Launcher", world: "World") -> None:
    for service in ("film", "relayed"):
        world.order(service, {"status": "off"})

    program = launch("generate", "A paper boat", "--out", "boat.mp4")

    assert program.ends() == 1
    assert program.said() == ""
    assert "No service is left to make this." in program.logged()
    assert "Retry in " in program.logged()
    assert not (launch.folder / "boat.mp4").exists()


@pytest.mark.usefixtures("config")
def test_a_file_that_is_there_is_not_overwritten_unless_asked(
    launch: "Launcher", world: "World"
) -> None:
    boat = launch.folder / "boat.mp4"
    boat.write_text("mine", encoding="utf-8")

    refused = launch("generate", "A paper boat", "--out", "boat.mp4")
    assert refused.ends() == 2
    assert "boat.mp4 already exists; name another file or use --force" in refused.logged()
    assert boat.read_text(encoding="utf-8") == "mine"
    assert world.entries("film") == []

    forced = launch("generate", "A paper boat", "--out", "boat.mp4", "--force")
    assert forced.ends() == 0
    assert is_film(boat)


def test_a_video_whose_file_cannot_be_written_can_be_fetched_again(
    launch: "Launcher", config: Path, world: "World", eventually: "Eventually"
) -> None:
    world.order("film", {"fault": {"kind": "slow", "factor": 4}})

    program = launch("generate", "A paper boat", "--out", "file/boat.mp4")
    eventually(lambda: "queued" in program.logged())
    (config.parent / "file").write_text("no folder", encoding="utf-8")

    assert program.ends() == 1
    assert "cannot write " in program.logged()
    found = re.search(r"Fetch it with: .* generate --resume (\w+) --out ", program.logged())
    assert found is not None
    again = launch("generate", "--resume", found[1], "--out", "boat.mp4")
    assert again.ends() == 0
    assert is_film(config.parent / "boat.mp4")
    assert len(world.entries("film")) == 1


@pytest.mark.usefixtures("config")
def test_a_video_is_not_fetched_twice_into_the_same_file(launch: "Launcher") -> None:
    made = launch("generate", "A paper boat")
    assert made.ends() == 0
    file = made.said().strip()

    again = launch("generate", "--resume", file.removesuffix(".mp4"))

    assert again.ends() == 2
    assert f"{file} already exists; name another file or use --force" in again.logged()
    forced = launch("generate", "--resume", file.removesuffix(".mp4"), "--force")
    assert (forced.ends(), forced.said().strip()) == (0, file)


@pytest.mark.usefixtures("config")
def test_after_an_interruption_it_says_how_to_fetch_the_video(
    launch: "Launcher", world: "World", eventually: "Eventually"
) -> None:
    world.order("film", {"fault": {"kind": "slow", "factor": 4}})
    program = launch("generate", "A paper boat", "--out", "boat.mp4")
    eventually(lambda: "queued" in program.logged())

    program.process.send_signal(signal.SIGINT)

    assert program.ends() == 130
    assert "the service continues to generate video" in program.logged()
    found = re.search(r"Fetch it with: .* generate (--resume \w+ --out .*)", program.logged())
    assert found is not None
    again = launch("generate", *found[1].split())
    assert again.ends() == 0
    assert is_film(launch.folder / "boat.mp4")
    assert len(world.entries("film")) == 1


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a prompt or --resume ID"),
        (("a boat", "--resume", "video_1"), "give a prompt or --resume ID"),
        (("a boat", "--for", "budget", "--prefer", "official"), "exclude each other"),
        (("a boat", "--for", "haste"), "high_volume"),
        (("a boat", "--prefer", "haste"), "most_reliable"),
        (("a boat", "--model", "kites"), "No such route: kites. Known: boats"),
        (("caf\udce9",), "half a surrogate pair"),
        (("a boat", "--seconds", "7"), "film: cannot serve seconds 7; it takes 4, 8"),
        (("a boat", "--seconds", "8", "--size", "4x4"), "No service of 'boats' can do this."),
        (("a boat", "--size", "wide"), "WIDTHxHEIGHT"),
        (("a boat", "--reference", "nowhere.png"), "nowhere.png: there is no such file"),
        (("--resume", "video_nothing"), "'video_nothing' not found"),
        (("a boat", "--out", "."), "name another file"),
        (("a boat", "--out", "a" * 300), "File name too long"),
        (("a boat", "--out", "tallylight.yaml/a.mp4"), "Not a directory"),
    ],
)
def test_bad_usage_is_exit_2_and_costs_nothing(
    launch: "Launcher", world: "World", arguments: tuple[str, ...], said: str
) -> None:
    program = launch("generate", *arguments)

    assert program.ends() == 2
    assert said in program.logged()
    assert "Traceback" not in program.logged()
    assert program.said() == ""
    assert world.entries("film") == []


def test_of_several_routes_one_has_to_be_named(
    launch: "Launcher", document: "Document", write: Write
) -> None:
    write(document | {"routes": {"ships": {"services": ["film"]}, **document["routes"]}})

    program = launch("generate", "A paper boat")

    assert program.ends() == 2
    assert program.logged() == "name a model, one of: ships, boats\n"


@pytest.mark.usefixtures("config")
def test_on_a_terminal_it_draws_a_bar(launch: "Launcher") -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "tallylight", "generate", "A paper boat", "--out", "boat.mp4"]
    with subprocess.Popen(  # noqa: S603  # our own program
        command, cwd=launch.folder, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        drawn = _all_of(ours)
        assert process.stdout is not None
        assert process.stdout.read() == b"boat.mp4\n"

    assert process.returncode == 0
    assert "━" in drawn
    assert "100%" in drawn
    assert "completed · film" in drawn


def _all_of(terminal: int) -> str:
    """Return what is drawn on a terminal until nobody draws on it any more."""
    drawn = b""
    try:
        while piece := os.read(terminal, 4096):
            drawn += piece
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(terminal)
    return drawn.decode("utf-8", "replace")


def test_beside_a_server_it_works_and_the_server_hears_of_it(
    launch: "Launcher", document: "Document", serve: "Serve", eventually: "Eventually"
) -> None:
    still = {"reach": "off", "credentials": "off", "generation": "off"}
    server = serve(document | {"probes": still})

    program = launch("generate", "A paper boat", "--out", "boat.mp4")

    assert program.ends() == 0, program.logged()
    (heard,) = eventually(lambda: server.evidence("film", "traffic"))
    assert heard["good"]
    assert server.statuses()["film"] == "operational"
