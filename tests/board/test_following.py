"""A board that follows comes to what the judge comes to, and can take its place."""

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

SORA = ServiceId("sora")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
A_WHILE = timedelta(seconds=10)
REPLICATION_DELAY = timedelta(seconds=5)
SUSPENDED = Failure(
    FailureKind.SUSPENDED, Fault.UPSTREAM, "code:paused", "paused", names_state=True
)
OVERLOADED = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "code:overloaded", http_status=503)

MakeService = Callable[..., Service]


class Pair:
    """A board that judges and one that follows it, on one history."""

    def __init__(self, history: Storage, clock: VirtualClock, address: str = "") -> None:
        self.address = address
        self.history = history
        self.clock = clock
        self.judge = Board(history, clock)
        self.follower = Board(ReadOnlyStorage(history), clock, is_leader=False)

    async def agree(self) -> None:
        """Let what one knows reach the other."""
        await self.history.forwarded_evidence.buffer.flush()
        await self.history.forwarded_evidence.consume(self.judge.apply)
        await self.history.flush()
        await self.clock.advance(A_WHILE)
        await self.judge.advance_time()
        await self.clock.advance(REPLICATION_DELAY)  # a follower lets silence count that much later
        await self.follower.catch_up()
        await self.follower.advance_time()

    async def recorded(self) -> tuple[Transition, ...]:
        """Return all transitions in the history."""
        end = self.clock.now() + timedelta(days=1)
        return await self.history.transitions(SORA, NOON - timedelta(days=1), end)


@pytest.fixture
async def pair(
    history: Storage, clock: VirtualClock, make_service: MakeService, file: Path
) -> Pair:
    pair = await seated(history, clock, make_service())
    pair.address = f"sqlite:///{file}"
    return pair


async def seated(history: Storage, clock: VirtualClock, service: Service) -> Pair:
    pair = Pair(history, clock)
    for board in (pair.judge, pair.follower):
        await board.apply_config([service], PolicyOptions())
    return pair


def seen(clock: VirtualClock, source: Source, failure: Failure | None = None) -> Evidence:
    took = timedelta(seconds=60) if failure is None else None
    return Evidence(SORA, clock.now(), source, failure=failure, latency=took)


async def deliver(board: Board, clock: VirtualClock) -> None:
    for _ in range(2):
        await clock.advance(timedelta(minutes=1))
        await board.report(seen(clock, Source.TRAFFIC))


async def test_a_follower_announces_what_the_judge_found(pair: Pair) -> None:
    async with pair.follower.subscribe() as events:
        await deliver(pair.judge, pair.clock)
        await pair.agree()

        told = [events.get_nowait() for _ in range(events.qsize())]

    assert [type(event) for event in told].count(Transition) == 1
    assert pair.follower.verdict(SORA) == pair.judge.verdict(SORA)
    assert pair.follower.verdict(SORA).status is Status.OPERATIONAL
    assert pair.follower.latest_evidence(SORA, Source.TRAFFIC) == told[-1]


async def test_what_a_follower_meets_counts_there_at_once_and_once_in_all(pair: Pair) -> None:
    await deliver(pair.follower, pair.clock)
    at_once = pair.follower.verdict(SORA).status
    await pair.agree()

    assert at_once is Status.OPERATIONAL
    assert len(await pair.history.evidence(SORA)) == 2
    assert pair.follower.state(SORA) == pair.judge.state(SORA)
    assert [turn.after.status for turn in await pair.recorded()] == [Status.OPERATIONAL]


async def test_what_the_judge_never_hears_of_is_forgotten(pair: Pair) -> None:
    await pair.follower.report(seen(pair.clock, Source.REACH, OVERLOADED))  # it is not passed on

    await pair.clock.advance(timedelta(minutes=3))
    await pair.agree()

    assert pair.follower.state(SORA)[0] == pair.judge.state(SORA)[0]


async def test_who_takes_over_records_what_was_not_and_nothing_twice(pair: Pair) -> None:
    await deliver(pair.judge, pair.clock)
    await pair.agree()
    (recorded,) = await pair.recorded()

    await pair.follower.change_role(pair.history, is_leader=True)
    while pair.follower.verdict(SORA).status is Status.OPERATIONAL:
        await pair.clock.advance(timedelta(minutes=1))
        await pair.follower.report(seen(pair.clock, Source.TRAFFIC, OVERLOADED))

    first, second = await pair.recorded()
    assert first == recorded
    assert second.before.status is Status.OPERATIONAL
    assert second.after == pair.follower.verdict(SORA)


async def test_who_takes_over_records_what_its_dead_judge_could_not(
    pair: Pair, make_service: MakeService
) -> None:
    await deliver(pair.judge, pair.clock)
    await pair.history.flush()
    async with open_storage(pair.address, pair.clock) as other:
        board = Board(ReadOnlyStorage(other), pair.clock, is_leader=False)
        await board.apply_config([make_service()], PolicyOptions())
        for _ in range(9):  # noted by the judge, which dies before it has judged
            await pair.clock.advance(timedelta(minutes=1))
            pair.history.add_evidence(seen(pair.clock, Source.TRAFFIC, OVERLOADED))
        await pair.history.flush()

        await board.change_role(other, is_leader=True)

    first, second = await pair.recorded()
    assert first.after.status is Status.OPERATIONAL
    assert second.after.status is board.verdict(SORA).status


async def test_a_judge_that_steps_down_passes_on_what_it_meets(pair: Pair) -> None:
    await pair.judge.change_role(ReadOnlyStorage(pair.history), is_leader=False)
    await pair.follower.change_role(pair.history, is_leader=True)
    pair.judge, pair.follower = pair.follower, pair.judge

    await deliver(pair.follower, pair.clock)
    await pair.agree()

    assert pair.judge.verdict(SORA).status is Status.OPERATIONAL
    assert len(await pair.recorded()) == 1


async def test_evidence_that_waits_while_the_judge_steps_down_is_passed_on(pair: Pair) -> None:
    async with pair.judge._role.entries[SORA].lock:
        reporting = asyncio.create_task(pair.judge.report(seen(pair.clock, Source.TRAFFIC)))
        await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop
        await pair.judge.change_role(ReadOnlyStorage(pair.history), is_leader=False)

    await reporting

    await pair.follower.change_role(pair.history, is_leader=True)
    pair.judge, pair.follower = pair.follower, pair.judge
    await pair.agree()
    assert len(await pair.history.evidence(SORA)) == 1
    assert pair.follower.state(SORA) == pair.judge.state(SORA)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("judge", "follower")),
        st.sampled_from((Source.REACH, Source.ACCEPTANCE, Source.TRAFFIC)),
        st.sampled_from((None, None, SUSPENDED, OVERLOADED)),
        st.integers(0, 7200),
    ),
    max_size=12,
)


@given(STEPS)
@settings(max_examples=25)
async def test_judge_and_follower_stand_alike_whatever_either_meets(
    new_file: Callable[[], Path],
    make_service: MakeService,
    steps: list[tuple[str, Source, Failure | None, int]],
) -> None:
    clock = VirtualClock(NOON)
    async with open_storage(f"sqlite:///{new_file()}", clock) as history:
        pair = await seated(history, clock, make_service())
        for who, source, failure, seconds in steps:
            board = pair.judge if who == "judge" or source is Source.REACH else pair.follower
            await board.report(seen(clock, source, failure))
            await pair.agree()
            await clock.advance(timedelta(seconds=seconds))
            await pair.agree()

            assert pair.follower.state(SORA) == pair.judge.state(SORA)
