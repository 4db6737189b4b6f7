"""Attempts are recorded before they are sent, and read back as they were written."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from tallylight.clock import VirtualClock
from tallylight.model.attempt import AttemptChange, Progress
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import AttemptId, ServiceId
from tallylight.model.jobs import JobRef, Made
from tallylight.model.ledger import Purpose
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.transaction import Write
from tests.builders import NOON, SERVICE
from tests.storage.writes import (
    change,
    created,
    creation,
    decision,
    fact,
    failed,
    new_attempt,
    recorded,
    video_of,
)

LATER = NOON + timedelta(minutes=2)
BUSY = Failure(
    FailureKind.RATE_LIMITED,
    Fault.OURS,
    "status:429",
    http_status=429,
    retry_after=timedelta(seconds=3),
)
CUT_OFF = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "doubt:reset", text="cut off")


async def test_an_attempt_reads_back_through_all_its_states(history: Storage) -> None:
    video = video_of()
    new = new_attempt(video)
    new = new._replace(
        attempt=replace(
            new.attempt, send_within=timedelta(seconds=5), answer_within=timedelta(seconds=120)
        )
    )
    create = creation(video)
    assert create.new is not None
    await recorded(history, replace(create, new=replace(create.new, new_attempt=new)))
    id_ = new.attempt.id
    made, progress = Made(8, "1280x720", "sora-2-pro"), Progress(is_working=True, percent=7)

    for what in (
        AttemptChange(id_, AttemptEvent.UNCLEAR, LATER, failure=CUT_OFF),
        AttemptChange(id_, AttemptEvent.ACCEPTED, LATER, job=JobRef("job", {"kind": "text2video"})),
        AttemptChange(id_, AttemptEvent.WORKING, LATER, progress=progress),
        AttemptChange(id_, AttemptEvent.DONE, LATER, made=made, cost=Decimal("0.3")),
        AttemptChange(id_, AttemptEvent.FETCHED, LATER),
    ):
        record = await recorded(history, Write(video.id, facts=(what,)))
        assert await history.attempts.get(id_) == record.attempts[0]

    assert record.attempts[0] == replace(
        new.attempt,
        state=AttemptState.DELIVERED,
        job=JobRef("job", {"kind": "text2video"}),
        doubt_reason="cut off",
        doubt_rule="doubt:reset",
        made=made,
        cost=Decimal("0.3"),
        accepted_at=LATER,
        started_at=LATER,
        rendered_at=LATER,
        ended_at=LATER,
    )
    assert record.video.progress == 7
    assert record.video.cost == Decimal("0.3")


async def test_a_refused_attempt_keeps_its_failure(history: Storage) -> None:
    video = (await created(history, video_of())).video

    refused = change(video, AttemptEvent.REFUSED, failure=BUSY)
    await recorded(history, Write(video.id, facts=(refused,)))

    (stored,) = await history.attempts.for_video(video.id)
    assert (stored.state, stored.failure) == (AttemptState.REFUSED, BUSY)


async def test_unfinished_attempts_are_found_after_a_crash(
    address: str, clock: VirtualClock
) -> None:
    begun = [NOON + timedelta(seconds=number) for number in range(5)]
    videos = [video_of() for _ in begun]
    events = [None, AttemptEvent.REFUSED, AttemptEvent.UNCLEAR, AttemptEvent.ACCEPTED, None]
    async with open_storage(address, clock) as history:
        for video, at, event in zip(reversed(videos), reversed(begun), events, strict=True):
            create = creation(video)
            assert create.new is not None
            new = new_attempt(video)
            new = new._replace(attempt=replace(new.attempt, intended_at=at))
            await recorded(history, replace(create, new=replace(create.new, new_attempt=new)))
            if event is not None:
                await recorded(history, fact(video, event, job="job"))

    async with open_storage(address, clock) as history:
        unfinished = await history.attempts.unfinished(Purpose.TRAFFIC)
        probes = await history.attempts.unfinished(Purpose.PROBE)

    assert [each.state for each in unfinished] == [
        AttemptState.INTENDED,
        AttemptState.ACCEPTED,
        AttemptState.IN_DOUBT,
        AttemptState.INTENDED,
    ]
    assert [each.video for each in unfinished] == [
        videos[0].id,
        videos[1].id,
        videos[2].id,
        videos[4].id,
    ]
    assert probes == ()


async def test_jobs_of_other_attempts_are_told_apart(history: Storage) -> None:
    mine, other = [(await created(history, video_of())).video for _ in range(2)]
    await recorded(history, fact(mine, AttemptEvent.ACCEPTED, job="a"))
    await recorded(history, fact(other, AttemptEvent.ACCEPTED, job="b"))
    own = AttemptId(f"{mine.id}.1")

    found = await history.attempts.jobs_of_other_attempts([SERVICE.id], ["a", "b", "c"], own)

    assert found == {"b"}


async def test_only_unanswered_attempts_with_the_same_prompt_are_rivals_of_a_doubt(
    history: Storage,
) -> None:
    doubtful, answered, unanswered, _ = [
        (await created(history, video_of(prompt=prompt))).video
        for prompt in ("a boat", "a boat", "a boat", "a kite")
    ]
    await recorded(history, fact(answered, AttemptEvent.ACCEPTED, job="job"))
    own = AttemptId(f"{doubtful.id}.1")
    rivals = history.attempts.unanswered_since

    assert await rivals([SERVICE.id], "a boat", NOON, own) == (NOON,)
    assert await rivals([SERVICE.id], "a boat", LATER, own) == ()
    await recorded(history, fact(unanswered, AttemptEvent.REFUSED))
    assert await rivals([SERVICE.id], "a boat", NOON, own) == ()


async def test_the_newest_attempt_of_each_service_is_known(history: Storage) -> None:
    video = (await created(history, video_of())).video
    later = new_attempt(video, 2)
    later = later._replace(attempt=replace(later.attempt, intended_at=LATER))
    record = await recorded(history, decision(video, new=later))
    await recorded(history, decision(failed(record.video)))

    assert await history.attempts.last_intended(Purpose.TRAFFIC) == {SERVICE.id: LATER}
    assert await history.attempts.last_intended(Purpose.PROBE) == {}


async def test_jobs_that_are_or_were_under_way_are_known(history: Storage) -> None:
    video = (await created(history, video_of())).video
    had_jobs, ten = history.attempts.had_jobs, timedelta(minutes=10)
    sent = await had_jobs([SERVICE.id], LATER, ten)
    video = (await recorded(history, fact(video, AttemptEvent.ACCEPTED, job="a"))).video

    assert not sent
    assert await had_jobs([SERVICE.id], LATER + timedelta(hours=3), ten)
    assert not await had_jobs([ServiceId("another")], LATER, ten)
    assert not await had_jobs([SERVICE.id], NOON - timedelta(minutes=2), ten)

    await recorded(history, decision(failed(video), change(video, AttemptEvent.FAILED_FREE)))

    assert await had_jobs([SERVICE.id], LATER, ten)
    assert not await had_jobs([SERVICE.id], LATER + ten, ten)


async def test_refused_orders_are_no_jobs(history: Storage) -> None:
    video = (await created(history, video_of())).video
    await recorded(history, fact(video, AttemptEvent.REFUSED))

    assert not await history.attempts.had_jobs([SERVICE.id], LATER, timedelta(minutes=10))
