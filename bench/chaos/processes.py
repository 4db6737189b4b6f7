"""Processes of tallylight: a simulator that keeps running, and a gateway that is killed."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Never

import requests

_START_TIMEOUT_S = 30.0
_POLL_INTERVAL_S = 0.02


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def fetch_json(url: str) -> Any:  # the simulator's JSON
    """Return the JSON of a URL of the simulator's live control."""
    return requests.get(url, timeout=30).json()


class Program:
    """A process of tallylight.

    Args:
        arguments: Arguments of `tallylight`.
        folder: Working directory, and folder of its output files.
        name: Base name of its output files.
    """

    def __init__(self, arguments: list[str], folder: Path, name: str) -> None:
        self.out = folder / f"{name}.out"
        with self.out.open("wb") as out, (folder / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tallylight", *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )

    def close(self) -> None:
        """Terminate the process."""
        self.end(signal.SIGTERM)

    def end(self, signal_: signal.Signals) -> None:
        """Send a signal, and kill the process if it does not end."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal_)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

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
    """`tallylight serve` at one address, which can be killed and restarted."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._program: Program | None = None
        self._is_expected = False

    def close(self) -> None:
        """Kill the process, if there is one."""
        if self._program is not None:
            self._program.end(signal.SIGKILL)

    async def start(self) -> None:
        """Start the process; return once it listens."""
        arguments = ["serve", "--json-logs", "--config", "tallylight.yaml"]
        self._program = program = Program(arguments, self._folder, "gateway")
        self._is_expected = True
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if program.process.poll() is not None:
                raise RuntimeError(f"the gateway ended by itself; see {self._folder}/gateway.log")
            with socket.socket() as client:
                if not client.connect_ex(("127.0.0.1", self._port)):
                    return
            await asyncio.sleep(_POLL_INTERVAL_S)  # noqa: TID251  # a process has no event to wait for
        raise RuntimeError("the gateway did not start to listen")

    async def watch(self) -> Never:
        """Raise an error if the process ends unexpectedly."""
        while True:
            await asyncio.sleep(1)  # noqa: TID251  # a process has no event to wait for
            ended = self._program is not None and self._program.process.poll() is not None
            if self._is_expected and ended:
                raise RuntimeError(f"the gateway ended by itself; see {self._folder}/gateway.log")

    def kill(self) -> None:
        """Kill the process."""
        self._is_expected = False
        if self._program is not None:
            self._program.end(signal.SIGKILL)

    async def stop(self) -> None:
        """Terminate the process and wait for its end."""
        self._is_expected = False
        if self._program is not None:
            await asyncio.to_thread(self._program.end, signal.SIGTERM)
