"""Every promise about a video holds under random faults in random order."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest

from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.model.ledger import EntryState
from tallylight.model.video import Video, VideoStatus
from tallylight.simulator.outcomes import JobStatus

from .conftest import AFTER_ALL_JOBS, RunningGateway, Start

# The chaos tests cover a create that hangs: sockets wait by the real clock, for minutes.
FAULTS: Sequence[dict[str, object]] = (
    {"kind": "refuse", "sign": "rate_limited"},
    {"kind": "refuse", "sign": "overloaded"},
    {"kind": "refuse", "sign": "suspended"},
    {"kind": "refuse", "http_status": 500, "body": {"error": {"message": "oops"}}},
    {"kind": "refuse", "http_status": 500, "body": {"error": {"message": "oops"}}, "accepts": True},
    {"kind": "reset", "accepts": True},
    {"kind": "reset", "accepts": False},
    {"kind": "hang", "accepts": True, "doors": ["poll"]},
    {"kind": "fail", "after": 3},
    {"kind": "stall"},
    {"kind": "slow", "factor": 2},
    {"kind": "expire"},
)
RANKS = tuple(VideoStatus)
VIDEOS = 10


def route_of(dice: Random, when_in_doubt: str) -> dict[str, object]:
    order = (
        {"explicit": True}
        if dice.random() < 0.5
        else {"explicit": False, "prefer": "most_reliable"}
    )
    services = dice.sample(["a", "b", "c"], 3)
    return {"services": services, "when_in_doubt": when_in_doubt, "deadline": "3m", **order}


def set_random_faults(gateway: RunningGateway, dice: Random) -> None:
    for name in "abc":
        some = dice.sample(FAULTS, dice.randrange(3))
        gateway.set_faults(name, *({**one, "share": 0.3} for one in some))


async def run_to_end(gateway: RunningGateway, dice: Random, prompt: str) -> Sequence[Video]:
    """Return the states of a video that its caller observes; none if it is refused."""
    await gateway.clock.sleep(timedelta(seconds=dice.uniform(0, 60)))
    try:
        seen = [await gateway.create(prompt)]
    except ApiError:
        return ()
    async with asyncio.timeout(90):
        while not seen[-1].is_terminal:
            seen.append(
                await gateway.wiring.gateway.wait_for_change(
                    seen[0].id, ANONYMOUS, timedelta(seconds=9)
                )
            )
    return seen


def delivered(gateway: RunningGateway, prompt: str) -> int:
    """Return the number of delivered jobs of a prompt that the simulation bills in the end."""
    end = gateway.simulation.second() + AFTER_ALL_JOBS
    entries = [one for one in gateway.simulation.ledger.entries if one.prompt == prompt]
    return sum(
        one.progress_at(end).status is JobStatus.COMPLETED and one.billed_usd(end) > 0
        for one in entries
    )


@pytest.mark.parametrize("seed", range(3))
async def test_every_promise_holds_under_random_faults(start: Start, seed: int) -> None:
    dice = Random(seed)  # noqa: S311  # chance that can be repeated, no secret
    when_in_doubt = ("reconcile", "wait", "pay_twice")[seed]
    bills = {
        name: {
            "bills": dice.choice(["deliveries", "acceptances"]),
            "job_timeout": "90s",
            "timeout": "2s",
        }
        for name in ("first", "second", "relay")
    }
    gateway = await start(route=route_of(dice, when_in_doubt), upstreams=bills)
    set_random_faults(gateway, dice)
    prompts = [f"boat {number}" for number in range(VIDEOS)]

    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(run_to_end(gateway, dice, prompt)) for prompt in prompts]
        for _ in range(3):
            await gateway.clock.sleep(timedelta(seconds=20))
            set_random_faults(gateway, dice)
    observed = dict(zip(prompts, (each.result() for each in asking), strict=True))

    assert sum(bool(seen) for seen in observed.values()) >= 4  # most creates are not refused
    for prompt, seen in observed.items():
        if not seen:
            assert delivered(gateway, prompt) == 0  # a refused create costs nothing
            continue
        video = seen[-1]
        assert all(RANKS.index(a.status) <= RANKS.index(b.status) for a, b in pairwise(seen))
        assert all(a.progress <= b.progress for a, b in pairwise(seen))
        assert await gateway.wiring.gateway.video(video.id, ANONYMOUS) == video
        assert (video.status is VideoStatus.COMPLETED) or video.error is not None
        if when_in_doubt != "pay_twice":
            assert delivered(gateway, prompt) <= 1
        if video.status is VideoStatus.COMPLETED:
            assert delivered(gateway, prompt) >= 1
        attempts = await gateway.attempts(video)
        assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
        assert not any(attempt.is_open for attempt in attempts)
    entries = await gateway.storage.ledger.entries(limit=1000)
    assert not [entry for entry in entries if entry.state is EntryState.RESERVED]
    recorded = sum(entry.amount or 0 for entry in entries)
    assert recorded >= sum(
        one.billed_usd(gateway.simulation.second() + AFTER_ALL_JOBS)
        for one in gateway.simulation.ledger.entries
    )
