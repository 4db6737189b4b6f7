"""Each kind of fault, as a client sees it."""

import io
from collections.abc import Awaitable, Callable

import aiohttp
import av
import pytest
from av.error import FFmpegError

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
Order = Callable[..., Awaitable[dict[str, object]]]
SORA = "sora-2-official"
AUTH = {"authorization": "Bearer sim-openai-key"}


@pytest.fixture
def order(http: aiohttp.ClientSession) -> Order:
    """Create a 4 s video of 1280x720 and poll it to its end."""

    async def order(world: Simulation, *, follow: bool = True) -> dict[str, object]:
        url = f"{world.base_urls['openai']}/videos"
        body = {"prompt": "a boat", "seconds": "4", "size": "1280x720"}
        async with http.post(url, json=body, headers=AUTH) as response:
            job = await response.json()
        while follow and job["status"] not in {"completed", "failed"}:
            async with http.get(f"{url}/{job['id']}", headers=AUTH) as response:
                job = await response.json()
        assert isinstance(job, dict)
        return job

    return order


async def content(http: aiohttp.ClientSession, world: Simulation, job: object) -> tuple[int, bytes]:
    url = f"{world.base_urls['openai']}/videos/{job}/content"
    async with http.get(url, headers=AUTH) as response:
        return response.status, await response.read()


async def test_a_create_that_hangs_is_accepted_billed_and_listed_without_a_response(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={SORA: [{"kind": "hang"}]})
    url = f"{world.base_urls['openai']}/videos"

    with pytest.raises(TimeoutError):
        await http.post(
            url, json={"prompt": "a boat"}, headers=AUTH, timeout=aiohttp.ClientTimeout(0.3)
        )
    async with http.get(url, headers=AUTH) as response:
        listed = (await response.json())["data"]

    (entry,) = world.ledger.entries
    assert not entry.answered
    assert [video["id"] for video in listed] == [entry.id]
    assert listed[0]["prompt"] == "a boat"


async def test_a_create_that_hangs_may_be_without_acceptance(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={SORA: [{"kind": "hang", "accepts": False}]})

    with pytest.raises(TimeoutError):
        await http.post(
            f"{world.base_urls['openai']}/videos",
            json={"prompt": "a boat"},
            headers=AUTH,
            timeout=aiohttp.ClientTimeout(0.3),
        )

    assert world.ledger.entries == ()


async def test_the_simulation_ends_although_a_request_hangs(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={SORA: [{"kind": "hang", "doors": ["check"]}]})

    with pytest.raises(TimeoutError):
        await http.get(f"{world.base_urls['openai']}/models", timeout=aiohttp.ClientTimeout(0.3))
    world.closing.set()
    with pytest.raises(aiohttp.ClientError):
        await http.get(f"{world.base_urls['openai']}/models")


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_create_that_is_reset_may_be_accepted_or_not(
    start: Start, http: aiohttp.ClientSession, accepts: bool
) -> None:
    world = await start(faults={SORA: [{"kind": "reset", "accepts": accepts}]})

    with pytest.raises(aiohttp.ClientConnectionError):
        await http.post(
            f"{world.base_urls['openai']}/videos", json={"prompt": "a boat"}, headers=AUTH
        )

    assert len(world.ledger.entries) == int(accepts)


async def test_a_stalled_job_makes_no_progress(start: Start, order: Order) -> None:
    world = await start(speed=1000, faults={SORA: [{"kind": "stall", "at": 40}]})

    job = world.jobs[str((await order(world, follow=False))["id"])]

    assert job.progress_at(world.second() + 1e6).percent == 40
    assert job.progress_at(world.second() + 1e6).status == "in_progress"


async def test_a_failed_job_has_an_error_and_is_refunded(start: Start, order: Order) -> None:
    failing = {"kind": "fail", "after": 1, "code": "server_error", "message": "engine died"}
    world = await start(faults={SORA: [failing]})

    job = await order(world)

    assert (job["status"], job["error"]) == (
        "failed",
        {"code": "server_error", "message": "engine died"},
    )
    assert world.ledger.as_json(world.second())["entries"][0]["state"] == "refunded"


