"""The live control and the books, over HTTP."""

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
    """Send a command about one service."""

    async def put(
        world: Simulation, body: object, service: str = SORA
    ) -> tuple[int, dict[str, object]]:
        url = f"{world.base_url}/_sim/services/{service}"
        async with http.put(url, json=body) as answer:
            shown = await answer.json()
            assert isinstance(shown, dict)
            return answer.status, shown

    return put


async def create(http: aiohttp.ClientSession, world: Simulation, prompt: str = "a boat") -> int:
    async with http.post(
        f"{world.base_urls['openai']}/videos", json={"prompt": prompt}, headers=AUTH
    ) as answer:
        await answer.read()
        return answer.status


async def books(http: aiohttp.ClientSession, world: Simulation) -> dict[str, object]:
    async with http.get(f"{world.base_url}/_sim/ledger") as answer:
        shown = await answer.json()
        assert isinstance(shown, dict)
        return shown


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


async def test_a_trouble_is_put_upon_a_service(
    start: Start, put: Put, http: aiohttp.ClientSession
) -> None:
    world = await start()

    _, shown = await put(world, {"fault": {"kind": "refuse", "sign": "quota", "share": 1}})

    assert shown["faults"] == [{"kind": "refuse", "sign": "quota"}]
    assert await create(http, world) == 429


async def test_the_scripts_own_trouble_can_be_ended_and_come_back(start: Start, put: Put) -> None:
    world = await start("january")
    reverse = "sora-2-reverse"

    scripted = [trouble.kind for trouble in world.active_faults(reverse)]
    await put(world, {"fault": None}, reverse)
    ended = world.active_faults(reverse)
    await put(world, {"status": "script"}, reverse)

    assert scripted == ["refuse"]
    assert ended == ()
    assert [trouble.kind for trouble in world.active_faults(reverse)] == scripted


async def test_a_trouble_may_last_for_some_seconds(start: Start, put: Put) -> None:
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
async def test_a_command_that_cannot_be_understood_says_why(
    start: Start, put: Put, body: object, reason: str
) -> None:
    world = await start()

    status, shown = await put(world, body)

    assert status == 422
    assert reason in str(shown["error"])
    assert world.active_faults(SORA) == ()


async def test_a_body_that_is_no_json_says_so(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start()

    async with http.put(f"{world.base_url}/_sim/services/{SORA}", data=b"{oh") as answer:
        assert answer.status == 422
        assert "JSON" in (await answer.json())["error"]


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_unknown_service_names_the_known_ones(
    start: Start, http: aiohttp.ClientSession, method: str
) -> None:
    world = await start()

    async with http.request(method, f"{world.base_url}/_sim/services/nobody") as answer:
        assert answer.status == 404
        assert "sora-2-official" in (await answer.json())["error"]


async def test_the_services_and_the_scenario_are_shown(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start("january")

    async with http.get(f"{world.base_url}/_sim/services") as answer:
        services = await answer.json()
    async with http.get(f"{world.base_url}/_sim/scenario") as answer:
        scenario = await answer.json()

    assert [one["id"] for one in services] == list(world.scenario.services)
    assert scenario["base_urls"]["openai"] == world.base_urls["openai"]
    assert scenario["scenario"]["title"] == "28 January 2026"
    assert scenario["catalogue"]["upstreams"]["openai"]["feed"]["url"].endswith("/status/openai")


async def test_the_books_tell_what_each_prompt_cost(
    start: Start, put: Put, http: aiohttp.ClientSession
) -> None:
    world = await start()
    await create(http, world, "one")
    await create(http, world, "two")
    await put(world, {"fault": {"kind": "reset", "accepts": True}})
    with pytest.raises(aiohttp.ClientError):
        await create(http, world, "two")

    shown = await books(http, world)

    assert isinstance(shown["by_prompt"], dict)
    assert {prompt: total["jobs"] for prompt, total in shown["by_prompt"].items()} == {
        "one": 1,
        "two": 2,
    }
    assert isinstance(shown["entries"], list)
    assert [entry["answered"] for entry in shown["entries"]] == [True, True, False]
    assert isinstance(shown["total"], dict)
    assert shown["total"]["billed_usd"] == pytest.approx(1.20)


@pytest.mark.parametrize(
    ("service", "before", "after", "state"),
    [
        ("sora-2-official", 0.40, 0.0, "refunded"),  # charged at acceptance, given back
        ("sora-2-reverse", 0.0, 0.0, "failed"),  # only deliveries are charged
    ],
)
async def test_a_failed_job_costs_what_its_provider_says(  # noqa: PLR0913, PLR0917  # a table's row
    start: Start,
    http: aiohttp.ClientSession,
    service: str,
    before: float,
    after: float,
    state: str,
) -> None:
    world = await start(troubles={service: [{"kind": "fail", "after": 5}]})
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
        ) as answer:
            await answer.read()

    (entry,) = world.ledger.entries

    assert float(entry.billed_usd(entry.accepted_at + 4)) == pytest.approx(before)
    assert float(entry.billed_usd(entry.accepted_at + 6)) == pytest.approx(after)
    assert entry.billing_state(entry.accepted_at + 6) == state


async def test_only_loopback_is_served() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        async with serve_simulation(load_scenario("calm"), host="0.0.0.0"):  # noqa: S104  # the point
            pass


async def test_the_same_seed_draws_the_same_world(http: aiohttp.ClientSession) -> None:
    drawn = []
    for seed in (1, 1, 2):
        async with serve_simulation(load_scenario("calm"), seed=seed) as world:
            await create(http, world)
            drawn.append([(entry.job, entry.outcome) for entry in world.ledger.entries])

    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


async def test_the_wire_can_show_the_scenarios_own_dates(http: aiohttp.ClientSession) -> None:
    scenario = load_scenario("sunset")

    async with serve_simulation(scenario, starts_at=scenario.start) as world:
        await create(http, world)

        (entry,) = world.ledger.entries
    assert 0 <= entry.accepted_at_unix - scenario.start.timestamp() < 60
