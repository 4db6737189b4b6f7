"""Bedrock and its bucket: signatures, tokens that are used twice, and the errors of Amazon."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
import botocore.session  # type: ignore[import-untyped]
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from yarl import URL

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, str, dict[str, Any]]]]
Client = Callable[..., Any]

SCENARIO = scenario_of("bedrock")
ACCESS, SECRET = "AKIASIMULATEDBEDROCK", "sim/bedrock+secret/of/40/characters/long"
API_KEY = "sim-bedrock-api-key-of-an-account"
REGION, LUMA, NOVA = "us-west-2", "luma.ray-v2:0", "amazon.nova-reel-v1:1"
PLACE = {"s3OutputDataConfig": {"s3Uri": "s3://simulated-bucket/films"}}
BOAT = {"modelId": LUMA, "modelInput": {"prompt": "a boat"}, "outputDataConfig": PLACE}
REEL: dict[str, Any] = {
    "taskType": "TEXT_VIDEO",
    "textToVideoParams": {"text": "a boat"},
    "videoGenerationConfig": {"durationSeconds": 6, "fps": 24, "dimension": "1280x720"},
}
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # no body
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "UE5H"}}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status, the class of the error and the JSON."""

    async def call(
        world: Simulation, method: str, path: str, body: object = None, *, key: str = API_KEY
    ) -> tuple[int, str, dict[str, Any]]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = URL(world.base_urls["bedrock"] + path, encoded=True)
        async with http.request(method, url, json=body, headers=headers) as response:
            kind = response.headers.get("x-amzn-errortype", "").partition(":")[0]
            return response.status, kind, await response.json()

    return call


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return what makes a client of Amazon's own library for a service of a simulation."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    clients = []

    def client(world: Simulation, service: str, secret: str = SECRET) -> Any:
        path = "/s3" if service == "s3" else ""
        clients.append(
            botocore.session.Session().create_client(
                service,
                region_name=REGION,
                endpoint_url=world.base_urls["bedrock"] + path,
                aws_access_key_id=ACCESS,
                aws_secret_access_key=secret,
                config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
            )
        )
        return clients[-1]

    yield client
    for each in clients:
        each.close()


