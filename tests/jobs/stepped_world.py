"""Processes of the real program and simulated upstreams around one database.

Nothing happens by itself. `flow` lets calls happen and time pass; in between, a test may settle any
call otherwise, stop a process, kill it, or declare it dead.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from uuid import UUID

import pytest
import structlog
from structlog.typing import EventDict

from tallylight.errors import StorageError, TallylightError
from tallylight.gateway import creation
from tallylight.gateway.keys import Caller
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.model.ids import VideoId
from tests.jobs.stepped_calls import Call, CallFate, CallKind
from tests.jobs.stepped_loop import WorldTime
from tests.jobs.stepped_process import CREATE, Process
from tests.jobs.upstream_twins import UPSTREAMS, CreateAnswer, Twins
from tests.jobs.world_checks import Callers, Checks
from tests.jobs.world_database import Database

_MOST_CALLS = 500
"""More of them at one moment are an endless loop."""

_ids: Iterator[int] = count(1)


@contextmanager
def repeatable() -> Iterator[None]:
    """Number the ids of videos, and forget what is logged, as long as a block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(creation, "uuid4", lambda: UUID(int=next(_ids)))
        wrapper = structlog.make_filtering_bound_logger("error")
        structlog.configure(processors=[_note_defect], wrapper_class=wrapper)
        yield
        structlog.reset_defaults()


_defects: list[str] = []


def _note_defect(_: object, __: str, event: EventDict) -> EventDict:
    """Keep an error that the program logs: it goes on after a defect of its own.

    A task that could not read the database ends, and its video is followed again after a pause.
    """
    error = sys.exception()
    if not isinstance(error, StorageError):
        _defects.append(f"{event}: {error!r}")
    raise structlog.DropEvent


