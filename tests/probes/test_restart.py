"""A process dies during a paid probe, and the next process finishes it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryState
from tallylight.model.status import Status
from tallylight.probes.plan import ProbeTiming
from tallylight.probes.prober import Prober

Start = Callable[..., Awaitable[Any]]

OFFICIAL, RELAY, CHAT = "sora-2-official", "veo-3.1-reverse", "sora-2-reverse"


SLOW = {"kind": "slow", "factor": 20}
"""A fault that keeps jobs running until the process is killed, also on a busy machine."""


async def kill_after_request(env: Any, name: str, endpoint: str) -> None:
    """Start a paid probe and cancel it once an endpoint has had a request."""
    generating = asyncio.create_task(env.generate(name))
    await env.wait_for_requests(name, endpoint, 1)
    generating.cancel()
    await asyncio.wait([generating])


@pytest.mark.parametrize("name", [OFFICIAL, RELAY])
async def test_an_accepted_job_is_polled_to_its_end(start: Start, name: str) -> None:
    env = await start(name)
    env.set_faults(name, SLOW)
    await kill_after_request(env, name, "poll")
    board, paid_probes = await env.restart()
    (attempt,) = await paid_probes.open_attempts()
    assert attempt.state is AttemptState.ACCEPTED

    found = await paid_probes.resume(attempt)

    assert found.failure is None
    assert board.verdict(ServiceId(name)).status is Status.OPERATIONAL
    assert env.world.requests[name, "create"] == 1
    (entry,) = await env.entries(name)
    assert entry.state is EntryState.SETTLED
    assert await paid_probes.open_attempts() == ()
    await env.check_ledgers()


async def test_a_job_that_ended_during_the_downtime_is_not_stalled_and_has_no_latency(
    start: Start,
) -> None:
    env = await start(OFFICIAL, job_timeout=120.0)
    env.set_faults(OFFICIAL, SLOW)
    await kill_after_request(env, OFFICIAL, "poll")
    await env.clock.sleep(timedelta(seconds=200))
    _, paid_probes = await env.restart()
    (attempt,) = await paid_probes.open_attempts()

    found = await paid_probes.resume(attempt)

    assert found.failure is None
    assert found.latency is None


async def test_an_order_whose_acceptance_was_lost_is_found_in_the_list(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, {"kind": "hang", "accepts": True})
    await kill_after_request(env, OFFICIAL, "create")
    _, paid_probes = await env.restart()
    (attempt,) = await paid_probes.open_attempts()
    assert attempt.state is AttemptState.INTENDED

    found = await paid_probes.resume(attempt)

    assert found.failure is None
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT])
async def test_a_stored_attempt_is_not_sent_by_the_next_process(start: Start, name: str) -> None:
    env = await start(name)
    await env.paid_probes.prepare(env.services[name])
    board, paid_probes = await env.restart()
    (attempt,) = await paid_probes.open_attempts()

    found = await paid_probes.resume(attempt)

    assert found.failure is not None
    assert found.failure.fault is Fault.OURS
    assert board.verdict(ServiceId(name)).status is Status.UNKNOWN
    assert env.world.requests[name, "create"] == 0
    (entry,) = await env.entries(name)
    assert entry.state is EntryState.SETTLED  # it may have been sent
    assert await paid_probes.open_attempts() == ()


async def test_an_attempt_in_doubt_is_resolved_by_the_next_process(start: Start) -> None:
    env = await start(OFFICIAL)
    faults = [{"kind": "reset", "accepts": True}, {"kind": "incomplete_list", "omits": "all"}]
    env.set_faults(OFFICIAL, *faults)
    await kill_after_request(env, OFFICIAL, "list")
    env.set_faults(OFFICIAL)
    _, paid_probes = await env.restart()
    (attempt,) = await paid_probes.open_attempts()
    assert attempt.state is AttemptState.IN_DOUBT

    found = await paid_probes.resume(attempt)

    assert found.failure is None
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()


async def test_a_stream_that_the_kill_interrupted_counts_as_paid_and_is_our_fault(
    start: Start,
) -> None:
    env = await start(CHAT)
    env.set_faults(CHAT, {"kind": "slow", "factor": 20})
    async with env.board.subscribe() as events:
        generating = asyncio.create_task(env.generate(CHAT))
        accepted = await events.get()
        generating.cancel()
        await asyncio.wait([generating])
    board, paid_probes = await env.restart()
    (attempt,) = await paid_probes.open_attempts()
    assert accepted.source is Source.ACCEPTANCE
    assert attempt.state is AttemptState.ACCEPTED

    found = await paid_probes.resume(attempt)

    assert found.failure is not None
    assert found.failure.fault is Fault.OURS
    assert board.verdict(ServiceId(CHAT)).status is Status.UNKNOWN
    assert env.world.requests[CHAT, "create"] == 1
    await env.check_ledgers()


async def test_the_prober_resumes_an_unfinished_attempt_and_sends_no_other(
    start: Start,
) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, SLOW)
    await kill_after_request(env, OFFICIAL, "poll")
    board, paid_probes = await env.restart()
    prober = Prober(board, env.transport, paid_probes, env.clock, ProbeTiming)
    async with board.subscribe() as events:
        running = asyncio.create_task(prober.run())
        while True:
            event = await events.get()
            if isinstance(event, Evidence) and event.source is Source.GENERATION:
                break
        running.cancel()
        await asyncio.wait([running])

    assert event.failure is None
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()