def strike(world: Simulation, service: str = "ray-2-on-bedrock", **fault: object) -> None:
    world.override_faults(service, (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, arn: str) -> dict[str, Any]:
    while True:
        _, _, told = await call(world, "GET", f"/async-invoke/{quote(arn, safe='')}")
        if told["status"] != "InProgress":
            return told


async def test_amazons_own_library_makes_a_film_and_reads_it(start: Start, amazon: Client) -> None:
    world = await start(SCENARIO)
    bedrock, bucket = amazon(world, "bedrock-runtime"), amazon(world, "s3")

    def life() -> tuple[dict[str, Any], bytes]:
        arn = bedrock.start_async_invoke(**BOAT)["invocationArn"]
        told = bedrock.get_async_invoke(invocationArn=arn)
        while told["status"] == "InProgress":
            told = bedrock.get_async_invoke(invocationArn=arn)
        place = told["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
        name, _, folder = place.removeprefix("s3://").partition("/")
        film = bucket.get_object(Bucket=name, Key=f"{folder}/output.mp4")["Body"].read()
        return told, film

    told, film = await asyncio.to_thread(life)

    (job,) = world.jobs.values()
    assert (told["status"], told["clientRequestToken"]) == ("Completed", job.mark)
    assert told["modelArn"].endswith(f":foundation-model/{LUMA}")
    assert film[4:8] == b"ftyp"
    assert job.key == ACCESS


async def test_amazons_own_library_reads_the_list_page_by_page(
    start: Start, call: Call, amazon: Client
) -> None:
    world = await start(SCENARIO, speed=1)
    bedrock = amazon(world, "bedrock-runtime")

    def listed() -> list[dict[str, Any]]:
        for number in range(5):
            bedrock.start_async_invoke(**BOAT, clientRequestToken=f"mine-{number}")
        pages = bedrock.get_paginator("list_async_invokes").paginate(
            submitTimeAfter=datetime.now(UTC) - timedelta(minutes=5),  # noqa: TID251  # real time
            sortBy="SubmissionTime",
            sortOrder="Descending",
            PaginationConfig={"PageSize": 2},
        )
        return [each for page in pages for each in page["asyncInvokeSummaries"]]

    found = await asyncio.to_thread(listed)
    _, _, of_another = await call(world, "GET", "/async-invoke")

    assert [each["clientRequestToken"] for each in found] == [f"mine-{n}" for n in range(4, -1, -1)]
    assert of_another == {"asyncInvokeSummaries": []}


async def test_a_token_makes_one_job(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    marked = {**BOAT, "clientRequestToken": "mine-1"}

    first = await call(world, "POST", "/async-invoke", marked)
    second = await call(world, "POST", "/async-invoke", marked)
    other = await call(
        world, "POST", "/async-invoke", {**marked, "modelInput": {"prompt": "a ship"}}
    )

    assert first == second
    assert other[:2] == (400, "ConflictException")
    assert len(world.jobs) == 1


async def test_a_token_of_a_lost_answer_leads_to_its_job(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    marked = {**BOAT, "clientRequestToken": "mine-1"}
    strike(world, kind="reset", accepts=True)
    with pytest.raises(aiohttp.ClientError):
        await call(world, "POST", "/async-invoke", marked)
    world.restore_script("ray-2-on-bedrock")

    _, _, again = await call(world, "POST", "/async-invoke", marked)

    assert [again["invocationArn"]] == list(world.jobs)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"modelId": "luma.ray-v9:0"}, "ResourceNotFoundException"),
        ({"modelId": None}, "ResourceNotFoundException"),
        ({"modelInput": None}, "ValidationException"),
        ({"modelInput": {}}, "ValidationException"),
        ({"modelInput": {"prompt": "x" * 5001}}, "ValidationException"),
        ({"modelInput": {"prompt": "a boat", "duration": "10s"}}, "ValidationException"),
        ({"modelInput": {"prompt": "a boat", "duration": 5}}, "ValidationException"),
        ({"modelInput": {"prompt": "a boat", "resolution": "1080p"}}, "ValidationException"),
        ({"modelInput": {"prompt": "a boat", "aspect_ratio": "1:1"}}, "ValidationException"),
        ({"modelInput": {"prompt": "a boat", "seed": 1}}, "ValidationException"),
        (
            {"modelInput": {"prompt": "a boat", "keyframes": {"frame2": IMAGE}}},
            "ValidationException",
        ),
        ({"modelInput": {"prompt": "a boat", "keyframes": {"frame0": "x"}}}, "ValidationException"),
        ({"outputDataConfig": {}}, "ValidationException"),
        ({"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "x"}}}, "ValidationException"),
        (
            {"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://of-somebody-else"}}},
            "ValidationException",
        ),
        ({"clientRequestToken": "with a space"}, "ValidationException"),
        ({"prompt": "a boat"}, "ValidationException"),
    ],
)
async def test_a_create_that_breaks_the_protocol_is_refused(
    start: Start, call: Call, change: Mapping[str, object], kind: str
) -> None:
    world = await start(SCENARIO)
    body = {name: value for name, value in {**BOAT, **change}.items() if value is not None}

    status, found, document = await call(world, "POST", "/async-invoke", body)

    assert (status, found) == (404 if kind.startswith("Resource") else 400, kind)
    assert list(document) == ["message"]
    assert not world.jobs


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("taskType", "MULTI_SHOT_AUTOMATED"),
        ("textToVideoParams", {"text": "x" * 513}),
        ("textToVideoParams", {"text": "a", "images": [{"format": "gif", "source": {}}]}),
        ("textToVideoParams", {"text": "a", "images": [{"source": {"bytes": "UE5H"}}] * 2}),
        ("videoGenerationConfig", {**REEL["videoGenerationConfig"], "durationSeconds": 7}),
        ("videoGenerationConfig", {**REEL["videoGenerationConfig"], "dimension": "1920x1080"}),
        ("videoGenerationConfig", {**REEL["videoGenerationConfig"], "fps": 30}),
        ("videoGenerationConfig", {**REEL["videoGenerationConfig"], "seed": -1}),
    ],
)
async def test_nova_reel_is_strict(start: Start, call: Call, part: str, change: object) -> None:
    world = await start(SCENARIO)
    body = {**BOAT, "modelId": NOVA, "modelInput": {**REEL, part: change}}

    refused = await call(world, "POST", "/async-invoke", body)
    accepted = await call(world, "POST", "/async-invoke", {**body, "modelInput": REEL})

    assert refused[:2] == (400, "ValidationException")
    assert accepted[0] == 200


async def test_an_arn_is_one_segment_of_a_path(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    _, _, made = await call(world, "POST", "/async-invoke", BOAT)
    arn = made["invocationArn"]
    other = arn[:-1] + ("1" if arn.endswith("0") else "0")

    found = [
        (await call(world, "GET", f"/async-invoke/{each}"))[:2]
        for each in (quote(arn, safe=""), arn, quote(other, safe=""), "mine")
    ]

    assert found == [
        (200, ""),
        (404, "UnknownOperationException"),
        (400, "ValidationException"),
        (400, "ValidationException"),
    ]


async def test_a_failure_and_a_blocked_prompt_are_told_in_words_alone(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    gore = {**BOAT, "modelInput": {"prompt": "gore"}}
    _, _, blocked = await call(world, "POST", "/async-invoke", gore)
    strike(world, kind="fail", message="Internal failure of the model")
    _, _, failing = await call(world, "POST", "/async-invoke", BOAT)

    told = [await ended(call, world, each["invocationArn"]) for each in (blocked, failing)]

    assert [each["status"] for each in told] == ["Failed", "Failed"]
    assert "content filters" in told[0]["failureMessage"]
    assert told[1]["failureMessage"] == "Internal failure of the model"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("", "MissingAuthenticationTokenException"),
        ("sk-wrong", "UnrecognizedClientException"),
        (ACCESS, "UnrecognizedClientException"),  # half a pair is no key
    ],
)
async def test_a_wrong_bearer_is_refused(start: Start, call: Call, key: str, kind: str) -> None:
    world = await start(SCENARIO)

    assert (await call(world, "GET", "/async-invoke", key=key))[:2] == (403, kind)


