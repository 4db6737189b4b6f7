"""A server whose clock was a year ahead goes on with the right time once it is set."""

import asyncio
import json
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tallylight.app import runtime
from tallylight.app.serving import serve_until
from tallylight.client.async_monitor import AsyncMonitor
from tallylight.clock import SystemClock
from tallylight.config.settings import Configuration
from tallylight.storage import host_clocks
from tallylight.storage.options import RetentionOptions
from tests.servers import serving

YEAR = timedelta(days=365)
CONFIGURATION = """\
upstreams: {{u: {{provider: saygm, base_url: "http://{host}/v1"}}}}
services: {{s: {{upstream: u, model: minimax/h3}}}}
probes: {{reach: 1s, credentials: off, generation: off}}
status: {{listen: "127.0.0.1:0"}}
database: {{url: "sqlite:///{folder}/history.db", retention: {{trust_clock: true}}}}
"""


class SteppingClock(SystemClock):
    """The clock of a machine that can be set."""

    ahead = YEAR

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """Give the address of an upstream that answers."""
    app = web.Application()
    async with serving(app) as host:
        yield host


def microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6)


@pytest.fixture
def configuration(
    load: Callable[..., Configuration], tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> Configuration:
    monkeypatch.setattr(runtime, "_CLOCK_INTERVAL", timedelta(seconds=0.2))
    return load(CONFIGURATION.format(host=host, folder=tmp_path))


@pytest.fixture
def ids(tmp_path: Path) -> Callable[[], list[int]]:
    """Return a function that reads when each piece of evidence was recorded, oldest first."""

    def ids() -> list[int]:
        with (
            suppress(sqlite3.OperationalError),  # the server has yet to make the table
            closing(sqlite3.connect(tmp_path / "history.db")) as database,
        ):
            return [row[0] for row in database.execute("SELECT id FROM evidence ORDER BY id")]
        return []

    return ids


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.to_thread(condition)


def is_now(ids: list[int]) -> bool:
    """Tell whether some evidence was recorded, and none of it in the future."""
    return bool(ids) and ids[-1] < microseconds(SystemClock().now() + timedelta(minutes=1))


async def test_a_restart_with_the_right_time_sets_the_future_aside_where_no_host_has_another_clock(
    configuration: Configuration, ids: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_clocks, "_PATIENCE", 0.5)
    clock = SteppingClock()
    await served_until(configuration, clock, lambda: bool(ids()))
    ahead, clock.ahead = ids(), timedelta()
    configuration = replace(configuration, retention=RetentionOptions())  # nobody vouches for it

    await served_until(configuration, clock, lambda: is_now(ids()))

    assert ahead[-1] > microseconds(SystemClock().now() + YEAR / 2)
    assert is_now(ids())


async def served_until(
    configuration: Configuration, clock: SystemClock, condition: Callable[[], bool]
) -> None:
    """Run a server until a condition holds."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_until(stop, asyncio.Event(), configuration, None, clock))
        await until(condition)
        stop.set()


async def test_a_step_back_while_it_runs_sets_the_future_aside_once(
    configuration: Configuration, ids: Callable[[], list[int]], tmp_path: Path
) -> None:
    clock, stop = SteppingClock(), asyncio.Event()
    configuration = replace(configuration, retention=RetentionOptions())  # nobody vouches for it
    with capture_logs() as logs:

        def events(name: str) -> int:
            return sum(log["event"] == name for log in logs)

        server = asyncio.create_task(serve_until(stop, asyncio.Event(), configuration, None, clock))
        await until(lambda: events("serving") == 1)
        await until(lambda: len(ids()) >= 2)
        assert ids()[0] > microseconds(SystemClock().now() + YEAR / 2)

        clock.ahead = timedelta()
        await until(lambda: events("serving") == 2)
        await until(lambda: len(ids()) >= 2)  # the probes go on by the right time
        stop.set()
        await server

    assert is_now(ids())
    assert (events("clock.was_ahead"), events("server.opens_anew")) == (1, 1)
    with closing(sqlite3.connect(tmp_path / "history.db")) as database:
        ((state,),) = database.execute("SELECT state FROM state_snapshots")
    assert datetime.fromisoformat(json.loads(zlib.decompress(state))["at"]) <= SystemClock().now()


async def test_the_library_goes_on_as_well(
    configuration: Configuration, ids: Callable[[], list[int]]
) -> None:
    clock = SteppingClock()
    async with AsyncMonitor(configuration, clock=clock) as monitor:
        await monitor.start()
        await until(lambda: bool(ids()))

        clock.ahead = timedelta()
        await until(lambda: is_now(ids()))
        verdicts = await monitor.verdicts()

    assert verdicts["s"].since <= SystemClock().now()
