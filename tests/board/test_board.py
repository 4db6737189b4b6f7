"""Evidence in, verdict out, transition recorded and announced."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tallylight.board import Board, BoardEvent, NetworkChange
from tallylight.catalogue.services import Service
from tallylight.clock import VirtualClock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, FailureKind, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Transition
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.transition_record import TransitionRecord
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.snapshot import load_state

SORA = ServiceId("sora")
MINUTE = timedelta(minutes=1)

MakeService = Callable[..., Service]
Say = Callable[..., Evidence]


class Killed(BaseException):
    """Ends a board as the end of its process would: nothing is written any more."""


class Fickle:
    """A history whose database is away while a test says so, or which sees few writes more."""

    def __init__(self, history: Storage) -> None:
        self._history = history
        self.is_away = False
        self.writes: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def add_evidence(self, piece: Evidence) -> None:
        self._history.add_evidence(piece)

    async def record_transitions(self, records: Callable[[], Sequence[TransitionRecord]]) -> None:
        self._check()
        await self.gate.wait()
        await self._history.record_transitions(records)

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        self._check()
        await self._history.save_snapshots(snapshot)

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        return await self._history.snapshots()

    def replay(
        self, services: Collection[ServiceId], cursors: Mapping[ServiceId, int], since: datetime
    ) -> AsyncIterator[EvidenceRecord]:
        return self._history.replay(services, cursors, since)

    async def evidence_after(self, mark: int) -> Sequence[EvidenceRecord]:
        return await self._history.evidence_after(mark)

    async def latest_cursor(self) -> int:
        return await self._history.latest_cursor()

    async def open_incidents(self) -> Sequence[Incident]:
        return await self._history.open_incidents()

    def _check(self) -> None:
        if self.is_away:
            raise StorageError("database: away")
        if self.writes is not None:
            if not self.writes:
                raise Killed
            self.writes -= 1


def drained(events: asyncio.Queue[BoardEvent]) -> list[BoardEvent]:
    return [events.get_nowait() for _ in range(events.qsize())]


async def recorded(history: Storage, clock: VirtualClock) -> tuple[Transition, ...]:
    return await history.transitions(None, clock.now() - timedelta(days=9), clock.now() + MINUTE)


async def fail(board: Board, clock: VirtualClock, say: Say, times: int = 4) -> None:
    for _ in range(times):
        await clock.advance(MINUTE)
        await board.report(say(Source.GENERATION, rule="code:overloaded"))


async def deliver(board: Board, clock: VirtualClock, say: Say, times: int = 4) -> None:
    for _ in range(times):
        await clock.advance(MINUTE)
        await board.report(say(Source.GENERATION, latency=timedelta(seconds=90)))


async def test_evidence_is_announced_before_the_transition_that_it_causes(
    board: Board, history: Storage, clock: VirtualClock, say: Say
) -> None:
    async with board.subscribe() as events:
        await deliver(board, clock, say, 1)

        told = drained(events)

    assert [type(event) for event in told] == [Evidence, Transition]
    assert (await recorded(history, clock)) == tuple(told[1:])
    assert board.verdict(SORA).status is Status.OPERATIONAL


async def test_a_transition_is_durable_before_anyone_sees_it_or_hears_of_it(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    fickle = Fickle(history)
    board = Board(fickle, clock)
    await board.apply_config([make_service()], PolicyOptions())
    fickle.gate.clear()
    async with board.subscribe() as events:
        reporting = asyncio.create_task(board.report(say(Source.GENERATION)))
        await clock.advance(MINUTE)

        before = drained(events)
        seen = board.verdict(SORA).status
        fickle.gate.set()
        await reporting
        after = drained(events)

    assert [type(event) for event in before] == [Evidence]
    assert seen is Status.UNKNOWN
    assert [type(event) for event in after] == [Transition]
    assert board.verdict(SORA).status is Status.OPERATIONAL


async def test_whoever_sleeps_loses_the_oldest_only(
    board: Board, clock: VirtualClock, say: Say
) -> None:
    async with board.subscribe() as events:
        for _ in range(1010):
            await clock.advance(timedelta(seconds=1))
            await board.report(say(Source.REACH))

        kept = [event for event in drained(events) if isinstance(event, Evidence)]

    assert len(kept) == 1000
    assert kept[-1].at == clock.now()
    assert kept[0].at == clock.now() - timedelta(seconds=999)


async def test_a_database_that_was_away_loses_no_transition(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    fickle = Fickle(history)
    board = Board(fickle, clock)
    await board.apply_config([make_service()], PolicyOptions())
    fickle.is_away = True
    async with board.subscribe() as events:
        await deliver(board, clock, say)
        await fail(board, clock, say)
        await deliver(board, clock, say)
        while_away = await recorded(history, clock)
        fickle.is_away = False
        await board.advance_time()

        told = [event for event in drained(events) if isinstance(event, Transition)]

    assert while_away == ()
    assert len(told) >= 3
    assert (await recorded(history, clock)) == tuple(told)


async def test_a_process_that_dies_while_the_database_is_away_keeps_its_chain(
    history: Storage, file: Path, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    fickle = Fickle(history)
    board = Board(fickle, clock)
    await board.apply_config([make_service()], PolicyOptions())
    await deliver(board, clock, say)
    await board.save_snapshots()
    fickle.is_away = True
    await fail(board, clock, say)
    fickle.is_away = False
    fickle.gate.clear()  # the transition is being told as the snapshots are stored
    telling = asyncio.create_task(board.advance_time())
    await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop
    await board._role.save_snapshots()
    telling.cancel()

    async with open_storage(f"sqlite:///{file}", clock) as again:
        other = Board(again, clock)
        await other.apply_config([make_service()], PolicyOptions())
        chain = await recorded(again, clock)

    assert other.verdict(SORA).status is board.verdict(SORA).status
    assert [t.after.status for t in chain] == [Status.OPERATIONAL, board.verdict(SORA).status]
    fickle.gate.set()


async def test_transitions_that_waited_are_stored_together_with_the_standing_that_holds_them(
    history: Storage, file: Path, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    """Or a process that dies between the first and the second would lose the second."""
    fickle = Fickle(history)
    board = Board(fickle, clock)
    await board.apply_config([make_service()], PolicyOptions())
    fickle.is_away = True
    await deliver(board, clock, say)
    await fail(board, clock, say)
    stands = board.state(SORA)[0].verdict.status
    fickle.is_away = False
    fickle.writes = 1  # and then the process dies
    with pytest.raises(Killed):
        await board.save_snapshots()

    async with open_storage(f"sqlite:///{file}", clock) as again:
        other = Board(again, clock)
        await other.apply_config([make_service()], PolicyOptions())
        chain = await recorded(again, clock)

    assert stands is not Status.OPERATIONAL
    assert [t.after.status for t in chain] == [Status.OPERATIONAL, stands]
    assert other.verdict(SORA).status is stands


async def test_whoever_is_cancelled_leaves_no_transition_half_told(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    fickle = Fickle(history)
    board = Board(fickle, clock)
    await board.apply_config([make_service()], PolicyOptions())
    await clock.advance(MINUTE)
    fickle.gate.clear()
    reporting = asyncio.create_task(board.report(say(Source.GENERATION)))
    await clock.advance(MINUTE)
    reporting.cancel()
    fickle.gate.set()
    await board.save_snapshots()

    assert [t.after.status for t in await recorded(history, clock)] == [Status.OPERATIONAL]


async def test_a_job_that_stalls_everywhere_is_not_our_own_network(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    board = Board(history, clock)
    await board.apply_config([make_service(name, name) for name in "abc"], PolicyOptions())

    for name in "abc":
        await clock.advance(timedelta(seconds=1))
        await board.report(
            say(Source.GENERATION, service=name, rule="job:stalled", http_status=None)
        )

    assert not board.network_is_down


async def test_unrelated_providers_failing_together_freeze_the_verdicts(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    board = Board(history, clock)
    await board.apply_config([make_service(name, name) for name in "abcd"], PolicyOptions())
    for name in "abcd":
        await board.report(say(Source.GENERATION, service=name, latency=MINUTE))
    async with board.subscribe() as events:
        for _ in range(20):
            for name in "abcd":
                await clock.advance(timedelta(seconds=15))
                await board.report(say(Source.REACH, service=name, rule="exception:name"))
        frozen = {verdict.status for verdict in board.verdicts().values()}
        await clock.advance(timedelta(days=1))
        await board.advance_time()
        kept = {verdict.status for verdict in board.verdicts().values()}
        await board.report(say(Source.REACH, service="a"))

        changes = [event for event in drained(events) if isinstance(event, NetworkChange)]

    assert frozen == kept == {Status.OPERATIONAL}
    assert [change.is_down for change in changes] == [True, False]


async def test_one_provider_alone_is_its_own_trouble(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    board = Board(history, clock)
    services = [make_service("a", "a"), make_service("b", "b"), make_service("c", "c")]
    await board.apply_config(services, PolicyOptions())

    for _ in range(5):
        await clock.advance(timedelta(seconds=15))
        await board.report(say(Source.REACH, service="a", rule="exception:name"))
        await board.report(say(Source.REACH, service="b"))

    assert board.verdict(ServiceId("a")).status is Status.SUSPENDED


async def test_what_a_feed_said_before_a_restart_is_remembered(
    board: Board, history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    await deliver(board, clock, say, 2)
    until = clock.now() + timedelta(hours=2)
    told = say(Source.FEED, claimed_status=Status.MAINTENANCE, until=until, note="Upgrade")
    await board.report(told)
    await board.save_snapshots()

    again = Board(history, clock)
    await again.apply_config([make_service()], PolicyOptions())

    assert again.latest_evidence(SORA, Source.FEED) == told
    delivered, before = (
        again.latest_evidence(SORA, Source.GENERATION),
        board.latest_evidence(SORA, Source.GENERATION),
    )
    assert delivered == before
    assert again.state(SORA) == board.state(SORA)


async def test_an_unreadable_feed_is_remembered_too(
    board: Board, history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    await board.report(
        say(Source.FEED, claimed_status=Status.UNKNOWN, note="no JSON but text/html")
    )
    await board.save_snapshots()

    again = Board(history, clock)
    await again.apply_config([make_service()], PolicyOptions())

    remembered = again.latest_evidence(SORA, Source.FEED)
    assert remembered is not None
    assert (remembered.claimed_status, remembered.until) == (Status.UNKNOWN, None)


async def test_a_snapshot_that_cannot_be_read_is_ignored_and_replaced(
    board: Board, history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    await deliver(board, clock, say)
    await history.save_snapshots(lambda: {SORA: '{"door": "of another version"}'})

    again = Board(history, clock)
    with capture_logs() as logs:
        await again.apply_config([make_service()], PolicyOptions())

    assert again.verdict(SORA).status is Status.OPERATIONAL  # replayed from the evidence
    assert again.latest_evidence(SORA, Source.GENERATION) is not None
    stored = await history.snapshots()
    assert load_state(stored[SORA].state) == again.state(SORA)[0]
    assert [entry["event"] for entry in logs if entry.get("service") == SORA] == [
        "snapshot.unreadable",
        "verdict.changed",
    ]


async def test_the_newest_failing_answer_survives_a_restart(
    board: Board, history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    await deliver(board, clock, say, 1)
    await clock.advance(MINUTE)
    refused = say(Source.GENERATION, rule="words:paused", kind=FailureKind.SUSPENDED)
    await board.report(refused)
    await board.save_snapshots()

    again = Board(history, clock)
    await again.apply_config([make_service()], PolicyOptions())

    assert again.latest_evidence(SORA, Source.GENERATION) == refused


async def test_evidence_noted_long_before_a_restart_still_counts_as_long_as_it_holds(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    slow = make_service(generation=timedelta(hours=24))
    board = Board(history, clock)
    await board.apply_config([slow], PolicyOptions())
    await deliver(board, clock, say, 2)
    await board.save_snapshots()
    await deliver(board, clock, say, 2)
    await history.flush()
    await clock.advance(timedelta(hours=10))
    await board.advance_time()

    again = Board(history, clock)
    await again.apply_config([slow], PolicyOptions())

    assert again.state(SORA) == board.state(SORA)


async def test_a_new_catalogue_keeps_what_is_known_of_those_who_stay(
    board: Board, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    await deliver(board, clock, say, 2)

    await board.apply_config([make_service("veo", "google"), make_service()], PolicyOptions())

    assert [service.id for service in board.services()] == ["veo", "sora"]
    assert board.verdict(SORA).status is Status.OPERATIONAL
    await board.apply_config([make_service("veo", "google")], PolicyOptions())
    assert SORA not in board
    with pytest.raises(KeyError):
        await board.report(say(Source.REACH))


async def check(
    board: Board, clock: VirtualClock, say: Say, times: int = 12, rule: str = ""
) -> None:
    for _ in range(times):
        await clock.advance(MINUTE)
        await board.advance_time()
        await board.report(say(Source.REACH, rule=rule))


async def test_each_outage_that_only_free_checks_see_is_an_incident_of_its_own(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    board = Board(history, clock)
    await board.apply_config([make_service(generation=None)], PolicyOptions())
    for _ in range(2):
        await check(board, clock, say)
        await check(board, clock, say, rule="status:503")
        began = clock.now()
        await check(board, clock, say)

        first = (await history.incidents(SORA))[0]
        assert first.worst is Status.SUSPENDED
        assert first.ended_at == began + MINUTE
        assert first.updates[-1].status is Status.UNKNOWN
        assert await history.open_incidents() == ()

    assert len(await history.incidents(SORA)) == 2
    assert board.verdict(SORA).status is Status.UNKNOWN


async def test_an_incident_in_which_checks_fell_silent_ends_when_they_succeed(
    history: Storage, clock: VirtualClock, make_service: MakeService, say: Say
) -> None:
    fickle = Fickle(history)
    board = Board(fickle, clock)
    await board.apply_config([make_service(generation=None)], PolicyOptions())
    await check(board, clock, say, rule="status:503")
    await clock.advance(timedelta(days=1))
    await board.advance_time()
    assert board.verdict(SORA).status is Status.UNKNOWN
    silent = await history.open_incidents()

    fickle.is_away = True
    await check(board, clock, say)
    while_away = await history.open_incidents()
    fickle.is_away = False
    await board.advance_time()

    assert silent == while_away
    assert len(silent) == 1
    (over,) = await history.incidents(SORA)
    assert over.ended_at == clock.now() - 11 * MINUTE
    assert len(await recorded(history, clock)) == 2
    again = Board(history, clock)
    await again.apply_config([make_service(generation=None)], PolicyOptions())
    assert again.state(SORA) == board.state(SORA)
