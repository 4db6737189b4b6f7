"""A process dies in the middle of a paid probe, and the next one takes it to its end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tallylight.model.attempt import AttemptState
from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryState
from tallylight.model.status import Status
from tallylight.probes.plan import ProbeTiming
from tallylight.probes.prober import Prober

Start = Callable[..., Awaitable[Any]]

OFFICIAL, RELAY, CHAT = "sora-2-official", "veo-3.1-reverse", "sora-2-reverse"


SLOW = {"kind": "slow", "factor": 20}
"""Jobs that are still under way when a busy machine comes to kill who waits for them."""


async def killed_once(house: Any, name: str, door: str) -> None:
    """Begin a paid probe and end it where it stands, once a door was knocked at."""
    generating = asyncio.create_task(house.generate(name))
    await house.knocked(name, door, 1)
    generating.cancel()
    await asyncio.wait([generating])


@pytest.mark.parametrize("name", [OFFICIAL, RELAY])
async def test_an_accepted_job_is_followed_to_its_end(start: Start, name: str) -> None:
    house = await start(name)
    house.trouble(name, SLOW)
    await killed_once(house, name, "poll")
    board, generations = await house.restarted()
    (attempt,) = await generations.unfinished()
    assert attempt.state is AttemptState.ACCEPTED

    found = await generations.follow(attempt)

    assert found.failure is None
    assert board.verdict(ServiceId(name)).status is Status.OPERATIONAL
    assert house.world.requests[name, "create"] == 1
    (entry,) = await house.entries(name)
    assert entry.state is EntryState.SETTLED
    assert await generations.unfinished() == ()
    await house.check_books()


async def test_a_job_that_was_done_long_ago_is_no_stalled_one_and_tells_no_time(
    start: Start,
) -> None:
    house = await start(OFFICIAL, job_timeout=120.0)
    house.trouble(OFFICIAL, SLOW)
    await killed_once(house, OFFICIAL, "poll")
    await house.clock.sleep(timedelta(seconds=200))
    _, generations = await house.restarted()
    (attempt,) = await generations.unfinished()

    found = await generations.follow(attempt)

    assert found.failure is None
    assert found.latency is None


async def test_an_order_that_was_accepted_unheard_is_found_in_the_list(start: Start) -> None:
    house = await start(OFFICIAL)
    house.trouble(OFFICIAL, {"kind": "hang", "accepts": True})
    await killed_once(house, OFFICIAL, "create")
    _, generations = await house.restarted()
    (attempt,) = await generations.unfinished()
    assert attempt.state is AttemptState.INTENDED

    found = await generations.follow(attempt)

    assert found.failure is None
    assert house.world.requests[OFFICIAL, "create"] == 1
    await house.check_books()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT])
async def test_an_order_that_was_written_down_is_not_sent_by_the_next_process(
    start: Start, name: str
) -> None:
    house = await start(name)
    await house.generations.place(house.services[name])
    board, generations = await house.restarted()
    (attempt,) = await generations.unfinished()

    found = await generations.follow(attempt)

    assert found.failure is not None
    assert found.failure.fault is Fault.OURS
    assert board.verdict(ServiceId(name)).status is Status.UNKNOWN
    assert house.world.requests[name, "create"] == 0
    (entry,) = await house.entries(name)
    assert entry.state is EntryState.SETTLED  # it may have been sent, for all that is known
    assert await generations.unfinished() == ()


async def test_a_doubt_outlives_the_process_and_is_resolved_by_the_next(start: Start) -> None:
    house = await start(OFFICIAL)
    troubles = [{"kind": "reset", "accepts": True}, {"kind": "incomplete_list", "omits": "all"}]
    house.trouble(OFFICIAL, *troubles)
    await killed_once(house, OFFICIAL, "list")
    house.trouble(OFFICIAL)
    _, generations = await house.restarted()
    (attempt,) = await generations.unfinished()
    assert attempt.state is AttemptState.IN_DOUBT

    found = await generations.follow(attempt)

    assert found.failure is None
    assert house.world.requests[OFFICIAL, "create"] == 1
    await house.check_books()


async def test_a_stream_that_the_kill_cut_off_counts_as_paid_and_blames_nobody_else(
    start: Start,
) -> None:
    house = await start(CHAT)
    house.trouble(CHAT, {"kind": "slow", "factor": 20})
    async with house.board.subscribe() as events:
        generating = asyncio.create_task(house.generate(CHAT))
        accepted = await events.get()
        generating.cancel()
        await asyncio.wait([generating])
    board, generations = await house.restarted()
    (attempt,) = await generations.unfinished()
    assert accepted.source is Source.ACCEPTANCE
    assert attempt.state is AttemptState.ACCEPTED

    found = await generations.follow(attempt)

    assert found.failure is not None
    assert found.failure.fault is Fault.OURS
    assert board.verdict(ServiceId(CHAT)).status is Status.UNKNOWN
    assert house.world.requests[CHAT, "create"] == 1
    await house.check_books()


async def test_the_prober_takes_up_what_was_left_and_orders_nothing_beside_it(
    start: Start,
) -> None:
    house = await start(OFFICIAL)
    house.trouble(OFFICIAL, SLOW)
    await killed_once(house, OFFICIAL, "poll")
    board, generations = await house.restarted()
    prober = Prober(board, house.transport, generations, house.clock, ProbeTiming)
    async with board.subscribe() as events:
        running = asyncio.create_task(prober.run())
        while True:
            event = await events.get()
            if isinstance(event, Evidence) and event.source is Source.GENERATION:
                break
        running.cancel()
        await asyncio.wait([running])

    assert event.failure is None
    assert house.world.requests[OFFICIAL, "create"] == 1
    await house.check_books()
