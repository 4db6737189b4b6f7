"""fal's queue: the model is the path, and a failure hides behind COMPLETED."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("fal")
KEY = "Key sim-fal-id:sim-fal-secret"
SEEDANCE, MINIMAX, VEO = (
    "bytedance/seedance-2.5/text-to-video",
    "minimax/h3",
    "fal-ai/veo3.1/image-to-video",
)
PNG = "data:image/png;base64,UE5H"


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path below the base URL, or a URL; return the status and the JSON."""

    async def call(
        world: Simulation, method: str, path: str, body: object = None, *, key: str = KEY
    ) -> tuple[int, dict[str, Any]]:
        url = path if path.startswith("http") else f"{world.base_urls['fal']}/{path}"
        headers = {"authorization": key} if key else {}
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("seedance-on-fal", (FAULT_ADAPTER.validate_python(fault),))


async def submitted(call: Call, world: Simulation, **more: object) -> dict[str, Any]:
    status, job = await call(world, "POST", SEEDANCE, {"prompt": "a boat", **more})
    assert status == 200
    return job


async def ended(call: Call, world: Simulation, job: dict[str, Any]) -> dict[str, Any]:
    while True:
        status, document = await call(world, "GET", job["status_url"])
        assert status == (200 if document["status"] == "COMPLETED" else 202)
        if document["status"] == "COMPLETED":
            return document


@pytest.mark.parametrize("field", ["image_urls", "reference_image_urls"])
async def test_references_are_a_list_of_addresses(start: Start, call: Call, field: str) -> None:
    world = await start(SCENARIO)
    path = "bytedance/seedance-2.5/reference-to-video"

    status, _ = await call(
        world, "POST", path, {"prompt": "a", field: [PNG, "https://p.test/a.png"]}
    )
    refused, error = await call(world, "POST", path, {"prompt": "a", field: PNG})

    (job,) = world.jobs.values()
    assert [each.role for each in job.reading.inputs] == ["reference", "reference"]
    assert (status, refused) == (200, 422)
    assert error["detail"][0]["loc"] == ["body", field]


