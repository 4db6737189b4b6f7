import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from tallylight.clock import VirtualClock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage, open_storage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora-2-official")
PIECE = Evidence(SORA, NOON, Source.REACH)


class BrokenClock(VirtualClock):
    """A clock whose `sleep` fails, as a defect of ours would."""

    async def sleep(self, duration: timedelta) -> None:
        """Fail."""
        raise ArithmeticError(f"the clock cannot sleep {duration}")


async def test_a_waiting_task_learns_at_once_that_evidence_is_no_longer_stored(
    address: str,
) -> None:
    with capture_logs() as logs:
        async with open_storage(address, BrokenClock(NOON)) as history:
            history.add_evidence(PIECE)
            async with asyncio.timeout(20):
                with pytest.raises(StorageError, match="no longer stored because of a defect"):
                    await history.wait_for_buffer()

    assert [entry["event"] for entry in logs] == ["storage.writer_failed"]
    assert "exc_info" in logs[0]


async def test_evidence_added_before_the_defect_is_stored_on_closing(
    address: str, clock: VirtualClock
) -> None:
    async with open_storage(address, BrokenClock(NOON)) as history:
        history.add_evidence(PIECE)
        with pytest.raises(StorageError):
            await history.wait_for_buffer()

    async with open_storage(address, clock) as history:
        assert await history.evidence(SORA, end=NOON + timedelta(seconds=1)) == (PIECE,)


async def test_a_cancelled_wait_does_not_end_the_buffer_task(history: Storage) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await history.wait_for_buffer()

    assert not history._buffer_task.done()
