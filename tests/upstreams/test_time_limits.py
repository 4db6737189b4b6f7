import asyncio

import pytest

from tallylight.upstreams import time_limits
from tallylight.upstreams.time_limits import time_limit


class Instants:
    """A clock that shows each of its instants once, and the last one for ever."""

    def __init__(self, *instants: float) -> None:
        self._instants = instants
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        return self._instants[min(self.readings, len(self._instants)) - 1]


@pytest.fixture(autouse=True)
def short_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "_LONGEST_TIMER_SECONDS", 0.001)
    monkeypatch.setattr(time_limits, "_READ_ON_SECONDS", 0.001)


async def test_a_block_that_is_over_in_time_is_left_alone() -> None:
    now = Instants(0.0, 10.0)

    async with time_limit(now, lambda: 10.0):
        pass

    await asyncio.sleep(0.01)  # noqa: TID251  # longer than its timer
    assert now.readings == 1


async def test_a_block_ends_once_its_time_is_over() -> None:
    now = Instants(0.0, 9.0, 10.0)

    with pytest.raises(TimeoutError):
        async with time_limit(now, lambda: 10.0):
            await asyncio.Event().wait()

    assert now.readings == 3


async def test_a_time_out_that_comes_late_gives_the_block_one_more_while() -> None:
    now = Instants(0.0, 3600.0)

    with pytest.raises(TimeoutError):
        async with time_limit(now, lambda: 10.0):
            await asyncio.Event().wait()

    assert now.readings == 3


async def test_a_block_that_begins_too_late_may_do_what_needs_no_waiting() -> None:
    async with time_limit(lambda: 11.0, lambda: 10.0):
        pass

    with pytest.raises(TimeoutError):
        async with time_limit(lambda: 11.0, lambda: 10.0):
            await asyncio.Event().wait()


async def test_an_end_that_moves_is_followed() -> None:
    ends = Instants(1.0, 10.0)
    now = Instants(0.0, 5.0, 10.0)

    with pytest.raises(TimeoutError):
        async with time_limit(now, ends):
            await asyncio.Event().wait()

    assert now.readings == 3