@pytest.mark.parametrize(
    ("fault", "size", "seconds", "tracks"),
    [
        ({"defect": "wrong_size"}, (640, 360), 4, 2),
        ({"defect": "wrong_size", "size": "854x480"}, (854, 480), 4, 2),
        ({"defect": "wrong_length"}, (1280, 720), 2, 2),
        ({"defect": "wrong_length", "seconds": 1}, (1280, 720), 1, 2),
        ({"defect": "silent"}, (1280, 720), 4, 1),
        ({"defect": "black"}, (1280, 720), 4, 2),
    ],
)
async def test_a_defective_video_has_the_defect_in_its_bytes(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start,
    order: Order,
    http: aiohttp.ClientSession,
    fault: dict[str, object],
    size: tuple[int, int],
    seconds: int,
    tracks: int,
) -> None:
    world = await start(faults={SORA: [{"kind": "deliver_defective"} | fault]})

    job = await order(world)
    _, data = await content(http, world, job["id"])

    assert job["status"] == "completed"
    with av.open(io.BytesIO(data), "r") as container:
        picture = container.streams.video[0]
        assert (picture.width, picture.height) == size
        assert container.duration == pytest.approx(seconds * 1_000_000, abs=150_000)
        assert len(container.streams) == tracks


@pytest.mark.parametrize("defect", ["broken", "empty"])
async def test_a_broken_video_does_not_open(
    start: Start, order: Order, http: aiohttp.ClientSession, defect: str
) -> None:
    world = await start(faults={SORA: [{"kind": "deliver_defective", "defect": defect}]})

    status, data = await content(http, world, (await order(world))["id"])

    assert status == 200
    with pytest.raises(FFmpegError):
        av.open(io.BytesIO(data), "r").close()


async def test_a_video_of_another_model_names_that_model(start: Start, order: Order) -> None:
    other = {"kind": "deliver_defective", "defect": "other_model", "model": "sora-1"}
    world = await start(faults={SORA: [other]})

    assert (await order(world))["model"] == "sora-1"


async def test_an_expired_video_is_not_found(
    start: Start, order: Order, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={SORA: [{"kind": "expire"}]})

    status, _ = await content(http, world, (await order(world))["id"])

    assert status == 404


async def test_a_slow_service_takes_longer(start: Start, order: Order) -> None:
    world = await start(speed=200, faults={SORA: [{"kind": "slow", "factor": 10}]})

    job = world.jobs[str((await order(world))["id"])]

    assert job.outcome.duration is not None
    assert job.outcome.duration > 20


async def test_a_list_may_omit_the_newest_job(
    start: Start, order: Order, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={SORA: [{"kind": "incomplete_list"}]})
    first = await order(world, follow=False)
    await order(world, follow=False)

    async with http.get(f"{world.base_urls['openai']}/videos", headers=AUTH) as response:
        listed = [video["id"] for video in (await response.json())["data"]]

    assert listed == [first["id"]]


async def test_a_retired_model_is_unknown_and_not_listed_while_others_are(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={SORA: [{"kind": "retire"}]})
    base = world.base_urls["openai"]

    async with http.post(f"{base}/videos", json={"prompt": "a boat"}, headers=AUTH) as response:
        refusal = (await response.json())["error"]
    async with http.get(f"{base}/models", headers=AUTH) as response:
        listed = [model["id"] for model in (await response.json())["data"]]

    assert refusal["code"] == "model_not_found"
    assert listed == ["sora-2-pro"]


async def test_a_retired_api_has_no_paths(start: Start, http: aiohttp.ClientSession) -> None:
    gone = {"kind": "retire", "with_api": True}
    world = await start(faults={SORA: [gone]})
    url = f"{world.base_urls['openai']}/videos"

    seen = []
    for method, path in (("POST", ""), ("GET", ""), ("GET", "/video_1"), ("DELETE", "/video_1")):
        async with http.request(method, url + path, headers=AUTH) as response:
            seen.append((response.status, (await response.json())["error"]["message"]))

    assert seen == [
        (404, "Invalid URL (POST /v1/videos)"),
        (404, "Invalid URL (GET /v1/videos)"),
        (404, "Invalid URL (GET /v1/videos/video_1)"),
        (404, "Invalid URL (DELETE /v1/videos/video_1)"),
    ]