class World:
    """Processes, upstreams and callers around one database."""

    def __init__(self, database: Database) -> None:
        global _ids  # noqa: PLW0603  # the program asks for ids without saying who asks
        _ids = count(1)
        _defects.clear()
        database.clear()
        self.database = database
        self.time = WorldTime()
        self.twins = Twins(self.time)
        self.callers = Callers()
        self.checks = Checks(self.twins, self.callers)
        self.processes: list[Process] = []
        self.late: list[Callable[[], object]] = []
        self._numbers = count(1)

    @property
    def alive(self) -> list[Process]:
        """Return the processes that were not killed."""
        return [process for process in self.processes if not process.is_killed]

    @property
    def running(self) -> list[Process]:
        """Return the processes that can take a step."""
        return [process for process in self.processes if process.runs]

    @property
    def pending(self) -> list[tuple[Process, Call]]:
        """Return all calls that processes wait for."""
        return [(process, call) for process in self.alive for call in process.pending]

    def start_process(self) -> Process:
        """Start a process, which registers itself."""
        process = Process(next(self._numbers), self.time, self.database, self.twins)
        self.processes.append(process)
        process.beat()
        self.step(process, 20)
        return process

    def create(
        self, process: Process, caller: Caller, route: str, prompt: str, idempotency_key: str = ""
    ) -> None:
        """Ask a process for a video."""
        request = CreateRequest(
            model=route, prompt=prompt, fingerprint=prompt, idempotency_key=idempotency_key
        )
        if idempotency_key:
            self.callers.once.add(prompt)
        self.callers.granted[prompt] += 1
        process.do(f"{CREATE} {next(self._numbers)}", self._ask(process, request, caller))
        process.run()

    async def _ask(self, process: Process, request: CreateRequest, caller: Caller) -> None:
        try:
            video = await process.wiring.gateway.create(request, caller)
        except (ApiError, StorageError):
            self.callers.granted[request.prompt] -= 1
        else:
            self.callers.told.setdefault(video.id, video)

    def delete(self, process: Process, id_: VideoId, caller: Caller) -> None:
        """Delete a video that has ended."""

        async def delete() -> None:
            try:
                await process.wiring.gateway.delete(id_, caller)
            except (ApiError, StorageError):
                return

        self.callers.deleted.add(id_)
        process.do("delete", delete())
        process.run()

    # Calls, and what becomes of them.

    def settle(self, process: Process, call: Call, fate: CallFate) -> None:
        """Let a call happen or not, and let its process go on."""
        process.pending.remove(call)
        call.settle(fate)
        if fate is CallFate.LATE and call.kind is not CallKind.CONNECT:
            self.late.append(call.perform)
        process.run()

    def step(self, process: Process, calls: int) -> None:
        """Let some calls of a process happen, in their order."""
        process.run()
        for _ in range(calls):
            if not process.pending:
                return
            self.settle(process, process.pending[0], CallFate.HEARD)

    def land_late(self, index: int) -> None:
        """Let a call happen long after its process was told that it may have failed."""
        perform = self.late.pop(index)
        try:
            perform()
        except TallylightError:
            return  # the database refuses it: what was written since excludes it

    # Time.

    def wait(self, seconds: float) -> None:
        """Let time pass while no call gets through."""
        self._pass_time(seconds, self._nothing_flows)

    def flow(self, seconds: float) -> None:
        """Let time pass while all calls get through that are not held."""
        self._pass_time(seconds, self._let_one_through)

    def _pass_time(self, seconds: float, let_through: Callable[[], bool]) -> None:
        end = self.time.seconds + seconds
        calls = 0
        while True:
            for process in self.processes:
                process.run()
            if let_through():
                calls += 1
                assert calls < _MOST_CALLS, "processes do not come to rest"
                continue
            calls = 0
            timers = [process.loop.next_timer() for process in self.running]
            due = min((each for each in timers if each is not None), default=end)
            if due > end:
                break
            if due <= self.time.seconds >= end:
                break
            self._move_to(max(due, self.time.seconds))
        self._move_to(end)
        for process in self.processes:
            process.run()

    def _move_to(self, seconds: float) -> None:
        self.time.seconds = seconds
        self.twins.pass_time()

    @staticmethod
    def _nothing_flows() -> bool:
        return False

    def _let_one_through(self) -> bool:
        for process in self.running:
            for call in process.pending:
                if not call.is_held:
                    is_away = process.is_cut_off and call.kind.is_of_database
                    self.settle(process, call, CallFate.LOST if is_away else CallFate.HEARD)
                    return True
        return self.twins.answer_by_mood()

    # Processes.

    def kill(self, process: Process) -> None:
        """Kill a process; what it had asked for may happen nevertheless."""
        for call in process.kill():
            if call.kind is not CallKind.CONNECT:
                self.late.append(call.perform)

    def take_over(self, dead: Process, successor: Process) -> None:
        """Declare a process dead, which may be running, and let another one take over."""
        self.database.declare_dead(dead.liveness.name)
        successor.beat()
        successor.run()

    # Checks.

    def check(self) -> None:
        """Check what always holds."""
        assert not _defects, _defects
        self.checks.check(self.database.read(), self.time.now)

    def go_on_to_the_end(self) -> None:
        """Let everything go on without faults, and check how it ends."""
        for process in self.alive:
            process.is_stopped = process.is_cut_off = False
            for call in process.pending:
                call.is_held = False
        self.flow(0)
        for process in self.processes:
            if process.is_killed or process.is_closing:
                self.database.declare_dead(process.liveness.name)
        self.start_process()
        self.twins.moods = dict.fromkeys(UPSTREAMS, CreateAnswer.ACCEPT)
        for job in self.twins.jobs:
            job.is_forgotten = job.is_stuck = False
        owed = self.checks.owed(self.database.read(), self.time.now)
        for _ in range(70):
            for process in self.alive:
                process.beat()
            self.flow(20)
            self.check()
            if all(row.ended_at_us is not None for row in self.database.read().videos):
                break
        stored = self.database.read()
        senders = [process.calls for process in self.alive if not process.is_closing]
        self.checks.check_end(stored, self.database.assets.names, senders)
        completed = {row.id for row in stored.videos if row.status == "completed"}
        assert owed <= completed, "a video was made and not delivered"

    def close(self) -> None:
        """End all processes."""
        for process in self.alive:
            process.kill()
