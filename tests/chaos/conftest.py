"""Runs a bench as a whole, and reads what it found."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_DEADLINE = 240.0

Bench = Callable[..., Any]


@pytest.fixture
def bench() -> Bench:
    """Return what runs a bench with options, and gives its findings."""

    def run(name: str, *options: str) -> Any:
        running = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", f"bench.{name}", "--json", *options],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = running.communicate(timeout=_DEADLINE)
        finally:
            with suppress(ProcessLookupError):  # whatever it has started ends with it
                os.killpg(running.pid, signal.SIGKILL)
        assert said, "it ended without a word; its standard error says why"
        return json.loads(said)

    return run
