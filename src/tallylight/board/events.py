"""The events of the board, and their subscribers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from tallylight.model.evidence import Evidence
from tallylight.model.verdict import Transition


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """Our own network went down or came back."""

    at: datetime
    is_down: bool


BoardEvent = Transition | Evidence | NetworkChange


_Event = TypeVar("_Event")


class Subscribers(Generic[_Event]):
    """Queues of events; one that is not read loses its oldest events and delays no other."""

    def __init__(self, queue_length: int = 1000) -> None:
        self._queue_length = queue_length
        self._queues: set[asyncio.Queue[_Event]] = set()

    def __len__(self) -> int:
        return len(self._queues)

    def publish(self, event: _Event) -> None:
        """Put an event into every queue."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[asyncio.Queue[_Event]]:
        """Open a queue of events for the length of the block."""
        queue: asyncio.Queue[_Event] = asyncio.Queue(self._queue_length)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)