async def test_a_request_is_queued_run_and_completed(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    job = await submitted(call, world, seed=7)
    done = await ended(call, world, job)
    status, result = await call(world, "GET", job["response_url"])

    assert (job["status"], job["queue_position"]) == ("IN_QUEUE", 0)
    assert (done["status"], "error" in done) == ("COMPLETED", False)
    assert (status, result["seed"]) == (200, 7)
    async with http.get(result["video"]["url"]) as response:
        assert (await response.read())[4:8] == b"ftyp"


async def test_the_addresses_of_a_request_drop_the_sub_path(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    job = await submitted(call, world)

    request = f"{world.base_urls['fal']}/bytedance/seedance-2.5/requests/{job['request_id']}"
    assert (job["response_url"], job["status_url"], job["cancel_url"]) == (
        request,
        f"{request}/status",
        f"{request}/cancel",
    )
    assert (await call(world, "GET", f"minimax/h3/requests/{job['request_id']}/status"))[0] == 404


@pytest.mark.parametrize("key", ["", "Bearer sim-fal-id:sim-fal-secret", "Key wrong"])
async def test_the_key_has_its_own_scheme(start: Start, call: Call, key: str) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", SEEDANCE, {"prompt": "a boat"}, key=key)

    assert (status, "Authentication is required" in refusal["detail"]) == (401, True)


async def test_an_exhausted_balance_locks_the_user(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    result = await call(
        world, "POST", SEEDANCE, {"prompt": "a"}, key="Key sim-fal-id:sim-fal-empty"
    )

    assert result == (403, {"detail": "User is locked. Reason: Exhausted balance."})


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("runner_disconnected", 502, "runner_disconnected"),
        ("startup_timeout", 504, "startup_timeout"),
        ("video_generation_failed", 500, "internal_error"),
    ],
)
async def test_a_failed_request_is_completed_and_its_result_is_the_error(
    start: Start, call: Call, code: str, status: int, kind: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, code=code, message="boom")

    job = await submitted(call, world)
    done = await ended(call, world, job)
    result = await call(world, "GET", job["response_url"])

    assert (done["error"], done["error_type"]) == ("boom", kind)
    assert result == (status, {"detail": "boom", "error_type": kind})


async def test_refused_content_is_found_out_at_the_end(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    job = await submitted(call, world, prompt="gore everywhere")
    await ended(call, world, job)
    status, result = await call(world, "GET", job["response_url"])

    (detail,) = result["detail"]
    assert (status, detail["type"], detail["loc"]) == (
        422,
        "content_policy_violation",
        ["body", "prompt"],
    )


async def test_the_result_of_a_running_request_is_refused(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="stall")
    job = await submitted(call, world)

    result = await call(world, "GET", job["response_url"])

    assert result == (400, {"detail": "Request is still in progress"})


async def test_a_result_document_may_time_out_although_the_video_exists(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    job = await submitted(call, world)
    await ended(call, world, job)

    strike(world, kind="result_late", after=10_000, doors=["result"])
    async with http.get(job["response_url"], headers={"authorization": KEY}) as response:
        late = response.status
    world.override_faults("seedance-on-fal", ())

    assert late == 504
    assert (await call(world, "GET", job["response_url"]))[0] == 200


@pytest.mark.parametrize(
    ("model", "duration", "seconds"),
    [
        (SEEDANCE, "10", 10),
        (SEEDANCE, "auto", 10),
        (SEEDANCE, None, 5),
        (MINIMAX, 10, 10),
        (VEO, "6s", 6),
        (VEO, None, 8),
    ],
)
async def test_each_model_spells_the_length_in_its_own_way(
    start: Start, call: Call, model: str, duration: object, seconds: int
) -> None:
    world = await start(SCENARIO)
    body = {"prompt": "a boat"} if duration is None else {"prompt": "a boat", "duration": duration}

    status, _ = await call(world, "POST", model, body)

    assert status == 200
    assert [job.reading.seconds for job in world.jobs.values()] == [seconds]


@pytest.mark.parametrize(
    ("model", "fields", "field", "kind"),
    [
        (SEEDANCE, {"duration": 5}, "duration", "value_error"),
        (SEEDANCE, {"duration": "7"}, "duration", "value_error"),
        (MINIMAX, {"duration": "6"}, "duration", "value_error"),
        (VEO, {"duration": "8"}, "duration", "value_error"),
        (SEEDANCE, {"prompt": None}, "prompt", "missing"),
        (SEEDANCE, {"resolution": "1080p"}, "resolution", "value_error"),
        (SEEDANCE, {"aspect_ratio": "21:9"}, "aspect_ratio", "value_error"),
        (VEO, {"image_url": "ftp://x.test/1.png"}, "image_url", "file_download_error"),
        (SEEDANCE, {"seed": "7"}, "seed", "value_error"),
        (VEO, {"generate_audio": "no"}, "generate_audio", "value_error"),
    ],
)
async def test_an_invalid_input_is_refused_with_its_place(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start, call: Call, model: str, fields: dict[str, object], field: str, kind: str
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", model, {"prompt": "a boat", **fields})

    (detail,) = refusal["detail"]
    assert (status, detail["loc"], detail["type"]) == (422, ["body", field], kind)
    assert world.jobs == {}


async def test_what_was_read_is_kept_and_billed(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    body = {
        "prompt": "a boat",
        "duration": "6s",
        "resolution": "720p",
        "aspect_ratio": "9:16",
        "generate_audio": False,
        "seed": 3,
        "negative_prompt": "rain",
        "image_url": PNG,
    }

    await call(world, "POST", VEO, body)

    (entry,) = world.ledger.as_json(world.second())["entries"]
    assert entry["charged_usd"] == pytest.approx(1.20)
    assert entry["read"] == {
        "model": VEO,
        "prompt": "a boat",
        "seconds": 6,
        "resolution": "720p",
        "aspect": "9:16",
        "width": 720,
        "height": 1280,
        "audio": False,
        "quality": "",
        "count": 1,
        "seed": 3,
        "negative": "rain",
        "inputs": ({"role": "first_frame", "medium": "image", "source": "image/png, 3 bytes"},),
    }


async def test_a_request_that_is_queued_is_cancelled_and_not_billed(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO, speed=0.1)
    job = await submitted(call, world)

    cancelled = await call(world, "PUT", job["cancel_url"])
    again = await call(world, "PUT", job["cancel_url"])
    done = await ended(call, world, job)

    assert cancelled == (202, {"status": "CANCELLATION_REQUESTED"})
    assert again == (400, {"status": "ALREADY_COMPLETED"})
    assert (done["status"], done["error_type"]) == ("COMPLETED", "request_cancelled")
    assert (await call(world, "GET", job["response_url"]))[0] == 400
    assert world.ledger.as_json(world.second())["total"]["billed_usd"] == 0


async def test_a_request_that_runs_goes_on_although_it_is_cancelled(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO, speed=2)
    job = await submitted(call, world)
    while (await call(world, "GET", job["status_url"]))[1]["status"] != "IN_PROGRESS":
        pass

    cancelled = await call(world, "PUT", job["cancel_url"])
    await ended(call, world, job)

    assert cancelled == (202, {"status": "CANCELLATION_REQUESTED"})
    assert (await call(world, "GET", job["response_url"]))[0] == 200
    unknown = job["cancel_url"].replace(job["request_id"], "none")
    assert await call(world, "PUT", unknown) == (404, {"status": "NOT_FOUND"})


async def test_the_schema_tells_without_a_key_whether_an_endpoint_exists(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    path = "api/openapi/queue/openapi.json?endpoint_id="

    status, schema = await call(world, "GET", path + MINIMAX, key="")
    unknown, _ = await call(world, "GET", path + "fal-ai/none", key="")
    strike(world, kind="retire")
    retired, _ = await call(world, "GET", path + SEEDANCE, key="")

    properties = schema["components"]["schemas"]["Input"]["properties"]
    assert (status, properties["duration"]) == (200, {"type": "integer", "enum": [6, 10]})
    assert (unknown, retired) == (404, 404)


@pytest.mark.parametrize(
    ("sign", "status"),
    [
        ("risk_control", 403),
        ("suspended", 403),
        ("maintenance", 503),
        ("overloaded", 503),
        ("rate_limited", 429),
        ("quota", 403),
        ("auth", 401),
        ("content_rejected", 422),
    ],
)
async def test_every_state_has_fals_form(start: Start, call: Call, sign: str, status: int) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    assert (await call(world, "POST", SEEDANCE, {"prompt": "a boat"}))[0] == status
    assert world.jobs == {}
