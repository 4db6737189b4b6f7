"""The live control and the ledger, over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tallylight.simulator.files import load_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
Put = Callable[..., Awaitable[tuple[int, dict[str, object]]]]
SORA = "sora-2-official"
AUTH = {"authorization": "Bearer sim-openai-key"}


@pytest.fixture
def put(http: aiohttp.ClientSession) -> Put:
    """Send a command for one service."""

    async def put(
        world: Simulation, body: object, service: str = SORA
    ) -> tuple[int, dict[str, object]]:
        url = f"{world.base_url}/_sim/services/{service}"
        async with http.put(url, json=body) as response:
            document = await response.json()
            assert isinstance(document, dict)
            return response.status, document

    return put


async def create(http: aiohttp.ClientSession, world: Simulation, prompt: str = "a boat") -> int:
    async with http.post(
        f"{world.base_urls['openai']}/videos", json={"prompt": prompt}, headers=AUTH
    ) as response:
        await response.read()
        return response.status


async def ledger(http: aiohttp.ClientSession, world: Simulation) -> dict[str, object]:
    async with http.get(f"{world.base_url}/_sim/ledger") as response:
        document = await response.json()
        assert isinstance(document, dict)
        return document


async def test_a_service_is_switched_off_and_on_again(
    start: Start, put: Put, http: aiohttp.ClientSession
) -> None:
    world = await start()

    status, off = await put(world, {"status": "off"})
    while_off = await create(http, world)
    _, on = await put(world, None)

    assert (status, off["fault_source"]) == (200, "live")
    assert while_off == 503
    assert on["faults"] == []
    assert await create(http, world) == 200


async def test_a_fault_is_injected_into_a_service(
    start: Start, put: Put, http: aiohttp.ClientSession
) -> None:
    world = await start()

    _, document = await put(world, {"fault": {"kind": "refuse", "sign": "quota", "share": 1}})

    assert document["faults"] == [{"kind": "refuse", "sign": "quota"}]
    assert await create(http, world) == 429


async def test_the_scenarios_faults_can_be_ended_and_restored(start: Start, put: Put) -> None:
    world = await start("january")
    reverse = "sora-2-reverse"

    scripted = [fault.kind for fault in world.active_faults(reverse)]
    await put(world, {"fault": None}, reverse)
    ended = world.active_faults(reverse)
    await put(world, {"status": "script"}, reverse)

    assert scripted == ["refuse"]
    assert ended == ()
    assert [fault.kind for fault in world.active_faults(reverse)] == scripted


async def test_faults_may_end_after_some_seconds(start: Start, put: Put) -> None:
    world = await start(speed=1000)

    await put(world, {"faults": [{"kind": "stall"}, {"kind": "hang"}], "for": 20})

    async with asyncio.timeout(5):
        while world.active_faults(SORA):
            await put(world, {"status": "nonsense"})
    assert world.fault_source(SORA) == "script"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"status": "broken"}, "status: Input should be 'off', 'on' or 'script'"),
        ({"fault": {"kind": "explode"}}, "'refuse', 'hang', 'reset'"),
        ({"fault": {"kind": "stall", "att": 3}}, "unknown key 'att'; allowed are share, feed"),
        ({"truble": {}}, "unknown key 'truble'; allowed are fault, faults, status, for"),
        ({}, "give exactly one of"),
        ({"status": "off", "fault": None}, "give exactly one of"),
        ([1], "object"),
    ],
)
async def test_an_invalid_command_is_refused_with_the_reason(
    start: Start, put: Put, body: object, reason: str
) -> None:
    world = await start()

    status, document = await put(world, body)

    assert status == 422
    assert reason in str(document["error"])
    assert world.active_faults(SORA) == ()


async def test_a_body_that_is_not_json_is_refused_with_the_reason(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()

    async with http.put(f"{world.base_url}/_sim/services/{SORA}", data=b"{oh") as response:
        assert response.status == 422
        assert "JSON" in (await response.json())["error"]


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_the_error_for_an_unknown_service_names_the_known_ones(
    start: Start, http: aiohttp.ClientSession, method: str
) -> None:
    world = await start()

    async with http.request(method, f"{world.base_url}/_sim/services/unknown") as response:
        assert response.status == 404
        assert "sora-2-official" in (await response.json())["error"]


async def test_services_and_scenario_are_returned(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start("january")

    async with http.get(f"{world.base_url}/_sim/services") as response:
        services = await response.json()
    async with http.get(f"{world.base_url}/_sim/scenario") as response:
        scenario = await response.json()

    assert [one["id"] for one in services] == list(world.scenario.services)
    assert scenario["base_urls"]["openai"] == world.base_urls["openai"]
    assert scenario["scenario"]["title"] == "28 January 2026"
    assert scenario["catalogue"]["upstreams"]["openai"]["feed"]["url"].endswith("/status/openai")


async def test_the_ledger_has_the_cost_of_each_prompt(
    start: Start, put: Put, http: aiohttp.ClientSession
) -> None:
    world = await start()
    await create(http, world, "one")
    await create(http, world, "two")
    await put(world, {"fault": {"kind": "reset", "accepts": True}})
    with pytest.raises(aiohttp.ClientError):
        await create(http, world, "two")

    document = await ledger(http, world)

    assert isinstance(document["by_prompt"], dict)
    assert {prompt: total["jobs"] for prompt, total in document["by_prompt"].items()} == {
        "one": 1,
        "two": 2,
    }
    assert isinstance(document["entries"], list)
    assert [entry["answered"] for entry in document["entries"]] == [True, True, False]
    assert isinstance(document["total"], dict)
    assert document["total"]["billed_usd"] == pytest.approx(1.20)


@pytest.mark.parametrize(
    ("service", "before", "after", "state"),
    [
        ("sora-2-official", 0.40, 0.0, "refunded"),  # charged at acceptance, refunded
        ("sora-2-reverse", 0.0, 0.0, "failed"),  # only deliveries are charged
    ],
)
async def test_the_cost_of_a_failed_job_depends_on_the_billing(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start,
    http: aiohttp.ClientSession,
    service: str,
    before: float,
    after: float,
    state: str,
) -> None:
    world = await start(faults={service: [{"kind": "fail", "after": 5}]})
    if service == "sora-2-official":
        await create(http, world)
    else:
        body = {
            "model": "sora2-landscape-10s",
            "stream": True,
            "messages": [{"role": "user", "content": "a boat"}],
        }
        async with http.post(
            f"{world.base_urls['relay-a']}/chat/completions",
            json=body,
            headers={"authorization": "Bearer sim-relay-a-key"},
        ) as response:
            await response.read()

    (entry,) = world.ledger.entries

    assert float(entry.billed_usd(entry.accepted_at + 4)) == pytest.approx(before)
    assert float(entry.billed_usd(entry.accepted_at + 6)) == pytest.approx(after)
    assert entry.billing_state(entry.accepted_at + 6) == state


async def test_the_simulator_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        async with serve_simulation(load_scenario("calm"), host="0.0.0.0"):  # noqa: S104  # refused
            pass


async def test_the_same_seed_gives_the_same_jobs(http: aiohttp.ClientSession) -> None:
    jobs = []
    for seed in (1, 1, 2):
        async with serve_simulation(load_scenario("calm"), seed=seed) as world:
            await create(http, world)
            jobs.append([(entry.id, entry.outcome) for entry in world.ledger.entries])

    assert jobs[0] == jobs[1]
    assert jobs[0] != jobs[2]


async def test_responses_can_show_the_scenarios_dates(http: aiohttp.ClientSession) -> None:
    scenario = load_scenario("sunset")

    async with serve_simulation(scenario, starts_at=scenario.start) as world:
        await create(http, world)

        (entry,) = world.ledger.entries
    assert 0 <= entry.created_at - scenario.start.timestamp() < 60
