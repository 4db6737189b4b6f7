"""Whatever befalls the services, in whatever order: what is promised of each video holds."""

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

from .conftest import LATER, Start, Studio

# A create that hangs is left to the chaos tests: sockets wait by the real clock, for minutes.
TROUBLES: Sequence[dict[str, object]] = (
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


def trouble_all(studio: Studio, dice: Random) -> None:
    for name in "abc":
        some = dice.sample(TROUBLES, dice.randrange(3))
        studio.trouble(name, *({**one, "share": 0.3} for one in some))


async def seen_to_its_end(studio: Studio, dice: Random, prompt: str) -> Sequence[Video]:
    """Return what a caller is told of a video from first to last; nothing if it is refused."""
    await studio.clock.sleep(timedelta(seconds=dice.uniform(0, 60)))
    try:
        seen = [await studio.create(prompt)]
    except ApiError:
        return ()
    async with asyncio.timeout(90):
        while not seen[-1].is_terminal:
            seen.append(
                await studio.switchboard.gateway.wait_for_change(
                    seen[0].id, ANONYMOUS, timedelta(seconds=9)
                )
            )
    return seen


def delivered(studio: Studio, prompt: str) -> int:
    """Return for how many finished videos of a prompt the world takes money in the end."""
    end = studio.world.second() + LATER
    entries = [one for one in studio.world.ledger.entries if one.prompt == prompt]
    return sum(
        one.job_status(end) is JobStatus.COMPLETED and one.billed_usd(end) > 0 for one in entries
    )


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_befalls_the_services_every_promise_holds(start: Start, seed: int) -> None:
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
    studio = await start(route=route_of(dice, when_in_doubt), upstreams=bills)
    trouble_all(studio, dice)
    prompts = [f"boat {number}" for number in range(VIDEOS)]

    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(seen_to_its_end(studio, dice, prompt)) for prompt in prompts]
        for _ in range(3):
            await studio.clock.sleep(timedelta(seconds=20))
            trouble_all(studio, dice)
    told = dict(zip(prompts, (each.result() for each in asking), strict=True))

    assert sum(bool(seen) for seen in told.values()) >= 4  # most are not simply refused
    for prompt, seen in told.items():
        if not seen:
            assert delivered(studio, prompt) == 0  # who is refused pays for nothing
            continue
        video = seen[-1]
        assert all(RANKS.index(a.status) <= RANKS.index(b.status) for a, b in pairwise(seen))
        assert all(a.progress <= b.progress for a, b in pairwise(seen))
        assert await studio.switchboard.gateway.video(video.id, ANONYMOUS) == video
        assert (video.status is VideoStatus.COMPLETED) or video.error is not None
        if when_in_doubt != "pay_twice":
            assert delivered(studio, prompt) <= 1
        if video.status is VideoStatus.COMPLETED:
            assert delivered(studio, prompt) >= 1
        attempts = await studio.attempts(video)
        assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
        assert not any(attempt.is_open for attempt in attempts)
    entries = await studio.history.ledger.entries(limit=1000)
    assert not [entry for entry in entries if entry.state is EntryState.RESERVED]
    written = sum(entry.amount for entry in entries)
    assert written >= sum(
        one.billed_usd(studio.world.second() + LATER) for one in studio.world.ledger.entries
    )
