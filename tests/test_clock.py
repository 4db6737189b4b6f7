from datetime import UTC, datetime, timedelta

from tallylight.clock import SystemClock, VirtualClock


def test_boottime_never_decreases() -> None:
    clock = SystemClock()

    readings = [clock.boottime() for _ in range(1000)]

    assert readings == sorted(readings)


async def test_boottime_of_a_virtual_clock_is_what_it_was_advanced() -> None:
    clock = VirtualClock(datetime(2026, 11, 22, tzinfo=UTC))
    begun = clock.boottime()

    await clock.advance(timedelta(minutes=5))

    assert clock.boottime() - begun == 300
