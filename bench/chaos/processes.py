"""Real processes of tallylight: a world that lives on, and a gateway that is killed."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Never, Self

import requests

_PATIENCE = 30.0
_LOOK = 0.02


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def fetched(url: str) -> Any:  # JSON of the world's control
    """Return what a page of the world's control says."""
    return requests.get(url, timeout=30).json()


class Program:
    """A process of tallylight that ends with its block.

    Args:
        arguments: Of `tallylight`.
        folder: Where it works, and where its output goes.
        name: Of the files of its output.
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(signal.SIGTERM)

    def end(self, by: signal.Signals) -> None:
        """End it by a signal, and if it does not obey, by another one."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(by)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    async def says(self, pattern: str) -> str:
        """Return what a pattern's group matches in its output, as soon as that is there."""
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends and self.process.poll() is None:
            found = re.search(pattern, self.out.read_text(encoding="utf-8"))
            if found:
                return found[1]
            await asyncio.sleep(_LOOK)  # noqa: TID251  # a process tells no event
        raise RuntimeError(f"{self.process.args!r} never said {pattern}")


class Gateway:
    """`tallylight serve` at one address, over and over again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._program: Program | None = None
        self._shall_run = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._program is not None:
            self._program.end(signal.SIGKILL)

    async def start(self) -> None:
        """Return once it listens."""
        arguments = ["serve", "--json-logs", "--config", "tallylight.yaml"]
        self._program = program = Program(arguments, self._folder, "gateway")
        self._shall_run = True
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends:
            if program.process.poll() is not None:
                raise RuntimeError(f"the gateway ended by itself; see {self._folder}/gateway.log")
            with socket.socket() as door:
                if not door.connect_ex(("127.0.0.1", self._port)):
                    return
            await asyncio.sleep(_LOOK)  # noqa: TID251  # a process tells no event
        raise RuntimeError("the gateway never listened")

    async def stands(self) -> Never:
        """Raise as soon as it ends by itself."""
        while True:
            await asyncio.sleep(1)  # noqa: TID251  # a process tells no event
            ended = self._program is not None and self._program.process.poll() is not None
            if self._shall_run and ended:
                raise RuntimeError(f"the gateway ended by itself; see {self._folder}/gateway.log")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._shall_run = False
        if self._program is not None:
            self._program.end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        self._shall_run = False
        if self._program is not None:
            await asyncio.to_thread(self._program.end, signal.SIGTERM)
