"""When a process dies or loses a video, nothing is paid twice and no response is lost."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from tallylight.catalogue.services import Upstream
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.model.attempt import AttemptChange
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.jobs import JobRef
from tallylight.model.ledger import EntryState
from tallylight.model.video import Video, VideoStatus
from tallylight.storage.engine import LockId
from tallylight.storage.transaction import Write, Written
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.time_limits import SendBudget

from .conftest import TIMING, RunningGateway, Start

UNLISTED = {"services": ["c", "a"], "explicit": True}


async def only_video(gateway: RunningGateway) -> Video:
    (video,) = await gateway.storage.videos.list_page(
        ANONYMOUS.key, after=None, limit=5, order="asc"
    )
    return video


@pytest.mark.parametrize("writes", [1, 2])
async def test_a_kill_after_any_write_pays_no_doubt_twice(start: Start, writes: int) -> None:
    killed = await start(route=UNLISTED)
    killed.set_faults("c", {"kind": "reset", "accepts": True})
    asking = asyncio.create_task(killed.create())
    await killed.kill_after_writes(writes)
    asking.cancel()

    other = await start(route=UNLISTED)
    video = await other.until_ended(await only_video(other))

    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    assert other.create_count("a") == 0


async def test_a_refusal_is_recorded_before_the_next_attempt(start: Start) -> None:
    killed = await start()
    killed.set_faults("a", {"kind": "refuse", "sign": "overloaded"})
    killed.set_faults("b", {"kind": "reset", "accepts": True})
    asking = asyncio.create_task(killed.create())
    await killed.kill_after_writes(3)  # the first attempt, its refusal and the second attempt
    asking.cancel()

    first, second = await killed.attempts(await only_video(killed))

    assert (first.state, second.state) == (AttemptState.REFUSED, AttemptState.INTENDED)


async def test_the_reservation_of_a_refused_attempt_is_free_for_the_next(start: Start) -> None:
    gateway = await start(gateway={"budget": {"per_day": "0.25"}})
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


async def test_a_process_that_lost_a_video_decides_nothing_about_it(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "slow", "factor": 5})
    video = await gateway.create()

    owner = await gateway.take_over()
    await gateway.until_released(video)

    (attempt,) = await gateway.attempts(video)
    assert attempt.state is AttemptState.ACCEPTED
    stands = await gateway.storage.videos.get(video.id)
    assert stands is not None
    assert (stands.owner, stands.is_terminal) == (owner, False)


async def test_a_process_that_lost_a_video_sends_no_further_attempt(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})
    group_commit, write = gateway.storage.group_commit, gateway.storage.group_commit.write
    owners: list[str] = []

    async def write_late(wanted: Write) -> Written:
        if wanted.decision is not None and wanted.new_attempt is not None:
            owners.append(await gateway.take_over())
        return await write(wanted)

    group_commit.write = write_late  # type: ignore[method-assign, assignment]  # the real one, after a take-over
    video = await gateway.create()
    await gateway.until_released(video)

    assert await gateway.attempt_states(video) == [("a", AttemptState.REFUSED)]
    assert gateway.create_count("b") == 0
    assert [entry.state for entry in await gateway.storage.ledger.entries()] == [
        EntryState.RELEASED
    ]
    stands = await gateway.storage.videos.get(video.id)
    assert stands is not None
    assert (stands.owner, stands.is_terminal) == (owners[0], False)


async def test_an_answer_is_recorded_though_another_process_has_the_video(start: Start) -> None:
    gateway = await start()
    group_commit, write = gateway.storage.group_commit, gateway.storage.group_commit.write

    async def write_late(wanted: Write) -> Written:
        if wanted.facts and gateway.create_count("a"):
            await gateway.take_over()
            group_commit.write = write  # type: ignore[method-assign]
        return await write(wanted)

    group_commit.write = write_late  # type: ignore[method-assign, assignment]  # the real one, after a take-over
    video = await gateway.create()
    await gateway.until_released(video)

    (attempt,) = await gateway.attempts(video)
    assert attempt.state is AttemptState.ACCEPTED
    assert attempt.job


async def test_a_decision_made_from_an_older_version_is_made_again(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})
    group_commit, write = gateway.storage.group_commit, gateway.storage.group_commit.write
    raise_revision = text("UPDATE videos SET revision = revision + 1")

    async def write_late(wanted: Write) -> Written:
        if wanted.decision is not None and wanted.new_attempt is not None:
            group_commit.write = write  # type: ignore[method-assign]
            connections = gateway.storage.connections
            async with connections.durable_transaction(LockId.VIDEO) as connection:
                await connection.execute(raise_revision)
        return await write(wanted)

    group_commit.write = write_late  # type: ignore[method-assign, assignment]  # the real one, after a write
    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")
    assert gateway.create_count("b") == 1


async def test_an_answer_that_overtakes_the_end_of_its_video_counts(start: Start) -> None:
    gateway = await start(route=UNLISTED)
    gateway.set_faults("c", {"kind": "reset", "accepts": True})
    group_commit, write = gateway.storage.group_commit, gateway.storage.group_commit.write

    async def write_late(wanted: Write) -> Written:
        if wanted.decision is not None and wanted.decision.video.is_terminal:
            group_commit.write = write  # type: ignore[method-assign]
            (job,) = [entry.id for entry in gateway.simulation.ledger.entries]
            attempt = wanted.decision.changes[0].attempt
            heard = AttemptChange(
                attempt, AttemptEvent.ACCEPTED, gateway.clock.now(), job=JobRef(job)
            )
            await write(Write(wanted.video, facts=(heard,)))
        return await write(wanted)

    group_commit.write = write_late  # type: ignore[method-assign, assignment]  # the real one, after an answer
    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "c")


async def test_a_response_to_another_process_resolves_the_doubt(start: Start) -> None:
    cut_off = await start(route=UNLISTED)
    await cut_off.kill_during_create("c")
    other = await start(route=UNLISTED)
    video = await only_video(other)
    while other.jobs.followers.tracked(video.id) is None:
        await other.clock.sleep(timedelta(seconds=1))

    (attempt,) = await other.attempts(video)
    (job,) = [entry.id for entry in other.simulation.ledger.entries]
    heard = AttemptChange(attempt.id, AttemptEvent.ACCEPTED, other.clock.now(), job=JobRef(job))
    await other.storage.group_commit.write(Write(video.id, facts=(heard,)))
    seen = await other.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "c")
    assert other.create_count("c") == 1


async def test_a_task_that_failed_by_a_defect_is_followed_again(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "slow", "factor": 5})
    video = await gateway.create()
    (task,) = gateway.jobs.followers._tasks.values()

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    seen = await gateway.until_ended(video)

    assert (seen.status, gateway.create_count("a")) == (VideoStatus.COMPLETED, 1)


async def test_nothing_is_sent_for_a_video_that_was_lost_while_connecting(start: Start) -> None:
    gateway = await start()
    transport, send = gateway.jobs.transport, gateway.jobs.transport.send

    async def send_late(
        request: Request, upstream: Upstream, budget: SendBudget | None = None
    ) -> Reply:
        if request.phase is Phase.CREATE:
            (tracked,) = gateway.jobs.followers._tracked.values()
            tracked.release()
        return await send(request, upstream, budget)

    transport.send = send_late  # type: ignore[method-assign]  # the real one, after a loss
    await gateway.until_released(await gateway.create())

    (attempt,) = await gateway.attempts(await only_video(gateway))
    assert attempt.state is AttemptState.REFUSED
    assert gateway.create_count("a") == 0


async def test_a_create_that_is_cancelled_before_it_is_sent_leaves_no_doubt(start: Start) -> None:
    gateway = await start()
    is_sending = asyncio.Event()

    async def hang(_: Request, __: Upstream, budget: SendBudget | None = None) -> Reply:
        assert budget is not None
        is_sending.set()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets the event")

    gateway.jobs.transport.send = hang  # type: ignore[method-assign, assignment]
    asking = asyncio.create_task(gateway.create())
    await is_sending.wait()
    (task,) = gateway.jobs.followers._tasks.values()

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    asking.cancel()

    (attempt,) = await gateway.attempts(await only_video(gateway))
    assert attempt.state is AttemptState.REFUSED


@pytest.mark.parametrize("key", ["", "mine"])
async def test_a_create_that_is_recorded_late_is_not_sent_on_without_a_key(
    start: Start, key: str
) -> None:
    gateway = await start()
    group_commit, write = gateway.storage.group_commit, gateway.storage.group_commit.write

    async def write_late(wanted: Write) -> Written:
        if wanted.new is not None:
            await gateway.clock.sleep(TIMING.send_within)
        return await write(wanted)

    group_commit.write = write_late  # type: ignore[method-assign, assignment]  # the real one, late
    if key:
        await gateway.until_ended(await gateway.create(idempotency_key=key))
    else:
        with pytest.raises(ApiError, match="not sent"):
            await gateway.create()

    assert [gateway.create_count(name) for name in "abc"] == [
        int(bool(key)),
        0,
        0,
    ]  # nothing was wrong with a


async def test_a_disconnecting_caller_leaves_no_doubt(start: Start) -> None:
    gateway = await start()
    asking = asyncio.create_task(gateway.create())
    await gateway.clock.sleep(timedelta())  # it has begun

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    video = await gateway.until_ended(await only_video(gateway))

    assert video.status is VideoStatus.COMPLETED
    assert gateway.create_count("a") == 1


async def test_a_late_content_refusal_does_not_end_another_attempt(start: Start) -> None:
    gateway = await start(upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}})
    refused = {"kind": "fail", "after": 75, "code": "moderation_blocked", "message": "moderation"}
    gateway.set_faults("a", refused)
    gateway.set_faults("b", {"kind": "slow", "factor": 10})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")
    entries = await gateway.storage.ledger.entries()
    assert {entry.service: entry.state for entry in entries} == {
        "a": EntryState.RELEASED,
        "b": EntryState.SETTLED,
    }


async def test_an_exhausted_budget_still_waits_for_a_late_delivery(start: Start) -> None:
    gateway = await start(
        upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}},
        gateway={"budget": {"per_day": "0.15"}},
    )
    gateway.set_faults("a", {"kind": "slow", "factor": 15})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
