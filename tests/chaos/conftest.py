"""Runs a whole bench, and reads its results."""

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
    """Return a function that runs a bench with options and returns its results."""

    def run(name: str, *options: str) -> Any:
        running = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", f"bench.{name}", "--json", *options],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = running.communicate(timeout=_DEADLINE)
        finally:
            with suppress(ProcessLookupError):  # its child processes end with it
                os.killpg(running.pid, signal.SIGKILL)
        assert output, "the bench printed nothing; its standard error has the cause"
        return json.loads(output)

    return run
