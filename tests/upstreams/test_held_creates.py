"""A create that is held until the work is done has time enough, and takes no place from others."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.jobs.submit import CreateTiming
from tallylight.upstreams import transport as transport_module
from tallylight.upstreams.messages import Phase, post_json
from tallylight.upstreams.transport import Transport

MakeUpstream = Callable[..., Upstream]
Serve = Callable[..., Awaitable[str]]

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("protocol", "left", "within"),
    [
        ("openai_images", HOUR, timedelta(minutes=5)),
        ("openai_images", timedelta(minutes=3), timedelta(minutes=3)),
        ("openai_videos", HOUR, timedelta(minutes=2)),
        ("openai_videos", timedelta(minutes=3), timedelta(minutes=1.5)),
    ],
)
def test_a_held_create_has_the_time_of_its_protocol(
    make_upstream: MakeUpstream, protocol: str, left: timedelta, within: timedelta
) -> None:
    upstream = make_upstream(protocol=protocol)

    assert CreateTiming().answer_within(upstream, left) == within


async def test_creates_that_are_held_leave_the_places_of_others(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport_module, "_MAX_CONCURRENT_PER_HOST", 1)
    arrived = asyncio.Semaphore(0)

    async def hold(_: bytes, __: asyncio.StreamWriter) -> None:
        arrived.release()
        await asyncio.Event().wait()

    address = await serve(hold)
    images = make_upstream(address, protocol="openai_images")
    create = post_json(Phase.CREATE, "/images/generations", {"prompt": "a boat"})
    async with asyncio.TaskGroup() as group, asyncio.timeout(5):
        waiting = [
            group.create_task(transport.send(create, upstream))
            for upstream in (images, images, make_upstream(address))
        ]

        for _ in waiting:
            await arrived.acquire()

        for task in waiting:
            task.cancel()
