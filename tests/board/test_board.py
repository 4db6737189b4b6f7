"""A board applies evidence, records transitions, and announces them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tallylight.board import Board, BoardEvent, NetworkChange
from tallylight.catalogue.services import ProbeIntervals
from tallylight.clock import VirtualClock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Transition
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.transition_record import TransitionRecord
from tallylight.verdicts.judge import held
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.snapshot import load_state
from tests.builders import service_named

SORA = ServiceId("sora")
MINUTE = timedelta(minutes=1)
NOT_PROBED = replace(service_named("sora"), probe_intervals=ProbeIntervals())

MakeEvidence = Callable[..., Evidence]


class Killed(BaseException):
    """Ends a board as the end of its process would: nothing more is written."""


class UnreliableStorage:
    """Storage whose database is down when a test says so, or after a number of writes."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.is_down = False
        self.writes: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def add_evidence(self, piece: Evidence) -> None:
        self._storage.add_evidence(piece)

    async def record_transitions(self, records: Callable[[], Sequence[TransitionRecord]]) -> None:
        self._check()
        await self.gate.wait()
        await self._storage.record_transitions(records)

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        self._check()
        await self._storage.save_snapshots(snapshot)

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        return await self._storage.snapshots()

    def replay(
        self, services: Collection[ServiceId], cursors: Mapping[ServiceId, int], since: datetime
    ) -> AsyncIterator[EvidenceRecord]:
        return self._storage.replay(services, cursors, since)

    async def evidence_after(self, cursor: int) -> Sequence[EvidenceRecord]:
        return await self._storage.evidence_after(cursor)

    async def latest_cursor(self) -> int:
        return await self._storage.latest_cursor()

    async def had_jobs(
        self, services: Collection[ServiceId], at: datetime, within: timedelta
    ) -> bool:
        return await self._storage.had_jobs(services, at, within)

    async def open_incidents(self) -> Sequence[Incident]:
        return await self._storage.open_incidents()

    def _check(self) -> None:
        if self.is_down:
            raise StorageError("database: away")
        if self.writes is not None:
            if not self.writes:
                raise Killed
            self.writes -= 1


def drained(events: asyncio.Queue[BoardEvent]) -> list[BoardEvent]:
    return [events.get_nowait() for _ in range(events.qsize())]


async def recorded(storage: Storage, clock: VirtualClock) -> tuple[Transition, ...]:
    return await storage.transitions(None, clock.now() - timedelta(days=9), clock.now() + MINUTE)


async def fail(
    board: Board, clock: VirtualClock, make_evidence: MakeEvidence, times: int = 4
) -> None:
    for _ in range(times):
        await clock.advance(MINUTE)
        await board.report(make_evidence(Source.GENERATION, rule="code:overloaded"))


async def deliver(
    board: Board, clock: VirtualClock, make_evidence: MakeEvidence, times: int = 4
) -> None:
    for _ in range(times):
        await clock.advance(MINUTE)
        await board.report(make_evidence(Source.GENERATION, latency=timedelta(seconds=90)))


