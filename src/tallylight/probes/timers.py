"""One timer for each service, in a heap by due time."""

import heapq
from collections.abc import Iterator
from datetime import datetime

from tallylight.model.ids import ServiceId

_MAX_STALE_ENTRIES = 64


class Timers:
    """The time at which to plan the probes of each service again.

    A replaced or cancelled entry stays in the heap until it is due or the heap is rebuilt.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, ServiceId]] = []
        self._due_at: dict[ServiceId, datetime] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def schedule(self, id_: ServiceId, at: datetime) -> None:
        """Set the timer of a service, unless it is due earlier already."""
        if (due_at := self._due_at.get(id_)) is not None and due_at <= at:
            return
        self._due_at[id_] = at
        heapq.heappush(self._heap, (at, id_))
        if len(self._heap) > 2 * len(self._due_at) + _MAX_STALE_ENTRIES:
            self._heap = [(due_at, id_) for id_, due_at in self._due_at.items()]
            heapq.heapify(self._heap)

    def cancel(self, id_: ServiceId) -> None:
        """Cancel the timer of a service."""
        self._due_at.pop(id_, None)

    def due(self, now: datetime) -> Iterator[ServiceId]:
        """Remove and yield the services whose timers are due."""
        while self._heap and self._heap[0][0] <= now:
            at, id_ = heapq.heappop(self._heap)
            if self._due_at.get(id_) == at:
                del self._due_at[id_]
                yield id_
