"""Clients of several processes on one database: no video is paid twice."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from tallylight import AsyncMonitor, AsyncVideoClient
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.clock import Clock
from tallylight.model.evidence import Source
from tallylight.model.ids import ServiceId, VideoId
from tallylight.model.status import Status
from tallylight.model.video import VideoStatus
from tallylight.simulator.world import Simulation
from tallylight.storage.tables import processes_table

from .conftest import SPEED, Configure, Open, SetFaults

LATER = 100_000.0  # seconds after which every job of the simulation has ended

NewDatabase = Callable[[str | None], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('clients') / 'history.db'}"
    make: NewDatabase = request.getfixturevalue("new_postgres")
    return make(None)


def runtime_of(client: AsyncVideoClient) -> Runtime:
    """Return the runtime of an open client."""
    runtime = client._gateway._runtime
    assert runtime is not None
    return runtime


def deliveries(world: Simulation, prompt: str) -> int:
    """Return how many videos of a prompt the simulation billed, after all jobs have ended."""
    entries = [one for one in world.ledger.entries if one.prompt == prompt]
    return sum(one.billed_usd(world.second() + LATER) > 0 for one in entries)


async def test_one_client_reads_the_video_that_another_created(
    open_client: Open, world: Simulation
) -> None:
    first, second = open_client(), open_client()

    video = await first.create("a paper boat", idempotency_key="order-1")
    seen = await (await second.video(video.id)).wait()
    again = await second.create("a paper boat", idempotency_key="order-1")

    assert (seen.status, again.id) == (VideoStatus.COMPLETED, video.id)
    assert deliveries(world, "a paper boat") == 1


async def test_the_same_key_at_the_same_moment_is_one_video(
    open_client: Open, world: Simulation
) -> None:
    first, second = open_client(), open_client()
    await asyncio.gather(first.list(), second.list())

    videos = await asyncio.gather(
        *(client.create("a paper boat", idempotency_key="mine") for client in (first, second))
    )

    assert videos[0].id == videos[1].id
    assert world.requests["official", "create"] == 1


async def test_a_closed_client_releases_its_videos_to_others(
    open_client: Open, set_faults: SetFaults, world: Simulation
) -> None:
    set_faults("official", {"kind": "slow", "factor": 10})
    leaving, staying = open_client(), open_client()
    await staying.list()
    video = await leaving.create("a paper boat")

    await leaving.aclose()
    seen = await (await staying.video(video.id)).wait(timeout=60)

    assert (seen.status, seen.service, seen.attempts) == ("completed", "official", 1)
    assert deliveries(world, "a paper boat") == 1


async def test_a_video_waits_for_the_next_client_if_none_is_open(
    open_client: Open, set_faults: SetFaults, world: Simulation
) -> None:
    set_faults("official", {"kind": "slow", "factor": 10})
    leaving = open_client()
    video = await leaving.create("a paper boat")
    await leaving.aclose()

    seen = await (await open_client().video(video.id)).wait(timeout=60)

    assert seen.status is VideoStatus.COMPLETED
    assert world.requests["official", "create"] == 1


async def test_the_next_client_knows_the_evidence_of_the_last(
    open_client: Open, set_faults: SetFaults
) -> None:
    set_faults("official", {"kind": "fail", "after": 1})
    first = open_client()
    await (await first.create("a paper boat")).wait()
    await first.aclose()

    second = open_client()
    await second.list()

    runtime = runtime_of(second)
    lost = runtime.board.latest_evidence(ServiceId("official"), Source.TRAFFIC)
    assert lost is not None
    assert lost.is_bad
    delivered = await runtime.history.evidence(ServiceId("forwarded"))
    assert Source.TRAFFIC in {piece.source for piece in delivered}


async def test_the_leader_judges_a_clients_evidence(
    open_client: Open, configure: Configure, clock: Clock
) -> None:
    async with open_runtime(configure(), clock) as judge:
        client = open_client()
        await (await client.create("a paper boat")).wait()
        async with asyncio.timeout(60):
            while judge.board.latest_evidence(ServiceId("official"), Source.TRAFFIC) is None:
                await clock.sleep(timedelta(seconds=1))
                await judge.judge_forwarded_evidence()

        assert (judge.is_leader, runtime_of(client).is_leader) == (True, False)
        assert judge.board.verdict(ServiceId("official")).status is Status.OPERATIONAL


async def test_a_closed_client_is_dead_at_once(open_client: Open, set_faults: SetFaults) -> None:
    set_faults("official", {"kind": "stall"})
    leaving, staying = open_client(), open_client()
    await staying.list()
    video = await leaving.create("a paper boat")
    name = runtime_of(leaving).probing.followers.owner

    await leaving.aclose()

    storage = runtime_of(staying).history
    async with storage.connections.read_transaction() as connection:
        dead = await connection.scalars(
            select(processes_table.c.name).where(processes_table.c.dead_at_us.is_not(None))
        )
        assert name in set(dead)
    record = await storage.videos.record(VideoId(video.id))
    assert record is not None
    assert not record.video.is_terminal


async def test_a_paid_check_of_a_monitor_beside_a_server_is_made_by_the_server(
    configure: Configure, clock: Clock, world: Simulation
) -> None:
    still = {"reach": "off", "credentials": "off", "generation": "off"}
    async with open_runtime(configure(probes=still), clock) as server:
        serving = asyncio.create_task(server.run())
        async with AsyncMonitor(configure(probes=still), clock=clock) as monitor:
            verdict = await monitor.check("official", "generation")
        found = await server.history.evidence(ServiceId("official"))
        serving.cancel()
        await asyncio.wait([serving])

    assert verdict.status is Status.OPERATIONAL
    assert [each.source for each in found].count(Source.GENERATION) == 1
    assert world.requests["official", "create"] == 1


async def test_a_closed_client_stays_closed(client: AsyncVideoClient) -> None:
    video = await client.create("a paper boat")

    await client.aclose()
    await client.aclose()

    for call in (client.list, video.refresh):
        with pytest.raises(RuntimeError, match="this client is closed"):
            await call()


async def test_closing_a_client_ends_its_calls(
    client: AsyncVideoClient, set_faults: SetFaults
) -> None:
    set_faults("official", {"kind": "slow", "factor": 100})
    video = await client.create("a paper boat")
    waiting = asyncio.create_task(video.wait())
    await asyncio.wait((waiting,), timeout=5 / SPEED)

    await client.aclose()

    with pytest.raises(RuntimeError, match="this client is closed"):
        await asyncio.wait_for(waiting, 10)
