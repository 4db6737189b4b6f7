"""When to act: work that repeats."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Never

import structlog

from tallylight.clock import Clock

log = structlog.get_logger()


async def every(
    interval: timedelta, action: Callable[[], Awaitable[None]], clock: Clock, *, name: str
) -> Never:
    """Run an action now and again after each interval, until cancelled.

    An action that fails is logged under its name and tried again at its next turn: a full disk at
    noon must not end the retention of the night.
    """
    while True:
        try:
            await action()
        except Exception:
            log.exception("schedule.failed", action=name)
        await clock.sleep(interval)