async def test_the_scenarios_response_is_sent_as_it_is(
    start: Start, http: aiohttp.ClientSession
) -> None:
    challenge = {
        "kind": "refuse",
        "http_status": 403,
        "body": "<html><title>Just a moment...</title></html>",
        "headers": {"server": "cloudflare", "cf-ray": "1"},
        "doors": ["check"],
    }
    world = await start(faults={SORA: [challenge]})

    async with http.get(f"{world.base_urls['openai']}/models") as response:
        text = await response.text()

    assert (response.status, response.content_type) == (403, "text/html")
    assert response.headers["server"] == "cloudflare"
    assert "Just a moment" in text


async def test_a_share_of_the_creates_succeeds(start: Start, http: aiohttp.ClientSession) -> None:
    partial = {"kind": "refuse", "sign": "overloaded", "share": 0.5}
    world = await start(faults={SORA: [partial]})

    statuses = []
    for _ in range(40):
        async with http.post(
            f"{world.base_urls['openai']}/videos", json={"prompt": "a boat"}, headers=AUTH
        ) as response:
            statuses.append(response.status)

    assert set(statuses) == {200, 503}
    assert len(world.ledger.entries) == statuses.count(200)


async def test_an_answer_may_be_late_although_the_job_is_accepted_at_once(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={SORA: [{"kind": "answer_late", "after": 10_000}]})

    with pytest.raises(TimeoutError):
        await http.post(
            f"{world.base_urls['openai']}/videos",
            json={"prompt": "a boat"},
            headers=AUTH,
            timeout=aiohttp.ClientTimeout(0.3),
        )

    (entry,) = world.ledger.entries
    assert entry.answered


async def test_a_late_answer_is_complete(start: Start, order: Order) -> None:
    world = await start(faults={SORA: [{"kind": "answer_late", "after": 1}]})

    assert (await order(world))["status"] == "completed"


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults(SORA, (FAULT_ADAPTER.validate_python(fault),))


async def test_content_may_be_there_only_some_time_after_the_end(
    start: Start, order: Order, http: aiohttp.ClientSession
) -> None:
    world = await start()
    job = (await order(world))["id"]

    strike(world, kind="result_late", after=10_000)
    early, _ = await content(http, world, job)
    strike(world, kind="result_late", after=0.001)
    late, video = await content(http, world, job)

    assert (early, late, video[4:8]) == (404, 200, b"ftyp")


@pytest.mark.parametrize("at", [0, 50])
async def test_a_download_may_be_cut(
    start: Start, order: Order, http: aiohttp.ClientSession, at: int
) -> None:
    world = await start()
    job = (await order(world))["id"]
    strike(world, kind="cut", at=at)
    url = f"{world.base_urls['openai']}/videos/{job}/content"

    async with http.get(url, headers=AUTH) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

        assert response.status == 200


async def test_a_large_download_may_be_cut_too(
    start: Start, order: Order, http: aiohttp.ClientSession
) -> None:
    world = await start()
    job = (await order(world))["id"]
    world.override_faults(
        SORA,
        tuple(
            FAULT_ADAPTER.validate_python(fault)
            for fault in ({"kind": "cut", "at": 10}, {"kind": "large_file", "bytes": 3_000_000})
        ),
    )
    url = f"{world.base_urls['openai']}/videos/{job}/content"

    async with http.get(url, headers=AUTH) as response:
        part = await response.content.readexactly(300_000)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

        assert (response.content_length, part[4:8]) == (3_000_000, b"ftyp")


async def test_a_download_may_have_another_media_type(
    start: Start, order: Order, http: aiohttp.ClientSession
) -> None:
    world = await start()
    job = (await order(world))["id"]
    strike(world, kind="mislabel")
    url = f"{world.base_urls['openai']}/videos/{job}/content"

    async with http.get(url, headers=AUTH) as response:
        video = await response.read()

        assert (response.content_type, video[4:8]) == ("text/plain", b"ftyp")
