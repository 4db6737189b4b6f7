"""A follower computes the states of the leader, and can replace it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Transition
from tallylight.storage.database import Storage, open_storage
from tallylight.verdicts.options import PolicyOptions
from tests.builders import service_named

SORA = ServiceId("sora")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SYNC_DELAY = timedelta(seconds=10)
REPLICATION_DELAY = timedelta(seconds=5)
SUSPENDED = Failure(
    FailureKind.SUSPENDED, Fault.UPSTREAM, "code:paused", "paused", names_state=True
)
OVERLOADED = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "code:overloaded", http_status=503)


class Pair:
    """A leader and a follower on one database."""

    def __init__(self, storage: Storage, clock: VirtualClock, url: str = "") -> None:
        self.url = url
        self.storage = storage
        self.clock = clock
        self.leader = Board(storage, clock)
        self.follower = Board(ReadOnlyStorage(storage), clock, is_leader=False)

    async def synchronize(self) -> None:
        """Exchange all evidence between the two."""
        await self.storage.forwarded_evidence.buffer.flush()
        await self.storage.forwarded_evidence.consume(self.leader.apply)
        await self.storage.flush()
        await self.clock.advance(SYNC_DELAY)
        await self.leader.advance_time()
        await self.clock.advance(REPLICATION_DELAY)  # a follower lets silence count that much later
        await self.follower.catch_up()
        await self.follower.advance_time()

    async def recorded(self) -> tuple[Transition, ...]:
        """Return all recorded transitions."""
        end = self.clock.now() + timedelta(days=1)
        return await self.storage.transitions(SORA, NOON - timedelta(days=1), end)


@pytest.fixture
async def pair(storage: Storage, clock: VirtualClock, file: Path) -> Pair:
    pair = await configured_pair(storage, clock, service_named("sora"))
    pair.url = f"sqlite:///{file}"
    return pair


async def configured_pair(storage: Storage, clock: VirtualClock, service: Service) -> Pair:
    pair = Pair(storage, clock)
    for board in (pair.leader, pair.follower):
        await board.apply_config([service], PolicyOptions())
    return pair


def evidence_now(clock: VirtualClock, source: Source, failure: Failure | None = None) -> Evidence:
    took = timedelta(seconds=60) if failure is None else None
    return Evidence(SORA, clock.now(), source, failure=failure, latency=took)


async def deliver(board: Board, clock: VirtualClock) -> None:
    for _ in range(2):
        await clock.advance(timedelta(minutes=1))
        await board.report(evidence_now(clock, Source.TRAFFIC))


async def test_a_follower_announces_the_transitions_of_the_leader(pair: Pair) -> None:
    async with pair.follower.subscribe() as events:
        await deliver(pair.leader, pair.clock)
        await pair.synchronize()

        events_seen = [events.get_nowait() for _ in range(events.qsize())]

    assert [type(event) for event in events_seen].count(Transition) == 1
    assert pair.follower.verdict(SORA) == pair.leader.verdict(SORA)
    assert pair.follower.verdict(SORA).status is Status.OPERATIONAL
    assert pair.follower.latest_evidence(SORA, Source.TRAFFIC) == events_seen[-1]


async def test_local_evidence_counts_on_a_follower_at_once_and_once_in_total(pair: Pair) -> None:
    await deliver(pair.follower, pair.clock)
    at_once = pair.follower.verdict(SORA).status
    await pair.synchronize()

    assert at_once is Status.OPERATIONAL
    assert len(await pair.storage.evidence(SORA)) == 2
    assert pair.follower.state(SORA) == pair.leader.state(SORA)
    assert [turn.after.status for turn in await pair.recorded()] == [Status.OPERATIONAL]


async def test_local_evidence_that_the_leader_never_stores_expires(pair: Pair) -> None:
    await pair.follower.report(
        evidence_now(pair.clock, Source.REACH, OVERLOADED)
    )  # it is not passed on

    await pair.clock.advance(timedelta(minutes=3))
    await pair.synchronize()

    assert pair.follower.state(SORA)[0] == pair.leader.state(SORA)[0]


async def test_a_new_leader_records_nothing_twice(pair: Pair) -> None:
    await deliver(pair.leader, pair.clock)
    await pair.synchronize()
    (recorded,) = await pair.recorded()

    await pair.follower.change_role(pair.storage, is_leader=True)
    while pair.follower.verdict(SORA).status is Status.OPERATIONAL:
        await pair.clock.advance(timedelta(minutes=1))
        await pair.follower.report(evidence_now(pair.clock, Source.TRAFFIC, OVERLOADED))

    first, second = await pair.recorded()
    assert first == recorded
    assert second.before.status is Status.OPERATIONAL
    assert second.after == pair.follower.verdict(SORA)


async def test_a_new_leader_records_what_the_dead_leader_could_not(pair: Pair) -> None:
    await deliver(pair.leader, pair.clock)
    await pair.storage.flush()
    async with open_storage(pair.url, pair.clock) as other:
        board = Board(ReadOnlyStorage(other), pair.clock, is_leader=False)
        await board.apply_config([service_named("sora")], PolicyOptions())
        for _ in range(9):  # noted by the leader, which dies before it has judged
            await pair.clock.advance(timedelta(minutes=1))
            pair.storage.add_evidence(evidence_now(pair.clock, Source.TRAFFIC, OVERLOADED))
        await pair.storage.flush()

        await board.change_role(other, is_leader=True)

    first, second = await pair.recorded()
    assert first.after.status is Status.OPERATIONAL
    assert second.after.status is board.verdict(SORA).status


async def test_a_leader_that_steps_down_forwards_its_evidence(pair: Pair) -> None:
    await pair.leader.change_role(ReadOnlyStorage(pair.storage), is_leader=False)
    await pair.follower.change_role(pair.storage, is_leader=True)
    pair.leader, pair.follower = pair.follower, pair.leader

    await deliver(pair.follower, pair.clock)
    await pair.synchronize()

    assert pair.leader.verdict(SORA).status is Status.OPERATIONAL
    assert len(await pair.recorded()) == 1


async def test_evidence_that_waits_while_the_leader_steps_down_is_forwarded(pair: Pair) -> None:
    async with pair.leader._role.entries[SORA].lock:
        reporting = asyncio.create_task(
            pair.leader.report(evidence_now(pair.clock, Source.TRAFFIC))
        )
        await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop
        await pair.leader.change_role(ReadOnlyStorage(pair.storage), is_leader=False)

    await reporting

    await pair.follower.change_role(pair.storage, is_leader=True)
    pair.leader, pair.follower = pair.follower, pair.leader
    await pair.synchronize()
    assert len(await pair.storage.evidence(SORA)) == 1
    assert pair.follower.state(SORA) == pair.leader.state(SORA)


async def test_a_leader_that_is_asked_to_catch_up_keeps_its_state(pair: Pair) -> None:
    await deliver(pair.leader, pair.clock)
    await pair.storage.flush()
    await pair.follower.change_role(pair.storage, is_leader=True)
    await deliver(pair.follower, pair.clock)
    await pair.storage.flush()
    before = pair.follower.state(SORA)

    await pair.follower.catch_up()

    assert pair.follower.state(SORA) == before


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("leader", "follower")),
        st.sampled_from((Source.REACH, Source.ACCEPTANCE, Source.TRAFFIC)),
        st.sampled_from((None, None, SUSPENDED, OVERLOADED)),
        st.integers(0, 7200),
    ),
    max_size=12,
)


@given(STEPS)
@settings(max_examples=25)
async def test_leader_and_follower_have_the_same_state_under_any_evidence(
    new_file: Callable[[], Path],
    steps: list[tuple[str, Source, Failure | None, int]],
) -> None:
    clock = VirtualClock(NOON)
    async with open_storage(f"sqlite:///{new_file()}", clock) as storage:
        pair = await configured_pair(storage, clock, service_named("sora"))
        for who, source, failure, seconds in steps:
            board = pair.leader if who == "leader" or source is Source.REACH else pair.follower
            await board.report(evidence_now(clock, source, failure))
            await pair.synchronize()
            await clock.advance(timedelta(seconds=seconds))
            await pair.synchronize()

            assert pair.follower.state(SORA) == pair.leader.state(SORA)
