"""A process dies during a paid probe, and the next process finishes it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryState
from tallylight.model.status import Status
from tallylight.storage.engine import LockId
from tallylight.storage.tables import processes_table, videos_table

Start = Callable[..., Awaitable[Any]]

OFFICIAL, RELAY, CHAT = "sora-2-official", "veo-3.1-reverse", "sora-2-reverse"


SLOW = {"kind": "slow", "factor": 20}
"""A fault that keeps jobs running until the process is killed, also on a busy machine."""


async def kill_after_request(env: Any, name: str, endpoint: str) -> AttemptState:
    """Start a paid probe, kill its process once an endpoint has had a request; return its state."""
    await env.paid_probes.start(env.services[name])
    await env.wait_for_requests(name, endpoint, 1)
    await env.kill()
    state: AttemptState = (await env.attempt()).state
    return state


async def finish_after_restart(env: Any) -> tuple[Any, Evidence]:
    """Start the next process; return it and the evidence of the probe that it takes over."""
    later = await env.restart()
    (probe,) = await later.paid_probes.open_probes()
    return later, await later.paid_probes.result(probe)


@pytest.mark.parametrize("name", [OFFICIAL, RELAY])
async def test_an_accepted_job_is_polled_to_its_end(start: Start, name: str) -> None:
    env = await start(name)
    env.set_faults(name, SLOW)

    state = await kill_after_request(env, name, "poll")
    later, found = await finish_after_restart(env)

    assert state is AttemptState.ACCEPTED
    assert found.failure is None
    assert later.board.verdict(ServiceId(name)).status is Status.OPERATIONAL
    assert env.world.requests[name, "create"] == 1
    (entry,) = await env.entries(name)
    assert entry.state is EntryState.SETTLED
    assert await later.paid_probes.open_probes() == ()
    assert await later.outcomes(name) == [found]
    await env.check_ledgers()


async def test_a_job_that_ended_during_the_downtime_is_not_stalled_and_has_no_latency(
    start: Start,
) -> None:
    env = await start(OFFICIAL, job_timeout=120.0)
    env.set_faults(OFFICIAL, SLOW)

    await kill_after_request(env, OFFICIAL, "poll")
    await env.clock.sleep(timedelta(seconds=200))
    _, found = await finish_after_restart(env)

    assert found.failure is None
    assert found.latency is None


async def test_an_order_whose_acceptance_was_lost_is_found_in_the_list(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, {"kind": "hang", "accepts": True})

    state = await kill_after_request(env, OFFICIAL, "create")
    _, found = await finish_after_restart(env)

    assert state is AttemptState.INTENDED
    assert found.failure is None
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT])
async def test_an_attempt_that_was_not_sent_is_not_sent_by_the_next_process(
    start: Start, name: str
) -> None:
    env = await start(name)
    await env.paid_probes.start(env.services[name])  # its task has not run yet

    await env.kill()
    later, found = await finish_after_restart(env)

    assert found.failure is not None
    assert found.failure.fault is Fault.OURS
    assert later.board.verdict(ServiceId(name)).status is Status.UNKNOWN
    assert env.world.requests[name, "create"] == 0
    assert (await later.attempt()).state is AttemptState.UNRESOLVED
    (entry,) = await env.entries(name)
    assert entry.state is EntryState.SETTLED  # it may have been sent
    assert await later.paid_probes.open_probes() == ()


async def test_an_attempt_in_doubt_is_resolved_by_the_next_process(start: Start) -> None:
    env = await start(OFFICIAL)
    faults = [{"kind": "reset", "accepts": True}, {"kind": "incomplete_list", "omits": "all"}]
    env.set_faults(OFFICIAL, *faults)

    state = await kill_after_request(env, OFFICIAL, "list")
    env.set_faults(OFFICIAL)
    _, found = await finish_after_restart(env)

    assert state is AttemptState.IN_DOUBT
    assert found.failure is None
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()


async def test_a_stream_that_the_kill_interrupted_counts_as_paid_and_is_our_fault(
    start: Start,
) -> None:
    env = await start(CHAT)
    env.set_faults(CHAT, SLOW)
    async with env.board.subscribe() as events:
        await env.paid_probes.start(env.services[CHAT])
        accepted = await events.get()

    await env.kill()
    later, found = await finish_after_restart(env)

    assert accepted.source is Source.ACCEPTANCE
    assert found.failure is not None
    assert found.failure.fault is Fault.OURS
    assert later.board.verdict(ServiceId(CHAT)).status is Status.UNKNOWN
    assert (await later.attempt()).state is AttemptState.UNRESOLVED
    assert env.world.requests[CHAT, "create"] == 1
    await env.check_ledgers()


async def test_a_process_that_lost_a_probe_reports_no_evidence_about_it(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, SLOW)
    probe = await env.paid_probes.start(env.services[OFFICIAL])
    await env.wait_for_requests(OFFICIAL, "poll", 1)
    later = await env.restart()

    await env.history.videos._claim(later.jobs.followers.owner, videos_table.c.id == probe.id)
    found = await later.paid_probes.result(probe)
    also_found = await env.paid_probes.result(probe)

    assert found.failure is None
    assert also_found.failure is None
    assert await later.outcomes(OFFICIAL) == [found]
    await env.check_ledgers()


async def test_a_probe_of_a_process_that_was_declared_dead_is_ended_once(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, SLOW)
    dead = await env.restart(follows=False)  # it does not beat, so it keeps its name
    async with env.history.connections.durable_transaction(LockId.PROCESS) as connection:
        await connection.execute(
            update(processes_table)
            .where(processes_table.c.name == dead.jobs.followers.owner)
            .values(dead_at_us=env.clock.now())
        )

    found = await dead.generate(OFFICIAL)

    assert found.failure is None
    assert len(await env.outcomes(OFFICIAL)) == 1
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()


async def test_the_prober_sends_no_generation_beside_an_open_one(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, SLOW)
    await kill_after_request(env, OFFICIAL, "poll")
    later = await env.restart()

    async with later.board.subscribe() as events:
        running = asyncio.create_task(later.prober.run())
        while True:
            event = await events.get()
            if isinstance(event, Evidence) and event.source is Source.GENERATION:
                break
        running.cancel()
        await asyncio.wait([running])

    assert event.failure is None
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()
