"""Veo: operations, tokens of service accounts, films in a bucket, and the maker's own client."""

import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.protocols.google_accounts import account_address, account_key
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.world import Simulation
from tallylight.upstreams.steps import Accepted, Done
from tests.contract.services import picture
from tests.contract.site import Place, running_place
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, Any]]]
SCENARIO = scenario_of("predict_long_running")
PROXY, MODEL = "veo-3.1-generate-preview", "veo-3.1-generate-001"
TOKEN = "sim-vertex-access-token"
ACCOUNT = ScenarioKey(key="sim-vertex-account", secret="x")
PICTURE = {"bytesBase64Encoded": "UE5H", "mimeType": "image/png"}


def now() -> int:
    return int(time.time())  # noqa: TID251  # the simulator's clock is the real one


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(
        world: Simulation, path: str, body: object = None, *, key: str = TOKEN, **form: str
    ) -> tuple[int, Any]:
        upstream = "vertex" if key.startswith(("sim-vertex", "ya29")) else "veo-proxy"
        headers = {"authorization": f"Bearer {key}", "x-goog-api-key": key} if key else {}
        url = world.base_urls[upstream] + path
        method = "POST" if body is not None or form else "GET"
        sent = {"data": form} if form else {"json": body}
        async with http.request(method, url, headers=headers, **sent) as response:
            is_page = response.content_type == "text/html"
            return response.status, await (response.text() if is_page else response.json())

    return call


def order(prompt: str = "a boat", **parameters: object) -> dict[str, object]:
    return {"instances": [{"prompt": prompt}], "parameters": parameters}


