"""One generation of a service at a time, and one that any process may order."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tallylight.errors import ProbeUnfinishedError, ProbeWithheldError
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId, VideoId
from tallylight.model.money import Budget
from tallylight.model.status import Status
from tallylight.model.video import VideoKind
from tallylight.storage.processes import BEAT_INTERVAL
from tallylight.verdicts.options import PolicyOptions

Start = Callable[..., Awaitable[Any]]

OFFICIAL, RELAY = "sora-2-official", "veo-3.1-reverse"
SLOW = {"kind": "slow", "factor": 20}


async def command_beside(env: Any) -> Any:
    """Return a process that neither leads nor follows videos, as a command beside a server."""
    return await env.restart(is_leader=False, follows=False)


async def test_two_probes_of_a_service_at_the_same_time_are_one(start: Start) -> None:
    env = await start(OFFICIAL)

    first, second = await asyncio.gather(env.generate(OFFICIAL), env.generate(OFFICIAL))

    assert first == second
    assert env.world.requests[OFFICIAL, "create"] == 1


async def test_a_probe_that_another_process_ordered_is_sent_once_and_recorded_once(
    start: Start,
) -> None:
    env = await start(OFFICIAL)
    command = await command_beside(env)

    found = await command.generate(OFFICIAL)

    assert found.failure is None
    assert await env.outcomes(OFFICIAL) == [found]
    assert command.board.verdict(ServiceId(OFFICIAL)).status is Status.OPERATIONAL
    assert env.world.requests[OFFICIAL, "create"] == 1
    assert len(await env.entries(OFFICIAL)) == 1
    await env.check_ledgers()


async def test_a_follower_that_takes_an_order_forwards_its_evidence(start: Start) -> None:
    env = await start(OFFICIAL)
    await env.kill()
    follower = await env.restart(is_leader=False)

    await follower.generate(OFFICIAL)
    forwarded: list[Evidence] = []

    async def note(piece: Evidence) -> None:
        forwarded.append(piece)

    await follower.history.forwarded_evidence.consume(note)

    assert [each.source for each in forwarded] == [Source.ACCEPTANCE, Source.GENERATION]
    assert env.world.requests[OFFICIAL, "create"] == 1


async def test_a_process_that_orders_shows_the_probe_that_is_under_way(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, SLOW)
    own = asyncio.create_task(env.generate(OFFICIAL))
    await env.wait_for_requests(OFFICIAL, "poll", 1)
    command = await command_beside(env)

    assert await command.generate(OFFICIAL) == await own
    assert env.world.requests[OFFICIAL, "create"] == 1


async def test_the_leader_sends_no_generation_beside_an_ordered_one(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, SLOW)
    command = await command_beside(env)
    ordered = await command.paid_probes.start(command.services[OFFICIAL])

    found = await env.generate(OFFICIAL)

    assert found == await command.paid_probes.result(ordered)
    assert env.world.requests[OFFICIAL, "create"] == 1


async def test_the_process_that_orders_is_told_which_budget_refuses_it(start: Start) -> None:
    env = await start(OFFICIAL, budget=Budget(per_day=Decimal("0.39")))
    command = await command_beside(env)

    with pytest.raises(ProbeWithheldError, match=r"budget .*0\.39"):
        await command.generate(OFFICIAL)

    assert env.world.requests[OFFICIAL, "create"] == 0
    assert await env.entries(OFFICIAL) == ()
    assert await env.outcomes(OFFICIAL) == []


async def test_an_order_that_no_server_takes_is_withdrawn(start: Start) -> None:
    env = await start(OFFICIAL)
    await env.kill()
    command = await command_beside(env)

    with pytest.raises(ProbeWithheldError, match="no running server took the order within 60 s"):
        await command.generate(OFFICIAL)

    assert await command.paid_probes.open_probes() == ()


async def test_a_process_that_is_interrupted_withdraws_its_order(start: Start) -> None:
    env = await start(OFFICIAL)
    await env.kill()
    command = await command_beside(env)
    probe = await command.paid_probes.start(command.services[OFFICIAL])

    waiting = asyncio.create_task(command.paid_probes.result(probe))
    await env.clock.sleep(timedelta(seconds=1))
    waiting.cancel()
    await asyncio.wait([waiting])

    assert await command.paid_probes.open_probes() == ()


async def test_an_order_older_than_a_minute_is_not_sent(start: Start) -> None:
    env = await start(OFFICIAL)
    await env.kill()
    command = await command_beside(env)
    probe = await command.paid_probes.start(command.services[OFFICIAL])
    await env.clock.sleep(timedelta(seconds=61))

    later = await env.restart()

    with pytest.raises(ProbeWithheldError):
        await later.paid_probes.result(probe)
    assert env.world.requests[OFFICIAL, "create"] == 0


async def test_a_probe_that_no_process_ends_in_time_is_reported_as_unfinished(
    start: Start,
) -> None:
    env = await start(OFFICIAL, job_timeout=1.0)
    probe = await env.paid_probes.start(env.services[OFFICIAL])
    await env.kill()
    command = await command_beside(env)

    with pytest.raises(ProbeUnfinishedError, match="within its time limit of 661 s"):
        await command.paid_probes.result(probe)

    assert (await env.attempt()).is_open


async def test_a_server_leaves_an_order_for_a_service_that_it_does_not_have(start: Start) -> None:
    # Beats that a busy machine keeps: a process that is late is taken for dead.
    env = await start(OFFICIAL, RELAY, speed=10.0)
    command = await command_beside(env)
    await env.board.apply_config([env.services[RELAY]], PolicyOptions())

    probe = await command.paid_probes.start(command.services[OFFICIAL])
    await env.clock.sleep(3 * BEAT_INTERVAL)

    stored = await env.history.videos.record(probe.id)
    assert (stored.video.owner, stored.video.epoch) == ("", 1)
    assert env.world.requests[OFFICIAL, "create"] == 0


async def test_a_check_without_a_server_takes_over_probes_and_no_callers_video(
    start: Start,
) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, SLOW)
    probe = await env.paid_probes.start(env.services[OFFICIAL])
    await env.wait_for_requests(OFFICIAL, "poll", 1)
    await env.kill()
    command = await env.restart(follows=False)
    callers = replace(probe, id=VideoId("video_1"), kind=VideoKind.VIDEO, owner="")
    await command.jobs.journal.create(callers, None)

    async with command.jobs.followers.following(VideoKind.PROBE):
        found = await command.generate(OFFICIAL)

    left = await command.history.videos.record(callers.id)
    assert found.failure is None
    assert left.video.owner == ""
    assert env.world.requests[OFFICIAL, "create"] == 1
    assert not command.jobs.followers.active_count
