"""Time limits of calls: the budget of a create, and a time-out that loses no answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

_LATE_SECONDS = 0.1
"""A time-out later than this says that the process stood still: stopped, suspended or busy."""

_READ_ON_SECONDS = 2.0
"""How long a process that stood still reads on; what it missed lies in the socket by then."""

_LONGEST_TIMER_SECONDS = 1.0
"""Timers stand still while the machine is suspended, so a limit is compared this often."""


class TooLateError(TimeoutError):
    """The time for the first byte of a request is over, and none was written."""


@dataclass(frozen=True, slots=True)
class SendBudget:
    """The time that a create may take, counted from before its intent was recorded.

    Args:
        begun: The start, in seconds of `Clock.boottime`.
        first_byte_within: From the start to the first byte that is written. Waiting for a slot,
            the name, TCP and TLS count. Afterwards nothing is written.
        answer_within: From the start to the end of the answer; of an answer that streams, to the
            end of its head. Afterwards no further byte of a long body is written.
        may_begin: Asked on the line before the first byte is written, if it is in time; False
            means that another process decides about the create by now.
    """

    begun: float
    first_byte_within: timedelta
    answer_within: timedelta
    may_begin: Callable[[], bool] = lambda: True

    @property
    def first_byte_by(self) -> float:
        """Return the end of the time for the first byte, in seconds of `Clock.boottime`."""
        return self.begun + self.first_byte_within.total_seconds()

    @property
    def answer_by(self) -> float:
        """Return the end of the time for the answer, in seconds of `Clock.boottime`."""
        return self.begun + self.answer_within.total_seconds()


@asynccontextmanager
async def time_limit(now: Callable[[], float], end: Callable[[], float]) -> AsyncIterator[None]:
    """Bound the time of a block.

    A process that stood still over the end has not yet read what arrived meanwhile, so the block
    then goes on for 2 s. A time-out of the HTTP client or of asyncio would discard the answer.

    Args:
        now: The seconds of a clock.
        end: When the block has to end, on that clock; asked anew each time that it is compared.

    Raises:
        TimeoutError: if the block was not over in time.
    """
    loop = asyncio.get_running_loop()
    left = end() - now()
    if left <= 0:
        async with asyncio.timeout(0):  # only what needs no waiting
            yield
        return
    has_read_on = False
    timer: asyncio.TimerHandle

    def compare() -> None:
        nonlocal timer, has_read_on
        left = end() - now()
        if left > 0:
            timer = loop.call_later(min(left, _LONGEST_TIMER_SECONDS), compare)
        elif left < -_LATE_SECONDS and not has_read_on:
            has_read_on = True
            timer = loop.call_later(_READ_ON_SECONDS, compare)
        else:
            scope.reschedule(loop.time())

    timer = loop.call_later(min(left, _LONGEST_TIMER_SECONDS), compare)
    try:
        async with asyncio.timeout(None) as scope:
            yield
    finally:
        timer.cancel()
