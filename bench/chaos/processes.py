"""Processes of tallylight: a simulator that keeps running, and gateways that are killed."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Never

import requests

_START_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.02

_UNSTORED_S = 3.0
"""An answer that came this long before a kill may not have been stored."""

_PATIENCE_S = 100.0
"""Less than the time that another replica waits for the answer to a create, 125 s."""


class ImpossibleHereError(Exception):
    """A trouble cannot be made on this machine; the message says what it needs."""


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def fetch_json(url: str) -> Any:  # the simulator's JSON
    """Return the JSON of a URL of the simulator's live control."""
    response = await asyncio.to_thread(requests.get, url, timeout=60)
    return response.json()


class Program:
    """A process of tallylight.

    Args:
        arguments: Arguments of `tallylight`.
        folder: Working directory, and folder of its output files.
        name: Base name of its output files.
        environment: Variables in addition to the bench's own.
        prefix: A command that runs it as its arguments.
    """

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        name: str,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.out = folder / f"{name}.out"
        with self.out.open("wb") as out, (folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tallylight", *arguments],
                cwd=folder,
                env={**os.environ, **(environment or {})},  # noqa: TID251  # a child's environment
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )

    async def aclose(self) -> None:
        """Terminate the process."""
        await self.end(signal.SIGTERM)

    async def end(self, signal_: signal.Signals) -> None:
        """Send a signal, and kill the process if it does not end."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal_)
        try:
            await asyncio.to_thread(self.process.wait, 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)

    async def wait_for_output(self, pattern: str) -> str:
        """Wait until a pattern matches the output; return its first group."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            match = re.search(pattern, self.out.read_text(encoding="utf-8"))
            if match:
                return match[1]
            await asyncio.sleep(_POLL_INTERVAL_S)  # noqa: TID251  # a process has no event to wait for
        raise RuntimeError(f"{self.process.args!r} did not print {pattern}")


class Gateway:
    """`tallylight serve` at one address, which can be stopped, killed and restarted.

    Args:
        folder: Folder of its configuration, `{name}.yaml`, and of its log.
        name: Its name.
        port: Where it listens.
        environment: Variables in addition to the bench's own.
        prefix: A command that runs it as its arguments.

    Attributes:
        deaf: Stretches of Unix time whose answers it may not have heard, or not stored: before
            each kill, and over each stop that is longer than others wait for an answer.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        port: int,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.address = f"http://127.0.0.1:{port}"
        self.deaf: list[tuple[float, float]] = []
        self._folder = folder
        self._environment = environment
        self._prefix = prefix
        self._program: Program | None = None
        self._is_expected = False
        self._suspended_at = 0.0

    @property
    def log(self) -> str:
        """Return what it has logged so far, over all its processes."""
        return (self._folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")

    async def aclose(self) -> None:
        """Kill the process, if there is one."""
        self._is_expected = False
        if self._program is not None:
            await self._program.end(signal.SIGKILL)

    async def start(self) -> None:
        """Start the process; return once it serves: it listens before its database is open."""
        served = self._times_served()
        arguments = ["serve", "--json-logs", "--config", f"{self.name}.yaml"]
        self._program = Program(arguments, self._folder, self.name, self._environment, self._prefix)
        self._is_expected = True
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            self._check_running()
            if self._times_served() > served:
                return
            await asyncio.sleep(_POLL_INTERVAL_S)  # noqa: TID251  # a process has no event to wait for
        raise RuntimeError(f"{self.name} did not start to serve")

    async def watch(self) -> Never:
        """Raise an error if the process ends unexpectedly."""
        while True:
            await asyncio.sleep(1)  # noqa: TID251  # a process has no event to wait for
            self._check_running()

    def _times_served(self) -> int:
        log = self._folder / f"{self.name}.log"
        return self.log.count('"event": "serving"') if log.exists() else 0

    def _check_running(self) -> None:
        ended = self._program is not None and self._program.process.poll() is not None
        if self._is_expected and ended:
            raise RuntimeError(f"{self.name} ended by itself; see {self._folder}/{self.name}.log")

    async def kill(self) -> None:
        """Kill the process by SIGKILL."""
        self._is_expected = False
        if self._program is not None:
            self.deaf.append((_now() - _UNSTORED_S, _now()))
            await self._program.end(signal.SIGKILL)

    async def stop(self) -> None:
        """Terminate the process and wait for its end."""
        self._is_expected = False
        if self._program is not None:
            await self._program.end(signal.SIGTERM)

    def suspend(self) -> None:
        """Stop the process by SIGSTOP."""
        self._suspended_at = _now()
        if self._program is not None:
            self._program.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a stopped process go on."""
        if self._program is not None:
            self._program.process.send_signal(signal.SIGCONT)
        if _now() - self._suspended_at > _PATIENCE_S:
            self.deaf.append((self._suspended_at - _UNSTORED_S, _now()))


def _now() -> float:
    return time.time()  # noqa: TID251  # compared with the simulator's times
