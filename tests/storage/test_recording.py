"""Evidence, snapshots and transitions read back as they were written."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tallylight.clock import VirtualClock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import (
    Block,
    Incident,
    IncidentUpdate,
    Reason,
    ReasonCode,
    Transition,
    Verdict,
)
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId, connect
from tallylight.storage.evidence_buffer import EvidenceBuffer
from tallylight.storage.transition_record import TransitionRecord

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora-2-official")
VEO = ServiceId("veo-3.1-reverse")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def good(service: ServiceId = SORA, minutes: float = 0) -> Evidence:
    return Evidence(service, at(minutes), Source.REACH, latency=timedelta(milliseconds=120))


def verdict(status: Status, minutes: float = 0, service: ServiceId = SORA) -> Verdict:
    reasons = (
        Reason(ReasonCode.JOBS_FAILING, at(minutes), {"bad": 3, "share": 0.5, "answer": "暫停"}),
        Reason(ReasonCode.API_RESPONDING, at(minutes)),
    )
    return Verdict(service, status, at(minutes), 0.97, reasons, Block.QUOTA)


def transition(minutes: float, before: Status, after: Status) -> Transition:
    return Transition(SORA, at(minutes), at(minutes + 1), verdict(before), verdict(after, minutes))


def incident() -> Incident:
    update = IncidentUpdate(at(0), Status.SUSPENDED, verdict(Status.SUSPENDED).reasons)
    return Incident(IncidentId("sora-1"), SORA, at(0), None, Status.SUSPENDED, (update,))


async def replayed(history: Storage) -> list[Evidence]:
    folded = {id_: stored.cursor for id_, stored in (await history.snapshots()).items()}
    return [noted.evidence async for noted in history.replay([SORA, VEO], folded, at(-60))]


async def texts(history: Storage) -> dict[ServiceId, str]:
    return {id_: stored.state for id_, stored in (await history.snapshots()).items()}


async def change(address: str, statement: str) -> None:
    connections = connect(address)
    async with connections.durable_transaction(LockId.MIGRATION) as connection:
        await connection.execute(text(statement))
    await connections.close()


EVERY_FIELD = (
    good(),
    Evidence(
        SORA,
        at(1).replace(microsecond=123457),
        Source.GENERATION,
        failure=Failure(
            FailureKind.RISK_CONTROL,
            Fault.UPSTREAM,
            "code:sentinel_block",
            text="帳號風控中",
            names_state=True,
            http_status=403,
            retry_after=timedelta(seconds=1.5),
        ),
        latency=timedelta(minutes=3, microseconds=7),
        vantage="tokyo",
    ),
    Evidence(VEO, at(2), Source.REACH, failure=Failure(FailureKind.UNKNOWN, Fault.OURS, "dns")),
    Evidence(
        VEO, at(3), Source.FEED, claimed_status=Status.MAINTENANCE, until=at(90), note="Upgrade"
    ),
)


async def test_evidence_reads_back_as_it_was_added(history: Storage) -> None:
    for piece in EVERY_FIELD:
        history.add_evidence(piece)
    await history.flush()

    assert await history.evidence() == EVERY_FIELD[::-1]
    assert await history.evidence(VEO) == (EVERY_FIELD[3], EVERY_FIELD[2])
    assert await history.evidence(start=at(1), end=at(2)) == (EVERY_FIELD[1],)
    assert await history.evidence(limit=1) == (EVERY_FIELD[3],)


async def test_buffered_evidence_is_written_a_second_later(
    history: Storage, clock: VirtualClock
) -> None:
    history.add_evidence(good())
    assert await history.evidence() == ()

    await clock.advance(timedelta(seconds=1))

    async with asyncio.timeout(20):
        while not await history.evidence():
            pass


async def test_closing_writes_what_is_buffered(address: str, clock: VirtualClock) -> None:
    async with open_storage(address, clock) as history:
        history.add_evidence(good())

    async with open_storage(address, clock) as history:
        assert await history.evidence() == (good(),)


async def test_evidence_of_the_past_is_found_by_its_time(
    history: Storage, clock: VirtualClock
) -> None:
    late = good(minutes=-600)
    history.add_evidence(late)
    await history.flush()
    await clock.advance(timedelta(minutes=1))
    history.add_evidence(good(minutes=1))
    await history.flush()

    assert await history.evidence(SORA, start=at(-601), end=at(-599)) == (late,)
    assert await history.evidence(SORA) == (good(minutes=1), late)


async def test_a_failed_flush_loses_nothing(
    address: str, history: Storage, clock: VirtualClock
) -> None:
    await change(address, "ALTER TABLE evidence RENAME TO away")
    history.add_evidence(good(minutes=1))

    with pytest.raises(StorageError, match="evidence"):
        await history.flush()
    history.add_evidence(good(minutes=2))
    await change(address, "ALTER TABLE away RENAME TO evidence")
    await clock.advance(timedelta(seconds=1))

    async with asyncio.timeout(20):
        while len(found := await history.evidence()) < 2:
            pass
    assert found == (good(minutes=2), good(minutes=1))


async def test_a_full_buffer_drops_the_oldest_and_counts_them(
    address: str, clock: VirtualClock
) -> None:
    async with open_storage(address, clock) as history:
        writer = EvidenceBuffer(history.connections, clock, max_size=3)
        for minute in range(5):
            writer.add(good(minutes=minute))

        await writer.flush()

        assert [piece.at for piece in await history.evidence()] == [at(4), at(3), at(2)]
        assert writer.dropped == 2
        assert writer.pending == 0


async def test_a_transition_is_stored_with_the_evidence_that_led_to_it(history: Storage) -> None:
    found = transition(0, Status.OPERATIONAL, Status.SUSPENDED)
    history.add_evidence(good())

    await history.record_transitions(
        lambda: [TransitionRecord(found.service, found, "{standing}", incident())]
    )

    assert await history.transitions(SORA, at(0), at(1)) == (found,)
    assert await history.transitions(None, at(0), at(1)) == (found,)
    assert await history.transitions(VEO, at(0), at(1)) == ()
    assert await history.evidence() == (good(),)
    assert await texts(history) == {SORA: "{standing}"}
    assert await history.incident(IncidentId("sora-1")) == incident()


async def test_a_transition_is_stored_completely_or_not_at_all(
    address: str, history: Storage
) -> None:
    await change(address, "ALTER TABLE incidents RENAME TO away")
    history.add_evidence(good())
    found = transition(0, Status.OPERATIONAL, Status.SUSPENDED)

    with pytest.raises(StorageError):
        await history.record_transitions(
            lambda: [TransitionRecord(found.service, found, "{}", incident())]
        )

    assert await history.evidence() == ()
    assert await texts(history) == {}
    assert await history.transitions(SORA, at(-1), at(1)) == ()
    await history.flush()
    assert await history.evidence() == (good(),)


async def test_incidents_are_updated_under_their_id(history: Storage) -> None:
    first = transition(0, Status.OPERATIONAL, Status.SUSPENDED)
    await history.record_transitions(
        lambda: [TransitionRecord(first.service, first, "", incident())]
    )
    recovery = IncidentUpdate(at(9), Status.OPERATIONAL, ())
    ended = replace(incident(), ended_at=at(9), updates=(*incident().updates, recovery))
    assert await history.incidents(SORA, open_only=True) == (incident(),)

    last = transition(9, Status.SUSPENDED, Status.OPERATIONAL)
    await history.record_transitions(lambda: [TransitionRecord(last.service, last, "", ended)])

    assert await history.incidents() == (ended,)
    assert await history.incidents(open_only=True) == ()
    assert await history.incidents(start=at(8)) == (ended,)
    assert await history.incidents(start=at(9)) == ()
    assert await history.incidents(VEO) == ()
    assert await history.incident(IncidentId("another")) is None


async def test_a_stopped_clock_keeps_the_order(history: Storage) -> None:
    pieces = [good(minutes=minute) for minute in (3, 1, 2)]
    for piece in pieces:
        history.add_evidence(piece)
        await history.flush()

    assert await replayed(history) == pieces


async def test_replay_leaves_out_older_evidence(history: Storage, clock: VirtualClock) -> None:
    history.add_evidence(good(minutes=0))
    await clock.advance(timedelta(minutes=5))
    history.add_evidence(good(minutes=5))
    history.add_evidence(good(ServiceId("nobody's"), minutes=5))
    await history.flush()

    found = [noted.evidence async for noted in history.replay([SORA], {}, at(5))]

    assert found == [good(minutes=5)]


STEPS = st.lists(st.sampled_from(["note", "note", "flush", "record", "save", "tick"]), max_size=25)


@given(STEPS)
@settings(max_examples=15, deadline=None)
async def test_after_a_crash_each_stored_piece_is_folded_exactly_once(
    new_address: Callable[[], str], steps: list[str]
) -> None:
    """Lists of numbers stand for the states of a board."""
    address, clock, numbers = new_address(), VirtualClock(NOON), count(1)
    turn = transition(0, Status.OPERATIONAL, Status.DEGRADED)
    folded: dict[ServiceId, list[int]] = {SORA: [], VEO: []}

    def snapshot(service: ServiceId) -> str:
        return " ".join(str(number) for number in folded[service])

    async with open_storage(address, clock) as history:
        for step in steps:
            match step:
                case "note":
                    number = next(numbers)
                    service = (SORA, VEO)[number % 2]
                    history.add_evidence(good(service, minutes=-number))
                    folded[service].append(number)
                case "flush":
                    await history.flush()
                case "record":
                    await history.record_transitions(
                        lambda: [TransitionRecord(turn.service, turn, snapshot(SORA), None)]
                    )
                case "save":
                    await history.save_snapshots(lambda: {id_: snapshot(id_) for id_ in folded})
                case _:
                    await clock.advance(timedelta(milliseconds=1))

    async with open_storage(address, clock) as history:
        stored = await texts(history)
        recalled = {id_: [int(n) for n in stored.get(id_, "").split()] for id_ in folded}
        for piece in await replayed(history):
            recalled[piece.service].append((NOON - piece.at) // timedelta(minutes=1))
    assert recalled == folded


async def test_snapshots_are_taken_when_they_are_written(history: Storage) -> None:
    history.add_evidence(good(minutes=1))
    folded = [1]
    async with history._buffer.draining():  # another writer is at work
        saving = asyncio.create_task(
            history.save_snapshots(lambda: {SORA: " ".join(map(str, folded))})
        )
        await asyncio.sleep(0)  # noqa: TID251  # one iteration of the loop
        history.add_evidence(good(minutes=2))
        folded.append(2)
    await saving

    assert await texts(history) == {SORA: "1 2"}
    assert await replayed(history) == []
