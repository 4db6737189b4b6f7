"""When to look at which service next: an alarm for each, the earliest first."""

import heapq
from collections.abc import Iterator
from datetime import datetime

from tallylight.model.ids import ServiceId

_MAX_STALE_ENTRIES = 64


class Timers:
    """One call a service; an earlier one takes the place of a later."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, ServiceId]] = []
        self._due_at: dict[ServiceId, datetime] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def schedule(self, id_: ServiceId, at: datetime) -> None:
        """See to it that a service is looked at then, if not earlier."""
        called = self._due_at.get(id_)
        if called is not None and called <= at:
            return
        self._due_at[id_] = at
        heapq.heappush(self._heap, (at, id_))
        if (
            len(self._heap) > 2 * len(self._due_at) + _MAX_STALE_ENTRIES
        ):  # calls that others took the place of
            self._heap = [(moment, name) for name, moment in self._due_at.items()]
            heapq.heapify(self._heap)

    def cancel(self, id_: ServiceId) -> None:
        """Take back the call of a service."""
        self._due_at.pop(id_, None)

    def due(self, now: datetime) -> Iterator[ServiceId]:
        """Yield the services whose time has come; each has to be called anew."""
        while self._heap and self._heap[0][0] <= now:
            at, id_ = heapq.heappop(self._heap)
            if self._due_at.get(id_) == at:
                del self._due_at[id_]
                yield id_
