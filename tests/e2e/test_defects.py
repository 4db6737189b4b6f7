"""A server whose own watching or storing dies by a defect does not linger."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from structlog.testing import capture_logs

from tallylight.app.serving import running_server
from tallylight.clock import SystemClock
from tallylight.config.settings import load_configuration
from tallylight.errors import TallylightError

if TYPE_CHECKING:
    from tests.e2e.conftest import Document

Write = Callable[["Document"], Path]


class BreakableClock(SystemClock):
    """The system's clock until it breaks: then some tasks cannot sleep any more.

    Args:
        breaks_for: Tells by its name whether a task is one of them.
    """

    def __init__(self, breaks_for: Callable[[str], bool]) -> None:
        self.is_broken = False
        self._breaks_for = breaks_for

    async def sleep(self, duration: timedelta) -> None:
        """Sleep, or fail as a defect does."""
        task = asyncio.current_task()
        if self.is_broken and task is not None and self._breaks_for(task.get_name()):
            raise ArithmeticError("the clock is broken")
        await super().sleep(duration)


@pytest.mark.parametrize(
    ("breaks_for", "event"),
    [
        (lambda task: task == "evidence buffer", "storage.writer_failed"),
        (lambda task: task != "evidence buffer", "server.failed"),
    ],
    ids=["what stores", "what watches"],
)
async def test_the_server_ends_and_says_which_task_failed(
    document: "Document", write: Write, breaks_for: Callable[[str], bool], event: str
) -> None:
    clock = BreakableClock(breaks_for)

    with capture_logs() as logs:
        async with (
            running_server(load_configuration(write(document)), clock) as served,
            aiohttp.ClientSession(served.address) as client,
        ):
            async with asyncio.timeout(180):
                while (await client.get("/readyz")).status != 200:
                    await SystemClock().sleep(timedelta(milliseconds=50))
            clock.is_broken = True
            async with asyncio.timeout(180):
                with pytest.raises(TallylightError, match="internal error"):
                    await served.run_until(asyncio.Event())
            answer = await client.get("/readyz")
            told = await answer.json()

    assert (answer.status, told["probes"]) == (503, "not running")
    failed = [entry for entry in logs if entry["event"] == "server.failed"]
    assert [entry["task"] for entry in failed] == ["monitor"]
    assert event in {entry["event"] for entry in logs}
