"""What missing answers changed shortly before our own network was found down is taken back."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import select

from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.board import Board
from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Transition
from tallylight.storage.database import Storage
from tallylight.storage.tables import transitions_table
from tallylight.verdicts.judge import held
from tallylight.verdicts.options import PolicyOptions
from tests.board.conftest import NOON, MakeEvidence
from tests.builders import service_named

A = ServiceId("a")
SERVICES = [service_named(name, provider=name) for name in "abcd"]


class Line:
    """A board of four providers, and calls to them over one line."""

    def __init__(self, storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence) -> None:
        self.storage, self.clock, self.make_evidence = storage, clock, make_evidence
        self.board = Board(storage, clock)

    async def open(self) -> None:
        await self.board.apply_config(SERVICES, PolicyOptions())
        for name in "abcd":
            await self.board.report(
                self.make_evidence(Source.GENERATION, service=name, latency=timedelta(minutes=1))
            )
        await self.call("abcd")

    async def call(self, names: Iterable[str], missing: str = "") -> None:
        for name in names:
            await self.clock.advance(timedelta(seconds=2))
            rule = "exception:timeout" if name in missing else ""
            await self.board.report(self.make_evidence(Source.REACH, service=name, rule=rule))

    async def lose_a(self) -> None:
        """Let one service miss answers until it is called suspended."""
        for _ in range(12):
            if self.board.verdict(A).status is Status.SUSPENDED:
                return
            await self.call("abcd", missing="a")
        pytest.fail("it was never called suspended")

    async def lose_all(self) -> None:
        for _ in range(4):
            await self.call("bcda", missing="abcd")
        assert self.board.network_is_down

    async def transitions(self) -> tuple[Transition, ...]:
        return await self.storage.transitions(A, NOON - timedelta(days=1), self.clock.now())


@pytest.fixture
async def line(storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence) -> Line:
    line = Line(storage, clock, make_evidence)
    await line.open()
    return line


async def test_an_outage_that_was_our_own_network_never_was(line: Line) -> None:
    before = line.board.verdict(A)
    await line.lose_a()
    opened = await line.storage.incidents(A)
    await line.lose_all()

    assert [incident.service for incident in opened] == [A]
    assert line.board.verdict(A) == before
    assert line.board.open_incident(A) == ""
    assert await line.storage.incidents(A) == ()
    assert [each.after.status for each in await line.transitions()] == [Status.OPERATIONAL]
    spent = await line.storage.status_seconds([A], NOON, line.clock.now())
    assert set(spent[A]) == {Status.OPERATIONAL}


async def test_what_is_taken_back_stays_in_the_database(line: Line) -> None:
    await line.lose_a()
    await line.lose_all()

    query = select(transitions_table.c.after_status, transitions_table.c.retracted_at_us).where(
        transitions_table.c.service == A
    )
    async with line.storage.connections.read_transaction() as connection:
        rows = (await connection.execute(query.order_by(transitions_table.c.id))).all()

    assert [row.after_status for row in rows] == [Status.OPERATIONAL, Status.SUSPENDED]
    assert [row.retracted_at_us is not None for row in rows] == [False, True]


async def test_a_restart_keeps_what_was_taken_back(line: Line) -> None:
    await line.lose_a()
    await line.lose_all()
    state, policy = line.board.state(A)

    second = Board(line.storage, line.clock)
    await second.apply_config(SERVICES, PolicyOptions())

    assert second.state(A)[0] == held(state, line.clock.now(), policy)
    assert second.open_incident(A) == ""


async def test_a_follower_takes_back_what_the_leader_does(line: Line) -> None:
    follower = Board(ReadOnlyStorage(line.storage), line.clock, is_leader=False)
    await line.storage.flush()
    await follower.apply_config(SERVICES, PolicyOptions())
    await line.lose_a()
    await line.storage.flush()
    await follower.catch_up()
    seen = follower.verdict(A).status
    await line.lose_all()
    await line.storage.flush()
    await follower.catch_up()

    assert seen is Status.SUSPENDED
    assert follower.verdict(A) == line.board.verdict(A)


async def test_an_outage_of_more_than_two_minutes_before_stays(line: Line) -> None:
    await line.lose_a()
    for _ in range(20):
        await line.call("bcda", missing="a")
    await line.lose_all()

    assert line.board.verdict(A).status is Status.SUSPENDED
    assert len(await line.storage.incidents(A)) == 1


async def test_an_outage_that_another_process_has_seen_as_well_stays(line: Line) -> None:
    await line.lose_a()
    await line.board.apply(line.make_evidence(Source.REACH, service="a", rule="exception:timeout"))
    await line.lose_all()

    assert line.board.verdict(A).status is Status.SUSPENDED


async def test_an_outage_that_the_service_has_told_stays(line: Line) -> None:
    await line.call("abcd")
    for _ in range(12):
        await line.clock.advance(timedelta(seconds=2))
        await line.board.report(line.make_evidence(Source.REACH, service="a", rule="http:503"))
    assert line.board.verdict(A).status is not Status.OPERATIONAL
    told = line.board.verdict(A).status
    await line.lose_all()

    assert line.board.verdict(A).status is told


async def test_a_page_that_speaks_meanwhile_is_not_forgotten(line: Line) -> None:
    await line.lose_a()
    claim = Evidence(A, line.clock.now(), Source.FEED, claimed_status=Status.DEGRADED)
    await line.board.report(claim)
    await line.lose_all()

    assert line.board.state(A)[0].feed.claimed_status is Status.DEGRADED


async def test_a_service_that_is_silent_after_the_cut_as_well_is_called_so(line: Line) -> None:
    await line.lose_a()
    await line.lose_all()
    restored = line.board.verdict(A).status
    await line.call("bcd")
    await line.lose_a()

    assert restored is Status.OPERATIONAL
    assert len(await line.storage.incidents(A)) == 1
