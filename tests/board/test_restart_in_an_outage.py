"""A server that is restarted during an outage: nothing false is shown, and the outage stays one."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tallylight.board import Board
from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.storage.database import open_storage
from tallylight.verdicts.options import PolicyOptions
from tests.board.conftest import NOON
from tests.builders import service_named

SORA = ServiceId("sora")
MINUTE = timedelta(minutes=1)
SERVICE = service_named("sora")
RESTARTS = 50

MakeEvidence = Callable[..., Evidence]


class World:
    """One service that is asked each minute; the server between its restarts is `board`."""

    def __init__(self, board: Board, clock: VirtualClock, make_evidence: MakeEvidence) -> None:
        self.board, self._clock, self._make = board, clock, make_evidence

    def status(self) -> Status:
        return self.board.verdict(SORA).status

    async def ask(self, minutes: int, rule: str = "") -> set[Status]:
        """Ask each minute, and return every status that was shown."""
        shown = set()
        for _ in range(minutes):
            for _ in range(12):
                await self._clock.advance(timedelta(seconds=5))
                await self.board.advance_time()
                shown.add(self.status())
            await self.board.report(self._make(Source.REACH, rule=rule))
            shown.add(self.status())
        return shown

    async def deliver(self) -> None:
        for _ in range(4):
            await self._clock.advance(MINUTE)
            await self.board.report(self._make(Source.GENERATION, latency=timedelta(seconds=90)))


async def started(storage: object, clock: VirtualClock) -> Board:
    board = Board(storage, clock)  # type: ignore[arg-type]
    await board.apply_config([SERVICE], PolicyOptions())
    return board


async def test_no_restart_during_an_outage_shows_a_service_as_operational(
    file: Path, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    rng, url = random.Random(1), f"sqlite:///{file}"  # noqa: S311  # no secret
    false: list[int] = []
    moved: list[int] = []
    long_pauses = 0
    for number in range(RESTARTS):
        async with open_storage(url, clock) as storage:
            world = World(await started(storage, clock), clock, make_evidence)
            await world.deliver()
            await world.ask(5)
            assert world.status() is Status.OPERATIONAL
            await world.ask(rng.randint(4, 40), "status:5xx")
            assert world.status() is Status.SUSPENDED
            since = world.board.verdict(SORA).since
            await clock.advance(timedelta(seconds=rng.uniform(0, 60)))
        pause = timedelta(seconds=rng.uniform(20, 3600))
        long_pauses += pause > timedelta(minutes=4)
        await clock.advance(pause)
        async with open_storage(url, clock) as storage:
            world = World(await started(storage, clock), clock, make_evidence)
            shown = {world.status()} | await world.ask(6, "status:5xx")
            if Status.OPERATIONAL in shown:
                false.append(number)
            if world.board.verdict(SORA).since != since:
                moved.append(number)
            await world.ask(5)
            assert world.status() is Status.OPERATIONAL

    async with open_storage(url, clock) as storage:
        incidents = await storage.incidents(SORA, limit=2 * RESTARTS)
        intervals = (await storage.status_intervals([SORA], NOON, clock.now()))[SORA]
    unknown = [each for each in intervals if each.status is Status.UNKNOWN]

    assert (false, moved) == ([], [])
    assert len(incidents) == RESTARTS
    assert all(incident.ended_at is not None for incident in incidents)
    assert len(unknown) >= long_pauses > RESTARTS // 2


async def test_a_short_pause_leaves_no_trace_in_the_history(
    file: Path, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    url = f"sqlite:///{file}"
    async with open_storage(url, clock) as storage:
        world = World(await started(storage, clock), clock, make_evidence)
        await world.deliver()
        await world.ask(5, "status:5xx")
        before = world.board.verdict(SORA).since
    await clock.advance(timedelta(seconds=100))
    async with open_storage(url, clock) as storage:
        world = World(await started(storage, clock), clock, make_evidence)
        shown = {world.status()} | await world.ask(5, "status:5xx")
        intervals = (await storage.status_intervals([SORA], before, clock.now()))[SORA]

    assert shown == {Status.SUSPENDED}
    assert [each.status for each in intervals] == [Status.SUSPENDED]
