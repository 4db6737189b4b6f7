"""Writers that are cancelled at any moment of a transaction."""

import asyncio
from datetime import timedelta

import pytest

from tallylight.clock import SystemClock, VirtualClock
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import open_storage

ONE, OTHER = ServiceId("one"), ServiceId("other")

_TURN = timedelta()
"""A sleep of this length lets the event loop run once."""


async def test_a_cancelled_writer_does_not_block_others(address: str, clock: VirtualClock) -> None:
    async with open_storage(address, clock) as history:

        async def write() -> None:
            while True:
                history.add_evidence(Evidence(ONE, clock.now(), Source.REACH))
                await history.save_snapshots(lambda: {ONE: "{}"})

        for turns in range(60):
            writers = [asyncio.create_task(write()) for _ in range(3)]
            for _ in range(turns):
                await SystemClock().sleep(_TURN)
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
            await history.save_snapshots(lambda: {OTHER: "{}"})

        assert OTHER in await history.snapshots()


async def test_a_repeated_read_can_be_cancelled_at_any_moment(
    address: str, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def look() -> None:
        while True:
            async with open_storage(address, clock) as history:
                await history.snapshots()

    for turns in range(0, 2400, 12):
        looking = asyncio.create_task(look())
        for _ in range(turns):
            await SystemClock().sleep(_TURN)
        looking.cancel()
        await asyncio.wait((looking,), timeout=10)

        assert looking.cancelled(), turns
    assert caplog.text == ""
