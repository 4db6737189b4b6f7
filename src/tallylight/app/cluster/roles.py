"""Judges or follows: one process of all that share a database judges, the others stand by."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Never

import structlog

from tallylight.app.cluster.leader_lock import Bench
from tallylight.app.cluster.read_only_storage import ReadOnly
from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.scheduler import every
from tallylight.storage.database import History

log = structlog.get_logger()

_TRY = timedelta(seconds=1)
"""So often does a follower try to become the judge, and the judge look whether it still is."""

_FOLLOW = timedelta(seconds=1)
_TICK = timedelta(seconds=5)
_AGREE = timedelta(minutes=5)
"""So often does a follower begin anew from what is stored: should it ever differ, then not long."""

_BEHIND = 15.0
"""A follower that has read nothing for so many seconds does not know what stands."""


class Roles:
    """Sees to it that this process does what its role asks."""

    def __init__(self, bench: Bench, board: Board, history: History, clock: Clock) -> None:
        self._bench = bench
        self._board = board
        self._history = history
        self._clock = clock
        self._followed_at = float("-inf")
        self._is_away = False

    @property
    def is_following(self) -> bool:
        """Tell whether what another process judges arrives here."""
        return self._clock.monotonic() - self._followed_at < _BEHIND

    async def run(self, judge: Callable[[], Awaitable[object]]) -> Never:
        """Judge while this process is the one to, else follow, for ever.

        Args:
            judge: What is to be done as long as it is.
        """
        while True:
            if not self._board.is_judge:
                await self._follow()
                await self._take_over()
            else:
                await self._judge(judge)
                await self._step_down()

    async def visit(self, help_out: Callable[[], Awaitable[None]]) -> None:
        """Follow for ever: a guest keeps nobody from judging, but for moments.

        Args:
            help_out: Is done now and then.
        """
        clock = self._clock
        async with asyncio.TaskGroup() as tasks:
            for interval, action, name in (
                (_FOLLOW, self._look, "board"),
                (_TICK, self._board.pass_time, "time"),
                (_AGREE, help_out, "standings"),
            ):
                tasks.create_task(every(interval, action, clock, name=name), name=name)

    async def _follow(self) -> None:
        """Follow until this process has become the one to judge."""
        clock = self._clock
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(every(interval, action, clock, name=name), name=name)
                for interval, action, name in (
                    (_FOLLOW, self._look, "board"),
                    (_TICK, self._board.pass_time, "time"),
                    (_AGREE, self._agree, "standings"),
                )
            ]
            while not await self._is_ours():
                await clock.sleep(_TRY)
            for task in work:
                task.cancel()

    async def _look(self) -> None:
        try:
            await self._board.follow()
        except StorageError as error:
            if not self._is_away:
                log.warning("board.behind", error=str(error))
            self._is_away = True
        else:
            self._followed_at, self._is_away = self._clock.monotonic(), False

    async def _agree(self) -> None:
        if not self._is_away:
            await self._board.change_role(ReadOnly(self._history), is_judge=False)

    async def _is_ours(self) -> bool:
        try:
            return await self._bench.take()
        except StorageError as error:
            log.debug("judge.untaken", error=str(error))
            return False

    async def _take_over(self) -> None:
        try:
            await self._board.change_role(self._history, is_judge=True)
        except StorageError as error:
            log.warning("judge.untaken", error=str(error))
            await self._bench.leave()
        else:
            log.info("role.judge")

    async def _judge(self, judge: Callable[[], Awaitable[object]]) -> None:
        """Judge until another process does."""
        async with asyncio.TaskGroup() as tasks:
            judging = tasks.create_task(_coroutine(judge), name="judge")
            while await self._bench.is_kept():
                await self._clock.sleep(_TRY)
            judging.cancel()

    async def _step_down(self) -> None:
        while self._board.is_judge:
            try:
                await self._board.change_role(ReadOnly(self._history), is_judge=False)
            except StorageError as error:
                log.warning("judge.waits", error=str(error))
                await self._clock.sleep(_TRY)
        await self._history.leave_to_others()
        log.warning("role.follower")


async def _coroutine(judge: Callable[[], Awaitable[object]]) -> None:
    await judge()
