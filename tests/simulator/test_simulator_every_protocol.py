"""Faults are the kernel's: each of them works at every protocol and dialect."""

import json
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.world import Simulation
from tests.protocols import ALL, least_creates, scenario_of

Start = Callable[..., Awaitable[Simulation]]
SCENARIO = scenario_of(*ALL)


CREATES = least_creates(*ALL)
everywhere = pytest.mark.parametrize("upstream", CREATES)


async def created(
    http: aiohttp.ClientSession, world: Simulation, upstream: str, seconds: float = 10
) -> tuple[int, str, bytes]:
    """Create one job; return status, media type and body."""
    create = CREATES[upstream]
    bearer = f"Bearer {world.scenario.upstreams[upstream].keys[0].key}"
    headers = {"authorization": create.authorization or bearer, **(create.headers or {})}
    url = world.base_urls[upstream] + create.path
    timeout = aiohttp.ClientTimeout(seconds)
    if create.is_form:
        body: Mapping[str, object] = {
            "data": aiohttp.FormData(create.body, default_to_multipart=True)
        }
    else:
        body = {
            "data": json.dumps(create.body),
            "headers": headers | {"content-type": "application/json"},
        }
    async with http.post(url, **{"headers": headers, "timeout": timeout, **body}) as response:  # type: ignore[arg-type]  # options by name
        return response.status, response.content_type, await response.read()


def strike(world: Simulation, upstream: str, **fault: object) -> None:
    service = CREATES[upstream].service
    world.override_faults(service, (FAULT_ADAPTER.validate_python(fault),))


async def test_every_protocol_and_dialect_is_here(start: Start) -> None:
    world = await start(SCENARIO)

    upstreams = {
        name: (each.protocol, each.dialect) for name, each in world.scenario.upstreams.items()
    }

    assert upstreams.keys() == CREATES.keys()
    assert set(upstreams.values()) == {
        (twin.name, dialect) for twin in TWINS.values() for dialect in twin.dialects
    }


@everywhere
async def test_a_create_is_accepted_read_and_billed(
    start: Start, http: aiohttp.ClientSession, upstream: str
) -> None:
    world = await start(SCENARIO)

    status, _, _ = await created(http, world, upstream)

    assert status in range(200, 300)
    (job,) = world.jobs.values()
    assert job.service == CREATES[upstream].service
    reading, service = job.reading, world.scenario.services[job.service]
    assert (reading.prompt, reading.model, reading.count) == ("a boat", service.model, 1)
    assert reading.size == service.sizes[0]
    assert reading.seconds == (service.lengths[0] if service.lengths else 0)


@everywhere
@pytest.mark.parametrize("accepts", [False, True])
@pytest.mark.parametrize("kind", ["hang", "reset"])
async def test_a_create_gets_no_answer_before_or_after_acceptance(
    start: Start, http: aiohttp.ClientSession, upstream: str, *, kind: str, accepts: bool
) -> None:
    world = await start(SCENARIO)
    strike(world, upstream, kind=kind, accepts=accepts)

    with pytest.raises((TimeoutError, aiohttp.ClientError)):
        await created(http, world, upstream, seconds=0.5)

    assert [job.answered for job in world.jobs.values()] == [False] * accepts


@everywhere
@pytest.mark.parametrize("accepts", [False, True])
async def test_a_create_is_refused_before_or_after_acceptance(
    start: Start, http: aiohttp.ClientSession, upstream: str, *, accepts: bool
) -> None:
    world = await start(SCENARIO)
    body = {"oops": True}
    strike(world, upstream, kind="refuse", http_status=500, body=body, accepts=accepts)

    status, _, text = await created(http, world, upstream)

    assert (status, json.loads(text)) == (500, body)
    assert len(world.jobs) == accepts


@everywhere
async def test_a_create_is_answered_too_late(
    start: Start, http: aiohttp.ClientSession, upstream: str
) -> None:
    world = await start(SCENARIO)
    strike(world, upstream, kind="answer_late", after=10_000)

    with pytest.raises(TimeoutError):
        await created(http, world, upstream, seconds=0.5)

    assert len(world.jobs) == 1


@everywhere
async def test_an_answer_is_cut(start: Start, http: aiohttp.ClientSession, upstream: str) -> None:
    world = await start(SCENARIO)
    strike(world, upstream, kind="cut", doors=["create"])

    with pytest.raises(aiohttp.ClientPayloadError):
        await created(http, world, upstream)

    assert len(world.jobs) == 1


@everywhere
async def test_an_answer_has_another_media_type(
    start: Start, http: aiohttp.ClientSession, upstream: str
) -> None:
    world = await start(SCENARIO)
    strike(world, upstream, kind="mislabel", doors=["create"])

    status, media_type, _ = await created(http, world, upstream)

    assert status in range(200, 300)
    assert media_type == "text/plain"


@everywhere
@pytest.mark.parametrize(
    ("fault", "status", "media_type"),
    [
        ({"kind": "result_late", "after": 10_000}, 404, "text/plain"),
        ({"kind": "expire"}, 404, "text/plain"),
        (
            {"kind": "refuse", "http_status": 200, "body": "<html>", "doors": ["content"]},
            200,
            "text/html",
        ),
        ({"kind": "mislabel"}, 200, "text/plain"),
        ({"kind": "reset", "doors": ["content"]}, None, ""),
        ({"kind": "cut"}, None, ""),
    ],
)
async def test_a_public_file_fails(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start,
    http: aiohttp.ClientSession,
    upstream: str,
    fault: dict[str, object],
    status: int | None,
    media_type: str,
) -> None:
    world = await start(SCENARIO, speed=1000)
    await created(http, world, upstream)
    (job,) = world.jobs.values()
    while job.progress_at(world.second()).status != "completed":
        async with http.get(f"{world.base_url}/_sim/ledger") as response:
            await response.read()
    strike(world, upstream, **fault)

    if status is None:
        with pytest.raises(aiohttp.ClientError):
            await downloaded(http, world.file_url(job))
    else:
        assert await downloaded(http, world.file_url(job)) == (status, media_type)


async def downloaded(http: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with http.get(url) as response:
        await response.read()
        return response.status, response.content_type