async def test_a_wrong_secret_is_refused_by_api_and_bucket(start: Start, amazon: Client) -> None:
    world = await start(SCENARIO)

    def code(service: str, operation: str, **arguments: str) -> str:
        client = amazon(world, service, "another-secret")
        with pytest.raises(ClientError) as refusal:
            getattr(client, operation)(**arguments)
        return str(refusal.value.response["Error"]["Code"])

    found = [
        await asyncio.to_thread(code, "bedrock-runtime", "list_async_invokes"),
        await asyncio.to_thread(code, "s3", "get_object", Bucket="simulated-bucket", Key="a"),
    ]

    assert found == ["InvalidSignatureException", "SignatureDoesNotMatch"]


Change = Callable[[dict[str, str]], object]


@pytest.mark.parametrize(
    ("region", "service", "change", "kind"),
    [
        (REGION, "bedrock", lambda _: None, ""),
        ("us-east-1", "bedrock", lambda _: None, "InvalidSignatureException"),
        (REGION, "bedrock-runtime", lambda _: None, "InvalidSignatureException"),
        (REGION, "bedrock", lambda h: h.pop("X-Amz-Date"), "IncompleteSignatureException"),
        (
            REGION,
            "bedrock",
            lambda h: h.update({"X-Amz-Date": "20200101T000000Z"}),
            "IncompleteSignatureException",
        ),
        (REGION, "bedrock", lambda h: h.update({"X-Amz-A": "1"}), "IncompleteSignatureException"),
        (
            REGION,
            "bedrock",
            lambda h: h.update({"X-Amz-Content-SHA256": "0" * 64}),
            "InvalidSignatureException",
        ),
    ],
)
async def test_a_signature_is_for_one_region_one_service_and_one_request(  # noqa: PLR0913, PLR0917
    start: Start,
    http: aiohttp.ClientSession,
    region: str,
    service: str,
    change: Change,
    kind: str,
) -> None:
    world = await start(SCENARIO)
    url = world.base_urls["bedrock"] + "/async-invoke?maxResults=1"
    request = AWSRequest("GET", url, {"X-Amz-Content-SHA256": EMPTY})
    SigV4Auth(Credentials(ACCESS, SECRET), service, region).add_auth(request)
    headers = dict(request.headers.items())
    change(headers)

    async with http.get(url, headers=headers) as response:
        found = response.headers.get("x-amzn-errortype", "").partition(":")[0]

    assert found == kind


async def test_a_bucket_takes_signatures_and_no_bearer(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    films = {}
    for bucket in ("simulated-bucket", "simulated-public-bucket"):
        place = {"s3OutputDataConfig": {"s3Uri": f"s3://{bucket}/films"}}
        body = {**BOAT, "outputDataConfig": place}
        _, _, made = await call(world, "POST", "/async-invoke", body)
        told = await ended(call, world, made["invocationArn"])
        uri = told["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix("s3:/")
        films[bucket] = f"{world.base_urls['bedrock']}/s3{uri}/output.mp4"

    async def read(url: str, headers: Mapping[str, str]) -> tuple[int, str]:
        async with http.get(url, headers=headers) as response:
            body = await response.read()
            code = body.partition(b"<Code>")[2].partition(b"</Code>")[0]
            return response.status, code.decode()

    private, public = films.values()
    signed = AWSRequest("GET", private)
    S3SigV4Auth(Credentials(ACCESS, SECRET), "s3", REGION).add_auth(signed)

    assert await read(private, {}) == (403, "AccessDenied")
    assert await read(private, {"authorization": f"Bearer {API_KEY}"}) == (400, "InvalidArgument")
    assert await read(private, dict(signed.headers.items())) == (200, "")
    assert await read(public, {}) == (200, "")
    assert await read(public + "x", {}) == (404, "NoSuchKey")


async def test_a_model_tells_the_end_of_its_life(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    _, _, luma = await call(world, "GET", f"/foundation-models/{LUMA}")
    _, _, nova = await call(world, "GET", f"/foundation-models/{NOVA}")
    strike(world, "nova-reel", kind="retire")
    gone = await call(world, "GET", f"/foundation-models/{NOVA}")

    assert luma["modelDetails"]["modelLifecycle"]["endOfLifeTime"] == "2027-03-31T00:00:00Z"
    assert nova["modelDetails"]["modelLifecycle"] == {"status": "ACTIVE"}
    assert gone[:2] == (404, "ResourceNotFoundException")


async def test_the_body_of_an_error_is_a_sentence_alone(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign="rate_limited")

    status, kind, document = await call(world, "POST", "/async-invoke", BOAT)

    assert (status, kind) == (429, "ThrottlingException")
    assert json.dumps(document).count(kind) == 0
