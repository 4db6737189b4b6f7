"""Commands on the past know a service that was removed; those on the present say that it was."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tallylight.board import Board
from tallylight.cli.shared import application
from tallylight.client.async_monitor import AsyncMonitor
from tallylight.clock import SystemClock, VirtualClock
from tallylight.config.settings import load_configuration
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import open_storage
from tallylight.verdicts.options import PolicyOptions
from tests.builders import service_named

CONFIGURATION = """\
upstreams: {{u: {{provider: saygm, base_url: "https://u.example"}}}}
services: {{s: {{upstream: u, model: minimax/h3}}}}
database: {{url: "sqlite:///{}/history.db"}}
"""
OLD = ServiceId("old-film")
PAUSED = Failure(FailureKind.SUSPENDED, Fault.UPSTREAM, "code:paused", "paused", names_state=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration from which a service was removed an hour ago, while it was down."""
    folder = tmp_path_factory.mktemp("removed")
    (folder / "tallylight.yaml").write_text(CONFIGURATION.format(folder), encoding="utf-8")
    asyncio.run(_monitor_and_remove(f"sqlite:///{folder}/history.db"))
    return folder / "tallylight.yaml"


async def _monitor_and_remove(address: str) -> None:
    clock = VirtualClock(SystemClock().now() - timedelta(hours=3))
    async with open_storage(address, clock) as history:
        board = Board(history, clock)
        await board.apply_config([service_named(OLD)], PolicyOptions())
        await board.report(Evidence(OLD, clock.now(), Source.GENERATION))
        for _ in range(2):
            await clock.advance(timedelta(hours=1))
            await board.report(Evidence(OLD, clock.now(), Source.GENERATION, failure=PAUSED))
        await board.apply_config([service_named("s")], PolicyOptions())


def run(file: Path, *words: str) -> Result:
    return CliRunner().invoke(application, [*words, "--config", str(file), "--lang", "en"])


def test_uptime_counts_until_the_removal(file: Path) -> None:
    (uptime,) = json.loads(run(file, "uptime", OLD, "--json").stdout)

    assert (round(uptime["up_s"] / 60), uptime["outages"]) == (60, 1)
    assert round(uptime["down_s"] / 60) == 60


async def test_the_library_counts_as_the_command_does(file: Path) -> None:
    async with AsyncMonitor(load_configuration(file, {})) as monitor:
        uptime = await monitor.uptime(OLD)
        with pytest.raises(KeyError, match="Did you mean old-film"):
            await monitor.uptime("old-fim")
        with pytest.raises(KeyError, match="No such service: old-film"):
            await monitor.check(OLD)

    assert (uptime.outages, round(uptime.down / timedelta(minutes=1))) == (1, 60)


def test_an_open_incident_ended_with_the_removal(file: Path) -> None:
    (incident,) = json.loads(run(file, "incidents", OLD, "--json").stdout)

    assert incident["ended_at"] is not None


def test_its_history_is_exported(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "old.json"

    assert run(file, "export", OLD, "--out", str(out)).exit_code == 0

    assert len(json.loads(out.read_text(encoding="utf-8"))["evidence"]) == 3


@pytest.mark.parametrize("command", ["status", "check", "watch"])
def test_commands_on_the_present_say_that_it_was_removed(file: Path, command: str) -> None:
    refused = run(file, command, OLD)

    assert refused.exit_code == 2
    assert "old-film was removed from the configuration on" in " ".join(refused.stderr.split())


def test_an_id_that_never_was_is_refused_with_the_nearest(file: Path) -> None:
    refused = run(file, "incidents", "old-flim")

    assert refused.exit_code == 2
    assert "No such service: old-flim. Did you mean old-film?" in refused.stderr
