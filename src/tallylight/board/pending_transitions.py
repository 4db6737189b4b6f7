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

from tallylight.board.storage_port import BoardStorage
from tallylight.errors import StorageError
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident, Transition
from tallylight.storage.transition_record import TransitionRecord

log = structlog.get_logger()


class _PendingTransition(NamedTuple):
    service: ServiceId
    transition: Transition | None
    dump_state: Callable[[], str]
    incident: Incident | None


class TransitionLog:
    """The transitions that are not yet in the history."""

    def __init__(self, storage: BoardStorage) -> None:
        self._storage = storage
        self._pending: deque[_PendingTransition] = deque()
        self._in_flight = 0  # of these, from the left
        self._flush_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(
        self,
        service: ServiceId,
        transition: Transition | None,
        dump_state: Callable[[], str],
        incident: Incident | None,
    ) -> None:
        """Take in a transition or the end of an incident, to be told after all before it."""
        self._pending.append(_PendingTransition(service, transition, dump_state, incident))

    def pending_services(self) -> frozenset[ServiceId]:
        """Return the services with a transition that is not yet told."""
        return frozenset(untold.service for untold in self._pending)

    async def flush(self) -> None:
        """Tell all that is not yet told; while the database is away it stays for the next time."""
        if not self._pending:
            return
        task = asyncio.create_task(self._flush_all(), name="chronicle")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A probe may be cancelled while it waits; what is half written would then be told twice.
        await asyncio.shield(task)

    async def _flush_all(self) -> None:
        async with self._flush_lock:
            while self._pending:
                try:
                    await self._storage.record_transitions(self._records)
                except StorageError as error:
                    waiting = len(self._pending)
                    log.warning("verdict.unrecorded", waiting=waiting, error=str(error))
                    return
                for _ in range(self._in_flight):
                    self._pending.popleft()

    def _records(self) -> Sequence[TransitionRecord]:
        """Return all that waits, as it is at the moment of writing.

        All of it, since a snapshot holds every transition of its service up to now: were they told
        one by one, a process that dies between two would lose the later ones.
        """
        self._in_flight = len(self._pending)
        return [
            TransitionRecord(each.service, each.transition, each.dump_state(), each.incident)
            for each in self._pending
        ]
