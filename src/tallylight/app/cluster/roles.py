"""Judges or follows: one process of all that share a database judges, the others stand by."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
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
"""So often does a follower try to become the judge, and the judge look whether it still is."""

_FOLLOW_INTERVAL = timedelta(seconds=1)
_TICK = timedelta(seconds=5)
_RESYNC_INTERVAL = timedelta(minutes=5)
"""So often does a follower begin anew from what is stored: should it ever differ, then not long."""

_STALE_SECONDS = 15.0
"""A follower that has read nothing for so many seconds does not know what stands."""


class ClusterRole:
    """Sees to it that this process does what its role asks."""

    def __init__(
        self, leader_lock: LeaderLock, board: Board, history: Storage, clock: Clock
    ) -> None:
        self._leader_lock = leader_lock
        self._board = board
        self._history = history
        self._clock = clock
        self._last_read_at = float("-inf")
        self._database_is_away = False

    @property
    def is_following(self) -> bool:
        """Tell whether what another process judges arrives here."""
        return self._clock.monotonic() - self._last_read_at < _STALE_SECONDS

    async def run(self, lead: Callable[[], Awaitable[object]]) -> Never:
        """Judge while this process is the one to, else follow, for ever.

        Args:
            judge: What is to be done as long as it is.
        """
        while True:
            if not self._board.is_leader:
                await self._follow()
                await self._become_leader()
            else:
                await self._lead(lead)
                await self._step_down()

    async def run_embedded(self, lead_briefly: Callable[[], Awaitable[None]]) -> None:
        """Follow for ever: a guest keeps nobody from judging, but for moments.

        Args:
            help_out: Is done now and then.
        """
        clock = self._clock
        async with asyncio.TaskGroup() as tasks:
            for interval, action, name in (
                (_FOLLOW_INTERVAL, self._read_board, "board"),
                (_TICK, self._board.advance_time, "time"),
                (_RESYNC_INTERVAL, lead_briefly, "standings"),
            ):
                tasks.create_task(every(interval, action, clock, name=name), name=name)

    async def _follow(self) -> None:
        """Follow until this process has become the one to judge."""
        clock = self._clock
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(every(interval, action, clock, name=name), name=name)
                for interval, action, name in (
                    (_FOLLOW_INTERVAL, self._read_board, "board"),
                    (_TICK, self._board.advance_time, "time"),
                    (_RESYNC_INTERVAL, self._resync, "standings"),
                )
            ]
            while not await self._try_acquire():
                await clock.sleep(_LEADER_RETRY_INTERVAL)
            for task in work:
                task.cancel()

    async def _read_board(self) -> None:
        try:
            await self._board.catch_up()
        except StorageError as error:
            if not self._database_is_away:
                log.warning("board.behind", error=str(error))
            self._database_is_away = True
        else:
            self._last_read_at, self._database_is_away = self._clock.monotonic(), False

    async def _resync(self) -> None:
        if not self._database_is_away:
            await self._board.change_role(ReadOnlyStorage(self._history), is_leader=False)

    async def _try_acquire(self) -> bool:
        try:
            return await self._leader_lock.acquire()
        except StorageError as error:
            log.debug("judge.untaken", error=str(error))
            return False

    async def _become_leader(self) -> None:
        try:
            await self._board.change_role(self._history, is_leader=True)
        except StorageError as error:
            log.warning("judge.untaken", error=str(error))
            await self._leader_lock.release()
        else:
            log.info("role.judge")

    async def _lead(self, lead: Callable[[], Awaitable[object]]) -> None:
        """Judge until another process does."""
        async with asyncio.TaskGroup() as tasks:
            judging = tasks.create_task(_coroutine(lead), name="judge")
            while await self._leader_lock.is_held():
                await self._clock.sleep(_LEADER_RETRY_INTERVAL)
            judging.cancel()

    async def _step_down(self) -> None:
        while self._board.is_leader:
            try:
                await self._board.change_role(ReadOnlyStorage(self._history), is_leader=False)
            except StorageError as error:
                log.warning("judge.waits", error=str(error))
                await self._clock.sleep(_LEADER_RETRY_INTERVAL)
        await self._history.forward_buffered()
        log.warning("role.follower")


async def _coroutine(lead: Callable[[], Awaitable[object]]) -> None:
    await lead()