def strike(world: Simulation, service: str, **fault: object) -> None:
    world.override_faults(service, (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, name: str) -> dict[str, Any]:
    while True:
        asked = {"operationName": name}
        _, found = await call(world, f"/models/{MODEL}:fetchPredictOperation", asked)
        if found.get("done"):
            assert isinstance(found, dict)
            return found


async def test_an_operation_of_a_proxy_names_a_file(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    key = "sim-veo-proxy-key"

    _, made = await call(world, f"/models/{PROXY}:predictLongRunning", order(), key=key)
    _, first = await call(world, f"/{made['name']}", key=key)
    found = first
    while not found.get("done"):
        _, found = await call(world, f"/{made['name']}", key=key)

    assert first == {"name": made["name"]}
    (sample,) = found["response"]["generateVideoResponse"]["generatedSamples"]
    async with http.get(sample["video"]["uri"], headers={"x-goog-api-key": key}) as response:
        assert (await response.read())[4:8] == b"ftyp"


async def test_films_lie_in_the_folder_that_was_named(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    parameters: dict[str, Any] = {"sampleCount": 2}
    parameters["storageUri"] = "gs://simulated-bucket/films/mine/"
    listing = "/storage.googleapis.com/storage/v1/b/simulated-bucket/o?prefix=films/mine/"

    _, made = await call(world, f"/models/{MODEL}:predictLongRunning", order(**parameters))
    _, before = await call(world, listing)
    done = await ended(call, world, made["name"])
    _, after = await call(world, listing)

    films = [each["gcsUri"] for each in done["response"]["videos"]]
    assert "items" not in before
    assert films == [f"gs://simulated-bucket/{each['name']}" for each in after["items"]]
    assert len(set(films)) == 2


async def test_without_a_folder_a_film_is_inside_the_answer(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    _, made = await call(world, f"/models/{MODEL}:predictLongRunning", order())
    done = await ended(call, world, made["name"])

    (film,) = done["response"]["videos"]
    assert base64.b64decode(film["bytesBase64Encoded"])[4:8] == b"ftyp"


async def test_refused_content_is_done_without_a_film(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    _, made = await call(world, f"/models/{MODEL}:predictLongRunning", order("gore"))
    done = await ended(call, world, made["name"])

    assert done["response"]["raiMediaFilteredCount"] == 1
    assert "videos" not in done["response"]


async def test_an_operation_fails_with_a_number_and_is_no_resource(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    strike(world, "veo-at-vertex", kind="fail")

    _, made = await call(world, f"/models/{MODEL}:predictLongRunning", order())
    done = await ended(call, world, made["name"])
    status, _ = await call(world, f"/{made['name']}")
    wrong, _ = await call(
        world, "/models/another:fetchPredictOperation", {"operationName": made["name"]}
    )

    assert done["error"] == {"code": 13, "message": "Video generation failed."}
    assert (status, wrong) == (404, 400)


def assertion(audience: str, **claims: object) -> str:
    signed = {"iss": account_address(ACCOUNT), "scope": "cloud", "aud": audience, "iat": now()}
    signed |= {"exp": now() + 3600} | claims
    return jwt.encode(signed, account_key(ACCOUNT.key), algorithm="RS256")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 200),
        ({"iat": now() + 3600, "exp": now() + 7200}, 400),
        ({"iat": now() - 7200, "exp": now() - 3600}, 400),
        ({"exp": now() + 7200}, 400),
        ({"iss": "nobody@simulated.iam.gserviceaccount.com"}, 400),
        ({"iss": "sim-vertex-access-token"}, 400),
        ({"aud": "https://oauth2.example/token"}, 400),
        ({"scope": ""}, 400),
    ],
)
async def test_an_assertion_is_exchanged_for_a_token(
    start: Start, call: Call, claims: dict[str, object], status: int
) -> None:
    world = await start(SCENARIO)
    signed = assertion(f"{world.base_urls['vertex']}/oauth2/token", **claims)
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    found, answer = await call(world, "/oauth2/token", grant_type=grant, assertion=signed)

    assert found == status, answer
    if status == 200:
        used, _ = await call(world, f"/models/{MODEL}", key=answer["access_token"])
        assert (used, answer["expires_in"]) == (200, 3600)
    else:
        assert answer["error"] == "invalid_grant"


@pytest.mark.parametrize("key", ["sim-vertex-account", "sim-vertex-unknown"])
async def test_an_account_itself_is_no_token(start: Start, call: Call, key: str) -> None:
    world = await start(SCENARIO)

    status, body = await call(world, f"/models/{MODEL}", key=key)

    assert (status, body["error"]["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instances": [{}]},
        {"instances": [{"prompt": "a"}, {"prompt": "b"}]},
        {**order(), "model": MODEL},
        {"instances": [{"prompt": "a boat", "negative": "dogs"}]},
        {"instances": [{"prompt": "a boat", "lastFrame": PICTURE}]},
        {"instances": [{"prompt": "a boat", "image": {"bytesBase64Encoded": "UE5H"}}]},
        {"instances": [{"prompt": "a boat", "image": {**PICTURE, "bytesBase64Encoded": "?"}}]},
        {
            "instances": [
                {"prompt": "a", "referenceImages": [{"image": PICTURE, "referenceType": "style"}]}
            ]
        },
        order(durationSeconds=5),
        order(durationSeconds=4, resolution="1080p"),
        order(resolution="480p"),
        order(sampleCount=5),
        order(seed=-1),
        order(seconds=8),
        order(storageUri="gs://another/films/"),
        {**order(), "parameters": []},
    ],
)
async def test_what_breaks_the_protocol_is_refused(start: Start, call: Call, body: object) -> None:
    world = await start(SCENARIO)

    status, answer = await call(world, f"/models/{MODEL}:predictLongRunning", body)

    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert not world.ledger.entries


async def test_pictures_and_lengths_are_read_in_both_forms(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    inline = {"inlineData": {"mimeType": "image/png", "data": "UE5H"}}
    forms = [(PICTURE, 8, "sampleCount"), (inline, "8", "numberOfVideos")]

    for image, seconds, count in forms:
        body = {
            "instances": [{"prompt": "a boat", "image": image}],
            "parameters": {"durationSeconds": seconds, count: 2},
        }
        await call(world, f"/models/{MODEL}:predictLongRunning", body)

    first, second = world.jobs.values()
    assert first.reading == second.reading
    assert (first.reading.seconds, first.reading.count) == (8, 2)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running_place(speed=100) as place:
        yield place


async def test_a_create_of_the_sdk_is_read_like_ours_and_is_ours_to_poll(place: Place) -> None:
    site = place.site("veo-at-vertex")
    inputs = (picture(Role.FIRST_FRAME, Form.INLINE),)
    measures = WishedMeasures(8, "1280x720", audio=True, count=2, negative="dogs", seed=7)
    wish = Wish(site.prompt, measures=measures, inputs=inputs)
    client = genai.Client(
        vertexai=True,
        project="p",
        location="us-central1",
        credentials=Credentials(token=TOKEN),  # type: ignore[no-untyped-call]
        http_options=types.HttpOptions(
            base_url=site.upstream.base_url.removesuffix("/v1"),
            api_version="v1",
            retry_options=types.HttpRetryOptions(attempts=1),
        ),
    )

    operation = await client.aio.models.generate_videos(
        model=MODEL,
        source=types.GenerateVideosSource(
            prompt=site.prompt, image=types.Image(image_bytes=b"PNG", mime_type="image/png")
        ),
        config=types.GenerateVideosConfig(
            duration_seconds=8,
            resolution="720p",
            aspect_ratio="16:9",
            number_of_videos=2,
            generate_audio=True,
            negative_prompt="dogs",
            seed=7,
            output_gcs_uri="gs://simulated-bucket/sdk/",
        ),
    )
    await site.accepted(site.order(wish))
    while not operation.done:
        operation = await client.aio.operations.get(operation)

    theirs, ours = site.jobs
    done = await site.end(Accepted(JobRef(str(operation.name), {"model": MODEL})))
    assert theirs.reading == ours.reading
    assert isinstance(done, Done)
    assert operation.result is not None
    assert len(operation.result.generated_videos or ()) == len(done.outputs) == 2
