"""The events of the board, and their subscribers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from tallylight.model.evidence import Evidence
from tallylight.model.verdict import Transition

_QUEUE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """Our own network went down or came back."""

    at: datetime
    is_down: bool


BoardEvent = Transition | Evidence | NetworkChange


class Subscribers:
    """Queues of events; one that is not read loses its oldest events and delays no other."""

    def __init__(self, queue_length: int = _QUEUE_LENGTH) -> None:
        self._queue_length = queue_length
        self._queues: set[asyncio.Queue[BoardEvent]] = set()

    def publish(self, event: BoardEvent) -> None:
        """Put an event into every queue."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[asyncio.Queue[BoardEvent]]:
        """Open a queue of events for the length of the block."""
        queue: asyncio.Queue[BoardEvent] = asyncio.Queue(self._queue_length)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)
