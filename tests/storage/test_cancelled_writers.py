"""Writers that are cancelled in the middle of a transaction, at every moment of it."""

import asyncio
from datetime import timedelta

import pytest

from tallylight.clock import SystemClock, VirtualClock
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import open_storage

ONE, OTHER = ServiceId("one"), ServiceId("other")

_TURN = timedelta()
"""To sleep so long is to let the loop turn once."""


async def test_a_cancelled_writer_keeps_nobody_from_writing(
    address: str, clock: VirtualClock
) -> None:
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


async def test_whoever_looks_again_and_again_can_be_stopped_at_every_moment(
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
