"""Attempts are recorded before they are sent, and final states never change."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tallylight.clock import VirtualClock
from tallylight.errors import StorageError
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import AttemptId, ServiceId
from tallylight.model.ledger import EntryId, Purpose
from tallylight.model.order import Order
from tallylight.storage.attempts import Attempts
from tallylight.storage.database import Storage, open_storage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=2)
STALLED = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "stalled", text="no end after 20 min")
BUSY = Failure(
    FailureKind.RATE_LIMITED,
    Fault.OURS,
    "status:429",
    http_status=429,
    retry_after=timedelta(seconds=3),
)
INTENDED = Attempt(
    id=AttemptId("a-1"),
    service=ServiceId("sora-2-official"),
    purpose=Purpose.PROBE,
    order=Order("A kite over the dunes", 4, "1280x720"),
    model="sora-2",
    entry=EntryId("e-1"),
    intended_at=NOON,
)
ACCEPTED = replace(INTENDED, state=AttemptState.ACCEPTED, job="video_1", accepted_at=LATER)


async def test_an_attempt_moves_from_intended_to_delivered(history: Storage) -> None:
    await history.attempts.create(INTENDED)
    assert await history.attempts.get(INTENDED.id) == INTENDED

    accepted = await history.attempts.mark_accepted(INTENDED.id, "video_1", LATER)
    delivered = await history.attempts.mark_delivered(INTENDED.id, LATER)

    assert accepted == ACCEPTED
    assert delivered == replace(ACCEPTED, state=AttemptState.DELIVERED, ended_at=LATER)
    assert await history.attempts.get(INTENDED.id) == delivered


async def test_a_refused_attempt_keeps_its_failure(history: Storage) -> None:
    await history.attempts.create(INTENDED)

    refused = await history.attempts.mark_refused(INTENDED.id, BUSY, LATER)

    expected = replace(INTENDED, state=AttemptState.REFUSED, failure=BUSY, ended_at=LATER)
    assert refused == expected


async def test_the_reason_of_a_doubt_is_kept_after_acceptance(history: Storage) -> None:
    await history.attempts.create(INTENDED)
    await history.attempts.mark_in_doubt(
        INTENDED.id, "the connection broke after the request was sent"
    )

    accepted = await history.attempts.mark_accepted(INTENDED.id, "video_1", LATER)

    assert accepted.state is AttemptState.ACCEPTED
    assert accepted.doubt_reason == "the connection broke after the request was sent"


async def test_unfinished_attempts_are_found_after_a_crash(
    address: str, clock: VirtualClock
) -> None:
    ids = [AttemptId(f"a-{number}") for number in range(6)]
    async with open_storage(address, clock) as history:
        attempts = history.attempts
        for number, attempt in enumerate(ids):
            begun = NOON + timedelta(seconds=number)
            await attempts.create(replace(INTENDED, id=attempt, intended_at=begun))
        await attempts.mark_refused(ids[0], BUSY, LATER)
        await attempts.mark_in_doubt(ids[1], "cut off")
        for attempt in ids[2:5]:
            await attempts.mark_accepted(attempt, "job", LATER)
        await attempts.mark_delivered(ids[2], LATER)
        await attempts.mark_failed(ids[3], STALLED, LATER)

    async with open_storage(address, clock) as history:
        unfinished = await history.attempts.unfinished(Purpose.PROBE)

    assert [(attempt.id, attempt.state) for attempt in unfinished] == [
        (ids[1], AttemptState.IN_DOUBT),
        (ids[4], AttemptState.ACCEPTED),
        (ids[5], AttemptState.INTENDED),
    ]


Step = Callable[[Attempts], Awaitable[Attempt]]
ACCEPT: Step = lambda attempts: attempts.mark_accepted(INTENDED.id, "other", LATER)  # noqa: E731
REFUSE: Step = lambda attempts: attempts.mark_refused(INTENDED.id, BUSY, LATER)  # noqa: E731
DOUBT: Step = lambda attempts: attempts.mark_in_doubt(INTENDED.id, "why")  # noqa: E731
DELIVER: Step = lambda attempts: attempts.mark_delivered(INTENDED.id, LATER)  # noqa: E731
FAIL: Step = lambda attempts: attempts.mark_failed(INTENDED.id, STALLED, LATER)  # noqa: E731
ENDS = {"refused": (REFUSE,), "delivered": (ACCEPT, DELIVER), "failed": (ACCEPT, FAIL)}


@pytest.mark.parametrize("end", ENDS)
async def test_a_final_state_never_changes(history: Storage, end: str) -> None:
    await history.attempts.create(INTENDED)
    for step in ENDS[end]:
        ended = await step(history.attempts)

    for step in (ACCEPT, REFUSE, DOUBT, DELIVER, FAIL):
        with pytest.raises(StorageError, match=f"is {end}"):
            await step(history.attempts)

    assert await history.attempts.get(INTENDED.id) == ended


async def test_only_an_accepted_attempt_can_be_delivered(history: Storage) -> None:
    await history.attempts.create(INTENDED)

    with pytest.raises(StorageError, match="is intended and cannot become delivered"):
        await history.attempts.mark_delivered(INTENDED.id, LATER)


async def test_an_attempt_is_created_once(history: Storage) -> None:
    await history.attempts.create(INTENDED)

    with pytest.raises(StorageError):
        await history.attempts.create(INTENDED)
    with pytest.raises(StorageError, match="does not exist"):
        await history.attempts.mark_in_doubt(AttemptId("another"), "why")


async def test_one_of_two_concurrent_ends_wins(history: Storage) -> None:
    await history.attempts.create(INTENDED)
    await history.attempts.mark_accepted(INTENDED.id, "video_1", LATER)

    outcomes = await asyncio.gather(
        DELIVER(history.attempts), FAIL(history.attempts), return_exceptions=True
    )

    (won,) = (outcome for outcome in outcomes if isinstance(outcome, Attempt))
    assert await history.attempts.get(INTENDED.id) == won
