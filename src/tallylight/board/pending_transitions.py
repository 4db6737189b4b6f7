"""Tells the history of transitions: every one, once, in order.

A database that is away must not stop the judging. What it misses waits here and is told in order
later; until then no snapshot of its service is stored, so that a process that dies meanwhile finds
the transition again by folding the evidence once more.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from tallylight.board.storage_port import Archive
from tallylight.errors import StorageError
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident, Transition
from tallylight.storage.transition_record import TransitionRecord

log = structlog.get_logger()


class _Untold(NamedTuple):
    service: ServiceId
    transition: Transition | None
    standing: Callable[[], str]
    incident: Incident | None


class Chronicle:
    """The transitions that are not yet in the history."""

    def __init__(self, history: Archive) -> None:
        self._history = history
        self._untold: deque[_Untold] = deque()
        self._being_told = 0  # of these, from the left
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()

    def add(
        self,
        service: ServiceId,
        transition: Transition | None,
        standing: Callable[[], str],
        incident: Incident | None,
    ) -> None:
        """Take in a transition or the end of an incident, to be told after all before it."""
        self._untold.append(_Untold(service, transition, standing, incident))

    def awaits(self) -> frozenset[ServiceId]:
        """Return the services with a transition that is not yet told."""
        return frozenset(untold.service for untold in self._untold)

    async def tell(self) -> None:
        """Tell all that is not yet told; while the database is away it stays for the next time."""
        if not self._untold:
            return
        task = asyncio.create_task(self._tell_all(), name="chronicle")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        # A probe may be cancelled while it waits; what is half written would then be told twice.
        await asyncio.shield(task)

    async def _tell_all(self) -> None:
        async with self._turn:
            while self._untold:
                try:
                    await self._history.record(self._records)
                except StorageError as error:
                    waiting = len(self._untold)
                    log.warning("verdict.unrecorded", waiting=waiting, error=str(error))
                    return
                for _ in range(self._being_told):
                    self._untold.popleft()

    def _records(self) -> Sequence[TransitionRecord]:
        """Return all that waits, as it is at the moment of writing.

        All of it, since a snapshot holds every transition of its service up to now: were they told
        one by one, a process that dies between two would lose the later ones.
        """
        self._being_told = len(self._untold)
        return [
            TransitionRecord(each.service, each.transition, each.standing(), each.incident)
            for each in self._untold
        ]