async def test_evidence_is_announced_before_the_transition_that_it_causes(
    board: Board, storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    async with board.subscribe() as events:
        await deliver(board, clock, make_evidence, 1)

        announced = drained(events)

    assert [type(event) for event in announced] == [Evidence, Transition]
    assert (await recorded(storage, clock)) == tuple(announced[1:])
    assert board.verdict(SORA).status is Status.OPERATIONAL


async def test_a_transition_is_durable_before_it_is_shown_or_announced(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    unreliable = UnreliableStorage(storage)
    board = Board(unreliable, clock)
    await board.apply_config([service_named("sora")], PolicyOptions())
    unreliable.gate.clear()
    async with board.subscribe() as events:
        reporting = asyncio.create_task(board.report(make_evidence(Source.GENERATION)))
        await clock.advance(MINUTE)

        before = drained(events)
        seen = board.verdict(SORA).status
        unreliable.gate.set()
        await reporting
        after = drained(events)

    assert [type(event) for event in before] == [Evidence]
    assert seen is Status.UNKNOWN
    assert [type(event) for event in after] == [Transition]
    assert board.verdict(SORA).status is Status.OPERATIONAL


async def test_a_subscriber_that_does_not_read_loses_the_oldest_events_only(
    board: Board, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    async with board.subscribe() as events:
        for _ in range(1010):
            await clock.advance(timedelta(seconds=1))
            await board.report(make_evidence(Source.REACH))

        kept = [event for event in drained(events) if isinstance(event, Evidence)]

    assert len(kept) == 1000
    assert kept[-1].at == clock.now()
    assert kept[0].at == clock.now() - timedelta(seconds=999)


async def test_a_database_that_was_down_loses_no_transition(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    unreliable = UnreliableStorage(storage)
    board = Board(unreliable, clock)
    await board.apply_config([service_named("sora")], PolicyOptions())
    unreliable.is_down = True
    async with board.subscribe() as events:
        await deliver(board, clock, make_evidence)
        await fail(board, clock, make_evidence)
        await deliver(board, clock, make_evidence)
        while_away = await recorded(storage, clock)
        unreliable.is_down = False
        await board.advance_time()

        announced = [event for event in drained(events) if isinstance(event, Transition)]

    assert while_away == ()
    assert len(announced) >= 3
    assert (await recorded(storage, clock)) == tuple(announced)


async def test_a_process_that_dies_while_the_database_is_down_keeps_its_chain(
    storage: Storage,
    file: Path,
    clock: VirtualClock,
    make_evidence: MakeEvidence,
) -> None:
    unreliable = UnreliableStorage(storage)
    board = Board(unreliable, clock)
    await board.apply_config([service_named("sora")], PolicyOptions())
    await deliver(board, clock, make_evidence)
    await board.save_snapshots()
    unreliable.is_down = True
    await fail(board, clock, make_evidence)
    unreliable.is_down = False
    unreliable.gate.clear()  # the transition is being announced as the snapshots are stored
    recording = asyncio.create_task(board.advance_time())
    await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop
    await board._role.save_snapshots()
    recording.cancel()

    async with open_storage(f"sqlite:///{file}", clock) as again:
        other = Board(again, clock)
        await other.apply_config([service_named("sora")], PolicyOptions())
        chain = await recorded(again, clock)

    assert other.verdict(SORA).status is board.verdict(SORA).status
    assert [t.after.status for t in chain] == [Status.OPERATIONAL, board.verdict(SORA).status]
    unreliable.gate.set()


async def test_pending_transitions_are_stored_together_with_their_snapshot(
    storage: Storage,
    file: Path,
    clock: VirtualClock,
    make_evidence: MakeEvidence,
) -> None:
    """Or a process that dies between the first and the second would lose the second."""
    unreliable = UnreliableStorage(storage)
    board = Board(unreliable, clock)
    await board.apply_config([service_named("sora")], PolicyOptions())
    unreliable.is_down = True
    await deliver(board, clock, make_evidence)
    await fail(board, clock, make_evidence)
    status = board.state(SORA)[0].verdict.status
    unreliable.is_down = False
    unreliable.writes = 1  # and then the process dies
    with pytest.raises(Killed):
        await board.save_snapshots()

    async with open_storage(f"sqlite:///{file}", clock) as again:
        other = Board(again, clock)
        await other.apply_config([service_named("sora")], PolicyOptions())
        chain = await recorded(again, clock)

    assert status is not Status.OPERATIONAL
    assert [t.after.status for t in chain] == [Status.OPERATIONAL, status]
    assert other.verdict(SORA).status is status


async def test_a_cancelled_report_leaves_no_transition_half_recorded(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    unreliable = UnreliableStorage(storage)
    board = Board(unreliable, clock)
    await board.apply_config([service_named("sora")], PolicyOptions())
    await clock.advance(MINUTE)
    unreliable.gate.clear()
    reporting = asyncio.create_task(board.report(make_evidence(Source.GENERATION)))
    await clock.advance(MINUTE)
    reporting.cancel()
    unreliable.gate.set()
    await board.save_snapshots()

    assert [t.after.status for t in await recorded(storage, clock)] == [Status.OPERATIONAL]


async def test_jobs_that_stall_at_all_providers_are_not_our_own_network(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    board = Board(storage, clock)
    await board.apply_config(
        [service_named(name, provider=name) for name in "abc"], PolicyOptions()
    )

    for name in "abc":
        await clock.advance(timedelta(seconds=1))
        await board.report(
            make_evidence(Source.GENERATION, service=name, rule="job:stalled", http_status=None)
        )

    assert not board.network_is_down


async def test_unrelated_providers_failing_together_freeze_the_verdicts(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    board = Board(storage, clock)
    await board.apply_config(
        [service_named(name, provider=name) for name in "abcd"], PolicyOptions()
    )
    for name in "abcd":
        await board.report(make_evidence(Source.GENERATION, service=name, latency=MINUTE))
    async with board.subscribe() as events:
        for _ in range(20):
            for name in "abcd":
                await clock.advance(timedelta(seconds=15))
                await board.report(make_evidence(Source.REACH, service=name, rule="exception:name"))
        frozen = {verdict.status for verdict in board.verdicts().values()}
        await clock.advance(timedelta(days=1))
        await board.advance_time()
        kept = {verdict.status for verdict in board.verdicts().values()}
        await board.report(make_evidence(Source.REACH, service="a"))

        changes = [event for event in drained(events) if isinstance(event, NetworkChange)]

    assert frozen == kept == {Status.OPERATIONAL}
    assert [change.is_down for change in changes] == [True, False]


async def test_a_failure_of_one_provider_is_its_own(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    board = Board(storage, clock)
    services = [
        service_named("a", provider="a"),
        service_named("b", provider="b"),
        service_named("c", provider="c"),
    ]
    await board.apply_config(services, PolicyOptions())

    for _ in range(5):
        await clock.advance(timedelta(seconds=15))
        await board.report(make_evidence(Source.REACH, service="a", rule="exception:connection"))
        await board.report(make_evidence(Source.REACH, service="b"))

    assert board.verdict(ServiceId("a")).status is Status.SUSPENDED


async def test_the_claim_of_a_feed_survives_a_restart(
    board: Board,
    storage: Storage,
    clock: VirtualClock,
    make_evidence: MakeEvidence,
) -> None:
    await deliver(board, clock, make_evidence, 2)
    until = clock.now() + timedelta(hours=2)
    announced = make_evidence(
        Source.FEED, claimed_status=Status.MAINTENANCE, until=until, note="Upgrade"
    )
    await board.report(announced)
    await board.save_snapshots()

    again = Board(storage, clock)
    await again.apply_config([service_named("sora")], PolicyOptions())

    assert again.latest_evidence(SORA, Source.FEED) == announced
    delivered, before = (
        again.latest_evidence(SORA, Source.GENERATION),
        board.latest_evidence(SORA, Source.GENERATION),
    )
    assert delivered == before
    assert again.state(SORA) == board.state(SORA)


async def test_an_unreadable_feed_survives_a_restart(
    board: Board,
    storage: Storage,
    clock: VirtualClock,
    make_evidence: MakeEvidence,
) -> None:
    await board.report(
        make_evidence(Source.FEED, claimed_status=Status.UNKNOWN, note="no JSON but text/html")
    )
    await board.save_snapshots()

    again = Board(storage, clock)
    await again.apply_config([service_named("sora")], PolicyOptions())

    remembered = again.latest_evidence(SORA, Source.FEED)
    assert remembered is not None
    assert (remembered.claimed_status, remembered.until) == (Status.UNKNOWN, None)


async def test_an_unreadable_snapshot_is_logged_and_replaced(
    board: Board,
    storage: Storage,
    clock: VirtualClock,
    make_evidence: MakeEvidence,
) -> None:
    await deliver(board, clock, make_evidence)
    await storage.save_snapshots(lambda: {SORA: '{"door": "of another version"}'})

    again = Board(storage, clock)
    with capture_logs() as logs:
        await again.apply_config([service_named("sora")], PolicyOptions())

    assert again.verdict(SORA).status is Status.OPERATIONAL  # replayed from the evidence
    assert again.latest_evidence(SORA, Source.GENERATION) is not None
    stored = await storage.snapshots()
    assert load_state(stored[SORA].state) == again.state(SORA)[0]
    assert [entry["event"] for entry in logs if entry.get("service") == SORA] == [
        "snapshot.unreadable",
        "verdict.changed",
    ]


async def test_the_newest_failure_survives_a_restart(
    board: Board,
    storage: Storage,
    clock: VirtualClock,
    make_evidence: MakeEvidence,
) -> None:
    await deliver(board, clock, make_evidence, 1)
    await clock.advance(MINUTE)
    refused = make_evidence(Source.GENERATION, rule="words:paused", kind=FailureKind.SUSPENDED)
    await board.report(refused)
    await board.save_snapshots()

    again = Board(storage, clock)
    await again.apply_config([service_named("sora")], PolicyOptions())

    assert again.latest_evidence(SORA, Source.GENERATION) == refused


async def test_evidence_from_long_before_a_restart_counts_until_it_expires(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    slow = replace(NOT_PROBED, probe_intervals=ProbeIntervals(generation=timedelta(hours=24)))
    board = Board(storage, clock)
    await board.apply_config([slow], PolicyOptions())
    await deliver(board, clock, make_evidence, 2)
    await board.save_snapshots()
    await deliver(board, clock, make_evidence, 2)
    await storage.flush()
    await clock.advance(timedelta(hours=10))
    await board.advance_time()

    again = Board(storage, clock)
    await again.apply_config([slow], PolicyOptions())

    assert again.state(SORA) == board.state(SORA)


async def test_a_new_catalogue_keeps_the_state_of_services_that_stay(
    board: Board, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    await deliver(board, clock, make_evidence, 2)

    await board.apply_config(
        [service_named("veo", provider="google"), service_named("sora")], PolicyOptions()
    )

    assert [service.id for service in board.services()] == ["veo", "sora"]
    assert board.verdict(SORA).status is Status.OPERATIONAL
    await board.apply_config([service_named("veo", provider="google")], PolicyOptions())
    assert SORA not in board
    with pytest.raises(KeyError):
        await board.report(make_evidence(Source.REACH))


async def check(
    board: Board, clock: VirtualClock, make_evidence: MakeEvidence, times: int = 12, rule: str = ""
) -> None:
    for _ in range(times):
        await clock.advance(MINUTE)
        await board.advance_time()
        await board.report(make_evidence(Source.REACH, rule=rule))


async def test_each_outage_that_only_free_checks_see_is_an_incident_of_its_own(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    board = Board(storage, clock)
    await board.apply_config([NOT_PROBED], PolicyOptions())
    for _ in range(2):
        await check(board, clock, make_evidence)
        await check(board, clock, make_evidence, rule="status:503")
        began = clock.now()
        await check(board, clock, make_evidence)

        first = (await storage.incidents(SORA))[0]
        assert first.worst is Status.SUSPENDED
        assert first.ended_at == began + MINUTE
        assert first.updates[-1].status is Status.UNKNOWN
        assert await storage.open_incidents() == ()

    assert len(await storage.incidents(SORA)) == 2
    assert board.verdict(SORA).status is Status.UNKNOWN


async def test_an_incident_with_missing_checks_ends_when_they_succeed(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    unreliable = UnreliableStorage(storage)
    board = Board(unreliable, clock)
    await board.apply_config([NOT_PROBED], PolicyOptions())
    await check(board, clock, make_evidence, rule="status:503")
    await clock.advance(timedelta(days=1))
    await board.advance_time()
    assert board.verdict(SORA).status is Status.UNKNOWN
    silent = await storage.open_incidents()

    unreliable.is_down = True
    await check(board, clock, make_evidence)
    while_away = await storage.open_incidents()
    unreliable.is_down = False
    await board.advance_time()

    assert silent == while_away
    assert len(silent) == 1
    (over,) = await storage.incidents(SORA)
    assert over.ended_at == clock.now() - 11 * MINUTE
    assert len(await recorded(storage, clock)) == 2
    again = Board(storage, clock)
    await again.apply_config([NOT_PROBED], PolicyOptions())
    restored, policy = board.state(SORA)
    assert again.state(SORA)[0] == held(restored, clock.now(), policy)


async def test_three_of_six_silent_providers_are_suspended_while_the_others_answer(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    board = Board(storage, clock)
    names, silent = "abcdef", "abc"
    await board.apply_config(
        [service_named(name, provider=name) for name in names], PolicyOptions()
    )
    for name in names:
        await board.report(make_evidence(Source.GENERATION, service=name, latency=MINUTE))

    for _ in range(8):
        for name in names:
            await clock.advance(timedelta(seconds=2))
            rule = "exception:timeout" if name in silent else ""
            await board.report(make_evidence(Source.REACH, service=name, rule=rule))

    shown = {name: board.verdict(ServiceId(name)).status for name in names}
    assert {name for name in names if shown[name] is Status.SUSPENDED} == set(silent)
    assert not board.network_is_down


async def test_an_answer_turns_what_was_held_into_our_own_fault(
    storage: Storage, clock: VirtualClock, make_evidence: MakeEvidence
) -> None:
    board = Board(storage, clock)
    await board.apply_config([service_named(name, provider=name) for name in "ab"], PolicyOptions())
    for name in "ab":
        await board.report(make_evidence(Source.REACH, service=name))

    for rule in ("exception:timeout", "exception:timeout", ""):
        await clock.advance(timedelta(seconds=10))
        await board.report(make_evidence(Source.REACH, service="a", rule=rule))
    await storage.flush()

    stored = [record.evidence.failure for record in await storage.evidence_after(0)]
    faults = [failure.fault for failure in stored if failure is not None]
    assert faults == [Fault.OURS, Fault.OURS]
