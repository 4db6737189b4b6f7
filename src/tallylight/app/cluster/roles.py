"""Leader or follower: of all processes that share a database one leads, the others follow."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Never

import structlog

from tallylight.app.cluster.leader_lock import LeaderLock
from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.scheduler import every
from tallylight.storage.database import Storage

log = structlog.get_logger()

_LEADER_RETRY_INTERVAL = timedelta(seconds=1)
"""How often a follower tries to become the leader, and the leader checks that it still leads."""

_FOLLOW_INTERVAL = timedelta(seconds=1)
_TICK = timedelta(seconds=5)
_RESYNC_INTERVAL = timedelta(minutes=5)
"""How often a follower reloads its board from storage, so that no difference lasts longer."""

_STALE_SECONDS = 15.0
"""A follower that has read no evidence for so many seconds does not know the current verdicts."""

_Action = Callable[[], Awaitable[None]]
_Work = Callable[[], Coroutine[object, object, object]]


class ClusterRole:
    """Leads or follows, and changes between both."""

    def __init__(
        self, leader_lock: LeaderLock, board: Board, history: Storage, clock: Clock
    ) -> None:
        self._leader_lock = leader_lock
        self._board = board
        self._history = history
        self._clock = clock
        self._last_read_at = float("-inf")
        self._is_database_unavailable = False

    @property
    def is_following(self) -> bool:
        """Tell whether the leader's evidence arrives here."""
        return self._clock.monotonic() - self._last_read_at < _STALE_SECONDS

    @property
    def is_shared(self) -> bool:
        """Tell whether several servers may share this database."""
        return self._leader_lock.is_shared

    async def run(self, lead: _Work) -> Never:
        """Lead while this process holds the leader lock, else follow, until cancelled.

        Args:
            lead: The work of the leader; it is cancelled when the lock is lost.
        """
        while True:
            if not self._board.is_leader:
                await self._follow()
                await self._become_leader()
            else:
                await self._lead(lead)
                await self._step_down()

    async def run_embedded(self, judge_once: _Action) -> None:
        """Follow until cancelled, and lead only for moments: a client must not stop a server."""
        async with asyncio.TaskGroup() as tasks:
            self._start_following(tasks, partial(self.lead_briefly, judge_once))

    async def lead_briefly(self, judge_once: _Action) -> None:
        """Lead for a moment, unless another process leads; a lock kept would stop its probes."""
        await self._history.forwarded_evidence.buffer.flush()
        if not await self._leader_lock.acquire():
            return
        try:
            await self._board.change_role(self._history, is_leader=True)
            await judge_once()
        finally:
            try:
                await self._board.change_role(ReadOnlyStorage(self._history), is_leader=False)
                await self._history.forward_buffered()
            finally:
                await self._leader_lock.release()

    def _start_following(
        self, tasks: asyncio.TaskGroup, resync: _Action
    ) -> list[asyncio.Task[None]]:
        return [
            tasks.create_task(every(interval, action, self._clock, name=name), name=name)
            for interval, action, name in (
                (_FOLLOW_INTERVAL, self._read_board, "board"),
                (_TICK, self._board.advance_time, "time"),
                (_RESYNC_INTERVAL, resync, "resync"),
            )
        ]

    async def _follow(self) -> None:
        """Follow until this process has acquired the leader lock."""
        async with asyncio.TaskGroup() as tasks:
            following = self._start_following(tasks, self._resync)
            while not await self._try_acquire():
                await self._clock.sleep(_LEADER_RETRY_INTERVAL)
            for task in following:
                task.cancel()

    async def _read_board(self) -> None:
        try:
            await self._board.catch_up()
        except StorageError as error:
            if not self._is_database_unavailable:
                log.warning("follower.stale", error=str(error))
            self._is_database_unavailable = True
        else:
            self._last_read_at = self._clock.monotonic()
            self._is_database_unavailable = False

    async def _resync(self) -> None:
        if not self._is_database_unavailable:
            await self._board.change_role(ReadOnlyStorage(self._history), is_leader=False)

    async def _try_acquire(self) -> bool:
        try:
            return await self._leader_lock.acquire()
        except StorageError as error:
            log.debug("leader.acquire_failed", error=str(error))
            return False

    async def _become_leader(self) -> None:
        try:
            await self._board.change_role(self._history, is_leader=True)
        except StorageError as error:
            log.warning("leader.acquire_failed", error=str(error))
            await self._leader_lock.release()
        else:
            log.info("role.leader")

    async def _lead(self, lead: _Work) -> None:
        """Lead until another process does."""
        async with asyncio.TaskGroup() as tasks:
            leading = tasks.create_task(lead(), name="leader")
            while await self._leader_lock.is_held():
                await self._clock.sleep(_LEADER_RETRY_INTERVAL)
            leading.cancel()

    async def _step_down(self) -> None:
        while self._board.is_leader:
            try:
                await self._board.change_role(ReadOnlyStorage(self._history), is_leader=False)
            except StorageError as error:
                log.warning("leader.step_down_failed", error=str(error))
                await self._clock.sleep(_LEADER_RETRY_INTERVAL)
        await self._history.forward_buffered()
        log.warning("role.follower")
