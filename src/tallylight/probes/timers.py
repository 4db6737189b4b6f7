"""When to look at which service next: an alarm for each, the earliest first."""

import heapq
from collections.abc import Iterator
from datetime import datetime

from tallylight.model.ids import ServiceId

_SLACK = 64


class Calls:
    """One call a service; an earlier one takes the place of a later."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, ServiceId]] = []
        self._called: dict[ServiceId, datetime] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def call(self, id_: ServiceId, at: datetime) -> None:
        """See to it that a service is looked at then, if not earlier."""
        called = self._called.get(id_)
        if called is not None and called <= at:
            return
        self._called[id_] = at
        heapq.heappush(self._heap, (at, id_))
        if len(self._heap) > 2 * len(self._called) + _SLACK:  # calls that others took the place of
            self._heap = [(moment, name) for name, moment in self._called.items()]
            heapq.heapify(self._heap)

    def forget(self, id_: ServiceId) -> None:
        """Take back the call of a service."""
        self._called.pop(id_, None)

    def due(self, now: datetime) -> Iterator[ServiceId]:
        """Yield the services whose time has come; each has to be called anew."""
        while self._heap and self._heap[0][0] <= now:
            at, id_ = heapq.heappop(self._heap)
            if self._called.get(id_) == at:
                del self._called[id_]
                yield id_
