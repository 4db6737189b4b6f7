"""What a gateway has to live through: the troubles and operations that it is tested against."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import load_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]

SERVICE = "sora-2-official"
ORDER = {"model": "sora-2", "prompt": "a boat", "seconds": "4", "size": "1280x720"}
PNG = "data:image/png;base64,UE5H"


def head(world: Simulation, upstream: str = "openai") -> dict[str, str]:
    return {"authorization": f"Bearer {world.scenario.upstreams[upstream].keys[0].key}"}


async def posted(
    http: aiohttp.ClientSession, world: Simulation, path: str = "/videos", **body: object
) -> tuple[int, dict[str, object]]:
    url = world.base_urls["openai"] + path
    async with http.post(url, json=ORDER | body, headers=head(world)) as answer:
        return answer.status, await answer.json()


async def finished(http: aiohttp.ClientSession, world: Simulation) -> str:
    _, job = await posted(http, world)
    url = f"{world.base_urls['openai']}/videos/{job['id']}"
    while True:
        async with http.get(url, headers=head(world)) as answer:
            if (await answer.json())["status"] == "completed":
                return f"{url}/content"


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_500_may_come_before_acceptance_or_after(
    start: Start, http: aiohttp.ClientSession, *, accepts: bool
) -> None:
    body = {"error": {"message": "oops", "type": "server_error", "param": None, "code": None}}
    trouble = {"kind": "refuse", "http_status": 500, "body": body, "accepts": accepts}
    world = await start(troubles={SERVICE: [trouble]})

    status, said = await posted(http, world)

    assert (status, said) == (500, body)
    assert [one.answered for one in world.ledger.entries] == [False] * accepts


async def test_an_upstream_where_nobody_listens_refuses_connections(
    http: aiohttp.ClientSession,
) -> None:
    calm = load_scenario("calm")
    gone = calm.upstreams["openai"].model_copy(update={"listens": False})
    scenario = calm.model_copy(update={"upstreams": {**calm.upstreams, "openai": gone}})

    async with serve_simulation(scenario) as world:
        with pytest.raises(aiohttp.ClientConnectorError):
            await posted(http, world)
        async with http.get(world.base_urls["relay-b"] + "/models") as answer:
            assert answer.status == 401


async def test_a_download_of_any_size_is_the_video_and_then_padding(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()
    url = await finished(http, world)
    async with http.get(url, headers=head(world)) as answer:
        video = await answer.read()
    world.override_faults(
        SERVICE, (FAULT_ADAPTER.validate_python({"kind": "large_file", "bytes": 50_000_000}),)
    )

    async with http.get(url, headers=head(world)) as answer:
        whole = await answer.read()

    assert (len(whole), whole[: len(video)]) == (50_000_000, video)
    assert whole[len(video) + 4 : len(video) + 8] == b"free"
    assert int.from_bytes(whole[len(video) : len(video) + 4]) == 50_000_000 - len(video)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("bytes=0-9", "bytes 0-9/9000000"),
        ("bytes=8999990-", "bytes 8999990-8999999/9000000"),
        ("bytes=-5", "bytes 8999995-8999999/9000000"),
        ("bytes=100-8000000", "bytes 100-8000000/9000000"),
    ],
)
async def test_a_range_of_a_padded_download_is_the_same_bytes(
    start: Start, http: aiohttp.ClientSession, asked: str, shown: str
) -> None:
    world = await start(troubles={SERVICE: [{"kind": "large_file", "bytes": 9_000_000}]})
    url = await finished(http, world)
    async with http.get(url, headers=head(world)) as answer:
        whole = await answer.read()

    async with http.get(url, headers=head(world) | {"range": asked}) as answer:
        part, status, range_ = await answer.read(), answer.status, answer.headers["content-range"]

    first, last = (int(place) for place in range_[6:].split("/")[0].split("-"))
    assert (status, range_) == (206, shown)
    assert part == whole[first : last + 1]


async def test_a_running_job_that_its_server_cancels_costs_nothing(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(speed=1.0)
    part = world.scenario.upstreams["openai"].model_copy(update={"dialect": "vllm_omni"})
    upstreams = {**world.scenario.upstreams, "openai": part}
    async with serve_simulation(world.scenario.model_copy(update={"upstreams": upstreams})) as own:
        form = aiohttp.FormData(ORDER, default_to_multipart=True)
        url = own.base_urls["openai"] + "/videos"
        async with http.post(url, data=form, headers=head(own)) as answer:
            job = (await answer.json())["id"]

        async with http.delete(f"{url}/{job}", headers=head(own)) as answer:
            assert (await answer.json())["deleted"] is True

        (line,) = own.ledger.as_json(own.second() + 1000)["entries"]
    assert (line["state"], line["billed_usd"]) == ("cancelled", 0)


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ({"image_url": "https://x.test/1.png"}, 200),
        ({"image_url": PNG}, 200),
        ({"file_id": "file-1"}, 200),
        ({"image_url": PNG, "file_id": "file-1"}, 400),
        ({"image_url": "ftp://x.test/1.png"}, 400),
        ({"image_url": "data:image/png;base64,?"}, 400),
        ("https://x.test/1.png", 400),
        ({}, 400),
    ],
)
async def test_a_reference_is_a_file_or_an_object_with_one_address(
    start: Start, http: aiohttp.ClientSession, reference: object, status: int
) -> None:
    world = await start()

    assert (await posted(http, world, input_reference=reference))[0] == status


@pytest.mark.parametrize(
    ("characters", "status"),
    [
        ([{"id": "char_1"}, {"id": "char_2"}], 200),
        ([{"id": "char_1"}] * 3, 400),
        (["char_1"], 400),
        ("char_1", 400),
    ],
)
async def test_at_most_two_characters_appear(
    start: Start, http: aiohttp.ClientSession, characters: object, status: int
) -> None:
    world = await start()

    assert (await posted(http, world, characters=characters))[0] == status


async def test_a_remix_a_create_and_an_extension_are_each_in_the_books(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()
    source = (await finished(http, world)).split("/")[-2]
    video = {"prompt": "more", "video": {"id": source}}
    bodies = {
        f"/videos/{source}/remix": {"prompt": "anew"},
        "/videos/edits": video,
        "/videos/extensions": {**video, "seconds": "8"},
    }
    for path, body in bodies.items():
        url = world.base_urls["openai"] + path
        async with http.post(url, json=body, headers=head(world)) as answer:
            assert answer.status == 200

    charges = [entry.price for entry in world.ledger.entries]

    # The first three are of 4 s, the extension adds 8 s.
    assert charges == [charges[0]] * 3 + [charges[0] * 2]
