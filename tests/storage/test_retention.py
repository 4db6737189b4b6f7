"""What is old is deleted, but nothing that is open, reserved, stored or to be delivered."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from tallylight.clock import VirtualClock
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.ids import AttemptId
from tallylight.model.ledger import Purpose
from tallylight.model.outbox import OutboxMessage
from tallylight.model.video import Video, VideoKind
from tallylight.storage import retention
from tallylight.storage.database import Storage
from tallylight.storage.options import RetentionOptions
from tallylight.storage.transaction import WriteOutcome
from tests.builders import NOON, SERVICE, VIDEO
from tests.storage.writes import (
    change,
    completed,
    created,
    creation,
    decision,
    fact,
    failed,
    recorded,
    video_of,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
VIDEOS = RetentionOptions(videos=30 * DAY)
LEDGER = RetentionOptions(videos=30 * DAY, ledger=60 * DAY)


async def ended(storage: Storage, **changes: object) -> Video:
    """Return a video whose only attempt was billed, and that has failed."""
    video = (await created(storage, video_of(**changes))).video
    over = change(video, AttemptEvent.FAILED_BILLED)
    return (await recorded(storage, decision(failed(video), over))).video


async def rows(storage: Storage, *tables: str) -> list[int]:
    """Return how many rows each table has."""
    async with storage.connections.read_transaction() as connection:
        return [
            await connection.scalar(text(f"SELECT count(*) FROM {name}"))  # noqa: S608
            for name in tables
        ]


ALL = ("videos", "attempts", "outbox", "ledger", "idempotency")


async def test_everything_is_kept_for_ever_by_default(
    history: Storage, clock: VirtualClock
) -> None:
    await ended(history, idempotency_key="k")
    await clock.advance(timedelta(days=4000))

    await history.apply_retention(RetentionOptions())

    assert await rows(history, *ALL) == [1, 1, 0, 1, 1]


async def test_an_old_video_goes_with_its_attempts_and_webhooks(
    history: Storage, clock: VirtualClock
) -> None:
    video = (await created(history, video_of(idempotency_key="old"))).video
    message = OutboxMessage("msg_1", "shop", video.id, "{}", NOON)
    refused = change(video, AttemptEvent.REFUSED)
    await recorded(history, decision(failed(video), refused, messages=[message]))
    (claimed,) = await history.outbox.claim("shop", NOON, NOON + HOUR, 9)
    await history.outbox.mark_delivered(claimed, NOON, "204")
    await clock.advance(20 * DAY)
    young = await ended(history, created_at=clock.now(), idempotency_key="young")
    await clock.advance(10 * DAY + HOUR)

    await history.apply_retention(VIDEOS)

    assert await rows(history, *ALL) == [1, 1, 0, 2, 1]
    assert await history.videos.get(video.id) is None
    assert await history.videos.get(young.id) == young


async def test_many_old_videos_are_deleted_in_batches(
    history: Storage, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_SMALL_BATCH_SIZE", 2)
    for _ in range(5):
        await ended(history)
    await clock.advance(31 * DAY)

    await history.apply_retention(VIDEOS)

    assert await rows(history, "videos", "attempts") == [0, 0]


@pytest.mark.parametrize(
    "what", ["under way", "open attempt", "reserved", "stored content", "due webhook"]
)
async def test_a_video_stays_while_something_of_it_is_left_to_do(
    history: Storage, clock: VirtualClock, what: str
) -> None:
    video = (await created(history, video_of())).video
    message = OutboxMessage("msg_1", "shop", video.id, "{}", NOON)
    billed = change(video, AttemptEvent.FAILED_BILLED)
    match what:
        case "under way":
            await recorded(history, fact(video, AttemptEvent.REFUSED))
        case "open attempt":
            accepted = await recorded(history, fact(video, AttemptEvent.ACCEPTED, job="j"))
            await recorded(history, decision(failed(accepted.video)))
        case "reserved":
            await recorded(history, decision(failed(video), billed))
            async with history.connections.read_transaction() as connection:
                await connection.execute(text("UPDATE ledger SET state = 'reserved'"))
                await connection.commit()
        case "stored content":
            await recorded(history, decision(replace(completed(video), asset="film"), billed))
        case _:
            await recorded(history, decision(failed(video), billed, messages=[message]))
    before = await rows(history, *ALL)
    await clock.advance(4000 * DAY)

    await history.apply_retention(LEDGER)

    assert await rows(history, *ALL) == before


async def test_what_probes_did_lately_is_kept(history: Storage, clock: VirtualClock) -> None:
    await ended(history, kind=VideoKind.PROBE)
    await clock.advance(30 * DAY)

    await history.apply_retention(RetentionOptions(videos=DAY))
    kept = await rows(history, "attempts")
    await clock.advance(2 * DAY)
    await history.apply_retention(RetentionOptions(videos=DAY))

    assert [kept, await rows(history, "attempts")] == [[1], [0]]


async def test_entries_go_after_their_videos_and_their_sums_stay(
    history: Storage, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_SMALL_BATCH_SIZE", 1)
    video = await ended(history)
    await history.ledger.charge(SERVICE.id, Purpose.UNEXPECTED_CHARGE, Decimal(1), at=NOON, note="")
    await created(history, video_of())  # it is under way, so its money stays
    counts = []

    for days in (31, 31):
        await clock.advance(days * DAY)
        await history.apply_retention(LEDGER)
        counts.append(await rows(history, "videos", "ledger"))

    assert counts == [[1, 3], [1, 1]]
    assert await history.videos.get(video.id) is None
    async with history.connections.read_transaction() as connection:
        hours = await connection.execute(
            text("SELECT scope, micro_usd FROM spent WHERE grain = 3600 ORDER BY scope")
        )
        assert [tuple(row) for row in hours] == [
            ("all", 800_000),
            (f"payer:{VIDEO.key}", 800_000),
            (f"probe:{SERVICE.id}", 1_000_000),
            ("probes", 1_000_000),
        ]


async def test_a_key_outlives_its_deleted_video_by_a_day_after_its_end(
    history: Storage, clock: VirtualClock
) -> None:
    video = await ended(history, idempotency_key="k")
    await history.videos.delete(video.id, NOON + HOUR)
    again = creation(video_of(idempotency_key="k"))

    await clock.advance(DAY)
    await history.apply_retention(VIDEOS)
    within = (await history.group_commit.write(again)).outcome
    await clock.advance(HOUR)
    await history.apply_retention(VIDEOS)

    assert within is WriteOutcome.TAKEN
    assert (await history.group_commit.write(again)).outcome is WriteOutcome.WRITTEN


async def test_a_key_of_a_video_that_is_there_stays(history: Storage, clock: VirtualClock) -> None:
    video = await ended(history, idempotency_key="k")
    await clock.advance(4000 * DAY)

    await history.apply_retention(RetentionOptions())

    found = await history.videos.by_idempotency_key(VIDEO.key, "k")
    assert found is not None
    assert found.video == video


async def test_a_fact_about_a_video_that_is_gone_changes_nothing(
    history: Storage, clock: VirtualClock
) -> None:
    video = await ended(history)
    await clock.advance(31 * DAY)
    await history.apply_retention(VIDEOS)

    written = await history.group_commit.write(fact(video, AttemptEvent.NOT_SENT))

    assert (written.outcome, written.record) == (WriteOutcome.LOST, None)
    assert await history.attempts.get(AttemptId(f"{video.id}.1")) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"videos": "12h"}, "videos must be at least 1d"),
        ({"videos": "1d", "ledger": "30d"}, "ledger must be at least 31d"),
        ({"ledger": "90d"}, "an entry stays with its video"),
        ({"videos": "100d", "ledger": "90d"}, "an entry stays with its video"),
    ],
)
def test_a_retention_that_would_take_what_is_needed_is_refused(
    options: dict[str, str], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        RetentionOptions.model_validate(options)
