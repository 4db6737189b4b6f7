"""Group commit: all or nothing, once only, on either database."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tallylight.clock import VirtualClock
from tallylight.errors import BudgetError, StorageError
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import NO_VIDEO, AttemptId, KeyId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, EntryState, Purpose
from tallylight.model.money import Budget
from tallylight.model.order import Operation, Reference
from tallylight.model.video import CreateParams, Video, VideoError, VideoStatus
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.transaction import ClaimedJob, OutboxMessage, SpendingLimit, WriteBatch
from tests.builders import NOON, SERVICE, VIDEO, attempt_of, new_video
from tests.group_commit import running_group_commit

KEY = VIDEO.key


def video_of(**changes: object) -> Video:
    video = replace(new_video(), fingerprint="f", owner="me")
    return replace(video, **changes)  # type: ignore[arg-type]  # a test's shorthand


def opening(video: Video, *limits: SpendingLimit) -> WriteBatch:
    attempt, entry = attempt_of(video)
    return WriteBatch(
        new_video=video,
        leased_until=NOON + timedelta(seconds=15),
        new_attempt=attempt,
        new_entry=entry,
        limits=limits,
    )


async def test_a_video_reads_back_as_it_was_written(written: Storage) -> None:
    params = CreateParams(
        operation=Operation.REMIX,
        source=VideoId("video_before"),
        reference=Reference(media_type="image/png", name="boat.png"),
        reference_asset="references/x",
        characters=("char_1",),
        extras={"seed": 7, "meta": {"a": "1"}},
        pinned_service=SERVICE.id,
        defaulted_fields=("seconds",),
        policy="production",
    )
    video = video_of(params=params, idempotency_key="mine", substitutions={"seconds": "10→8"})

    assert await written.group_commit.write(opening(video))

    assert await written.videos.get(video.id) == video
    (attempt,) = await written.attempts.for_video(video.id)
    assert attempt == attempt_of(video)[0]
    assert (await written.ledger.by_ids([attempt.entry]))[attempt.entry] == attempt_of(video)[1]


async def test_many_writers_share_transactions_and_each_is_written(written: Storage) -> None:
    videos = [video_of() for _ in range(300)]

    results = await asyncio.gather(
        *(written.group_commit.write(opening(video)) for video in videos)
    )

    assert all(results)
    listed = await written.videos.list_page(KEY, after=None, limit=300, order="asc")
    assert {video.id for video in listed} == {video.id for video in videos}


async def test_one_idempotency_key_makes_one_video(written: Storage) -> None:
    videos = [video_of(idempotency_key="same") for _ in range(5)]

    results = await asyncio.gather(
        *(written.group_commit.write(opening(video)) for video in videos)
    )

    assert sorted(results) == [False, False, False, False, True]
    assert len(await written.ledger.entries()) == 1
    (first,) = [video for video, is_first in zip(videos, results, strict=True) if is_first]
    assert await written.videos.by_idempotency_key(KEY, "same") == first


async def test_only_one_of_two_replicas_may_send_an_attempt(written: Storage) -> None:
    video = video_of()
    await written.group_commit.write(opening(video))
    attempt, entry = attempt_of(video, 2)
    rival = replace(attempt, id=AttemptId("rival")), replace(entry, id=EntryId("rival"))

    results = await asyncio.gather(
        written.group_commit.write(WriteBatch(new_attempt=attempt, new_entry=entry)),
        written.group_commit.write(WriteBatch(new_attempt=rival[0], new_entry=rival[1])),
    )

    assert sorted(results) == [False, True]
    assert len(await written.attempts.for_video(video.id)) == 2
    assert len(await written.ledger.entries()) == 2


async def test_a_job_is_claimed_by_one_attempt_only(written: Storage) -> None:
    attempts = []
    for service in (SERVICE.id, ServiceId("sora-2-twin")):
        attempt, entry = attempt_of(video_of())
        attempt = replace(attempt, service=service)
        await written.group_commit.write(WriteBatch(new_attempt=attempt, new_entry=entry))
        attempts.append(replace(attempt, state=AttemptState.ACCEPTED, job="video_found"))
    services = tuple(attempt.service for attempt in attempts)

    results = await asyncio.gather(
        *(
            written.group_commit.write(WriteBatch(claimed_job=ClaimedJob(each, services)))
            for each in attempts
        )
    )
    again = WriteBatch(claimed_job=ClaimedJob(attempts[0], services))
    other = replace(attempts[0], job="video_other")
    second = WriteBatch(claimed_job=ClaimedJob(other, services))

    assert results == [True, False]
    assert await written.group_commit.write(again)  # the attempt has this job already
    assert not await written.group_commit.write(second)  # the attempt has another job
    found = [await written.attempts.get(attempt.id) for attempt in attempts]
    assert [attempt and attempt.job for attempt in found] == ["video_found", ""]


async def test_two_writers_cannot_both_take_the_remainder_of_a_limit(written: Storage) -> None:
    limit = SpendingLimit(Budget(per_day=Decimal(1)), KEY, "of this key")
    videos = [video_of() for _ in range(4)]

    results = await asyncio.gather(
        *(written.group_commit.write(opening(video, limit)) for video in videos),
        return_exceptions=True,
    )

    assert [result for result in results if result is True] == [True, True]
    refusals = [result for result in results if isinstance(result, BudgetError)]
    assert len(refusals) == 2
    assert "per_day of this key" in str(refusals[0])
    assert len(await written.videos.list_page(KEY, after=None, limit=9, order="asc")) == 2


async def test_another_payer_and_probes_do_not_count_against_a_limit(written: Storage) -> None:
    limit = SpendingLimit(Budget(per_day=Decimal("0.5")), KEY, "of this key")
    await written.group_commit.write(opening(video_of(key=KeyId("key_2"))))
    await written.ledger.reserve(
        SERVICE.id, Purpose.PROBE, Decimal(9), budget=Budget(), total_budget=Budget(), at=NOON
    )

    assert await written.group_commit.write(opening(video_of(), limit))


async def test_a_row_that_has_ended_is_never_changed(written: Storage) -> None:
    video = video_of()
    await written.group_commit.write(opening(video))
    attempt, entry = attempt_of(video)
    over = replace(
        video, status=VideoStatus.COMPLETED, progress=100, ended_at=NOON, service=SERVICE.id
    )
    delivered = replace(attempt, state=AttemptState.DELIVERED, job="j", ended_at=NOON)
    settled = replace(entry, state=EntryState.SETTLED, amount=Decimal("0.3"))
    await written.group_commit.write(
        WriteBatch(video=over, attempts=(delivered,), entries=(settled,))
    )

    failed = replace(video, status=VideoStatus.FAILED, error=VideoError("x", "late"), ended_at=NOON)
    await written.group_commit.write(
        WriteBatch(
            video=failed,
            attempts=(replace(attempt, state=AttemptState.FAILED, ended_at=NOON),),
            entries=(replace(entry, state=EntryState.RELEASED, amount=Decimal(0)),),
        )
    )

    assert await written.videos.get(video.id) == over
    assert await written.attempts.for_video(video.id) == (delivered,)
    assert (await written.ledger.by_ids([entry.id]))[entry.id] == settled


async def test_only_an_expired_lease_is_taken_over(written: Storage) -> None:
    mine, theirs = video_of(), video_of(owner="they")
    for video in (mine, theirs):
        await written.group_commit.write(opening(video))
    await written.videos.renew_leases("me", NOON + timedelta(seconds=60))

    at = NOON + timedelta(seconds=20)
    taken = await written.videos.claim_expired("third", at, at + timedelta(seconds=15))
    again = await written.videos.claim_expired("fourth", at, at + timedelta(seconds=15))

    assert [video.id for video, _ in taken] == [theirs.id]
    assert taken[0][0].owner == "third"
    assert again == ()


async def test_after_a_lost_lease_only_completion_can_be_written(written: Storage) -> None:
    video = video_of(owner="another")
    await written.group_commit.write(opening(video))
    mine = replace(video, owner="me")
    failed = replace(
        mine, status=VideoStatus.FAILED, error=VideoError("x", "of mine"), ended_at=NOON
    )
    there = replace(mine, status=VideoStatus.COMPLETED, progress=100, ended_at=NOON)

    await written.group_commit.write(WriteBatch(video=replace(mine, progress=50)))
    await written.group_commit.write(WriteBatch(video=failed))
    before = await written.videos.get(video.id)
    await written.group_commit.write(WriteBatch(video=there))
    after = await written.videos.get(video.id)

    assert before == video
    assert after == replace(there, owner="another")


async def test_ended_rows_are_written_when_the_budget_refuses_the_rest(written: Storage) -> None:
    limit = SpendingLimit(Budget(per_day=Decimal("0.5")), KEY, "of this key")
    video = video_of()
    await written.group_commit.write(opening(video, limit))
    first, entry = attempt_of(video)
    refused = replace(first, state=AttemptState.REFUSED, ended_at=NOON)
    released = replace(entry, state=EntryState.RELEASED, amount=Decimal(0))
    second, dearer = attempt_of(video, 2)
    dearer = replace(dearer, estimate=Decimal(9), amount=Decimal(9))

    with pytest.raises(BudgetError):
        await written.group_commit.write(
            WriteBatch(
                new_attempt=second,
                new_entry=dearer,
                limits=(limit,),
                attempts=(refused,),
                entries=(released,),
            )
        )

    assert await written.attempts.for_video(video.id) == (refused,)
    assert (await written.ledger.by_ids([entry.id]))[entry.id] == released


async def test_pages_follow_one_another_in_both_directions(written: Storage) -> None:
    videos = [video_of(created_at=NOON + timedelta(seconds=second // 2)) for second in range(7)]
    for video in videos:
        await written.group_commit.write(opening(video))

    for order in ("asc", "desc"):
        seen: list[VideoId] = []
        after = None
        while True:
            found = await written.videos.list_page(
                KEY,
                after=after,
                limit=3,
                order=order,
            )
            seen += [video.id for video in found[:3]]
            if len(found) <= 3:
                break
            after = found[2]
        assert len(seen) == len(set(seen)) == 7

    assert await written.videos.list_page(KeyId("x"), after=None, limit=3, order="asc") == ()


async def test_a_deleted_video_is_not_found_and_its_cost_is_kept(written: Storage) -> None:
    video = video_of(idempotency_key="again")
    await written.group_commit.write(opening(video))

    assert await written.videos.delete(video.id, NOON)

    assert await written.videos.get(video.id) is None
    assert await written.videos.by_idempotency_key(KEY, "again") is None
    assert not await written.videos.delete(video.id, NOON)
    assert len(await written.ledger.entries()) == 1


async def test_writes_survive_the_process(address: str, clock: VirtualClock) -> None:
    video = video_of()
    async with open_storage(address, clock) as history, running_group_commit(history):
        await history.group_commit.write(
            replace(
                opening(video),
                messages=(OutboxMessage("msg_1", "shop", video.id, "{}", NOON),),
            )
        )

    async with open_storage(address, clock) as history:
        found = await history.videos.get(video.id)

    assert found == video
    assert found is not None
    assert found.id != NO_VIDEO


async def test_a_batch_that_cannot_be_written_fails_alone(written: Storage) -> None:
    broken = video_of(created_at="yesterday")

    with pytest.raises(StorageError):
        await written.group_commit.write(WriteBatch(new_video=broken))

    assert await written.group_commit.write(opening(video_of()))


async def test_a_batch_that_the_driver_refuses_fails_alone_in_its_group(
    written: Storage,
) -> None:
    videos = [video_of(), video_of(prompt="caf\udce9"), video_of()]

    told = await asyncio.gather(
        *(written.group_commit.write(opening(video)) for video in videos), return_exceptions=True
    )

    assert told[0] is told[2] is True
    assert isinstance(told[1], StorageError)
    found = [await written.videos.get(video.id) for video in videos]
    assert found == [videos[0], None, videos[2]]
