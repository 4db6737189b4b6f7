"""Runs repeated work at intervals."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Never

import structlog

from tallylight.clock import Clock

log = structlog.get_logger()


async def every(
    interval: timedelta,
    action: Callable[[], Awaitable[object]],
    clock: Clock,
    *,
    name: str,
    delay: timedelta = timedelta(),
) -> Never:
    """Run an action after a delay and then after each interval, until cancelled.

    A failure is logged with the action's name, and the action runs again after the interval: a
    full disk at noon must not stop the retention at night.
    """
    if delay:
        await clock.sleep(delay)
    while True:
        try:
            await action()
        except Exception:
            log.exception("schedule.failed", action=name)
        await clock.sleep(interval)
