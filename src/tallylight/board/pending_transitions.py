"""Records every transition in storage once and in order.

An unreachable database must not stop the judge. Transitions that it misses wait here and are
recorded in order later. Until then no snapshot of their services is stored, so that a process that
dies in the meantime finds the transition again when it replays the evidence.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from tallylight.board.entry import ServiceEntry
from tallylight.board.storage_port import BoardStorage
from tallylight.errors import StorageError
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident, Transition
from tallylight.storage.transition_record import RetractedTransitions, TransitionRecord

log = structlog.get_logger()


class _Pending(NamedTuple):
    entry: ServiceEntry
    transition: Transition | None
    incident: Incident | None
    retracted: RetractedTransitions | None


class TransitionLog:
    """The transitions that are not yet recorded."""

    def __init__(self, storage: BoardStorage) -> None:
        self._storage = storage
        self._pending: deque[_Pending] = deque()
        self._in_flight = 0  # how many of these, from the left, are being recorded
        self._flush_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(
        self,
        entry: ServiceEntry,
        transition: Transition | None,
        incident: Incident | None,
        retracted: RetractedTransitions | None = None,
    ) -> None:
        """Queue what is to be recorded after all earlier changes (`TransitionRecord`)."""
        self._pending.append(_Pending(entry, transition, incident, retracted))

    def pending_services(self) -> frozenset[ServiceId]:
        """Return the services with a transition that is not yet recorded."""
        return frozenset(each.entry.service.id for each in self._pending)

    async def flush(self) -> None:
        """Record all pending transitions; those that the database misses stay for the next call."""
        if not self._pending:
            return
        task = asyncio.create_task(self._flush_all(), name="transition log")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Cancelling the caller, such as a probe, must not end a write halfway: its transitions
        # would be recorded twice.
        await asyncio.shield(task)

    async def _flush_all(self) -> None:
        async with self._flush_lock:
            while self._pending:
                try:
                    await self._storage.record_transitions(self._records)
                except StorageError as error:
                    pending = len(self._pending)
                    log.warning("transition.write_delayed", pending=pending, error=str(error))
                    return
                for _ in range(self._in_flight):
                    self._pending.popleft()

    def _records(self) -> Sequence[TransitionRecord]:
        """Return all pending transitions with the snapshots of the moment of writing.

        All at once, because a snapshot contains every transition of its service up to now: if they
        were recorded one by one, a process that dies between two would lose the later ones.
        """
        self._in_flight = len(self._pending)
        return [
            TransitionRecord(
                each.entry.service.id,
                each.transition,
                each.entry.dump_state(),
                each.incident,
                each.retracted,
            )
            for each in self._pending
        ]
