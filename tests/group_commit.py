"""Runs a storage's group commit, without which none of its batches is written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tallylight.storage.database import Storage


@asynccontextmanager
async def running_group_commit(history: Storage) -> AsyncIterator[None]:
    """Run it as long as a block lasts."""
    task = asyncio.create_task(history.group_commit.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
