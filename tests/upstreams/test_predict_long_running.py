"""Veo: films in a folder of ours, films inside an answer, and the tokens of a service account."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tallylight.documents.secret import Secret
from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import FREE, NOTHING_TOLD, JobRef
from tallylight.model.order import Order
from tallylight.simulator.faults import Endpoint
from tallylight.upstreams.acceptance import InDoubt, Refused
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Phase, Reply, Request, get
from tallylight.upstreams.protocol import Adapter, Mark
from tallylight.upstreams.protocol import Site as AdapterSite
from tallylight.upstreams.protocols.google_cloud import GoogleCloudOptions
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Accepted, Done, Failed, Step, Trouble, Working
from tests.contract.servers import authorization_of, json_response, listening, response
from tests.contract.site import Place, Site, running_place
from tests.contract.waits import until_ended

DEFINITION = PROTOCOLS["predict_long_running"]
VERTEX = "https://vertex.test/v1/projects/p/locations/l/publishers/google"
NAME = "projects/p/locations/l/publishers/google/models/veo-3.1/operations/1"
ORDER = Order("veo-3.1", "a boat", seconds=8)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running_place(speed=100) as place:
        yield place


def options_of(site: Site) -> GoogleCloudOptions:
    assert isinstance(site.upstream.options, GoogleCloudOptions)
    return site.upstream.options


def at_vertex(place: Place, **options: str) -> Site:
    site = place.site("veo-at-vertex")
    return site.at(options=options_of(site).model_copy(update=options))


def as_account(site: Site) -> Site:
    keys = site.world.scenario.upstreams["vertex"].keys
    return site.with_key(next(each for each in keys if each.secret))


async def test_a_create_in_doubt_is_proven_by_the_film_in_its_folder(
    place: Place, tmp_path: Path
) -> None:
    site = at_vertex(place)
    await place.site("veo-at-vertex").accepted()
    site.trouble(kind="reset", accepts=True)
    assert isinstance(await site.create(), InDoubt)
    site.trouble()

    before = await site.listed()
    await until_ended(site)
    (found,) = await site.listed()

    assert site.adapter.features.mark is Mark.PLACE
    assert before == []
    assert found.mark == site.mark
    assert isinstance(found.step, Done)
    assert await site.poll(found.job) == replace(found.step, made=NOTHING_TOLD)
    assert isinstance(await site.fetch(found.job, found.step, tmp_path / "film"), str)


async def test_omni_is_held_at_vertex_and_proven_by_its_film_too(
    place: Place, tmp_path: Path
) -> None:
    site = place.site("omni-at-vertex")
    site.trouble(kind="reset", accepts=True)
    assert isinstance(await site.create(), InDoubt)
    site.trouble()
    await until_ended(site)

    (found,) = await site.listed()

    assert isinstance(found.step, Done)
    assert isinstance(await site.fetch(found.job, found.step, tmp_path / "film"), str)


async def test_omni_at_vertex_without_a_bucket_is_inside_its_answer(place: Place) -> None:
    site = place.site("omni-at-vertex")
    site = site.at(options=options_of(site).model_copy(update={"bucket": ""}))

    _, done = await site.delivered()

    assert isinstance(done.outputs[0].at, InlineFile)
    assert done.usage is not None


async def test_a_folder_that_is_empty_proves_nothing(place: Place) -> None:
    site = at_vertex(place)

    assert await site.listed() == []
    assert isinstance(await site.poll(JobRef(f"{options_of(site).bucket}/{site.mark}/")), Trouble)


async def test_without_a_bucket_a_large_film_comes_inside_the_answer(
    place: Place, tmp_path: Path
) -> None:
    site = at_vertex(place, bucket="")
    site.trouble(kind="large_file", bytes=30_000_000)

    job, done = await site.delivered()

    assert site.adapter.find is None
    assert isinstance(done.outputs[0].at, InlineFile)
    assert isinstance(await site.fetch(job, done, tmp_path / "film"), str)
    assert (tmp_path / "film").stat().st_size == 30_000_000


async def test_a_project_is_part_of_the_address(place: Place) -> None:
    site = at_vertex(place)
    project = "/projects/p/locations/us-central1/publishers/google"
    site = site.at(base_url=site.upstream.base_url + project)

    ran = await site.run(site.adapter.check(site.service.model))
    _, done = await site.delivered()

    assert (ran.failure, ran.value) == (None, None)
    assert done.outputs


def polled(dialect: str, body: Mapping[str, object]) -> Step:
    adapter: Adapter = DEFINITION.make(AdapterSite(VERTEX, dialect))
    assert adapter.poll is not None
    flow = adapter.poll(JobRef(NAME, {"model": ORDER.model}))
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Reply(Phase.POLL, 200, {}, json.dumps({"name": NAME, **body})))
    assert isinstance(end.value.value, Step)
    return end.value.value


@pytest.mark.parametrize("body", [{}, {"done": False}, {"done": "false", "metadata": {}}])
def test_an_operation_that_is_not_done_works(body: Mapping[str, object]) -> None:
    assert polled("vertex", body) == Working(is_started=True)


@pytest.mark.parametrize("dialect", ["gemini", "vertex"])
@pytest.mark.parametrize(
    ("answer", "kind", "is_free"),
    [
        ({"raiMediaFilteredCount": 1}, FailureKind.CONTENT_REJECTED, True),
        ({"raiMediaFilteredReasons": ["58061214"]}, FailureKind.CONTENT_REJECTED, True),
        (
            {"raiMediaFilteredReasons": ["x"], "videos": []},
            FailureKind.CONTENT_REJECTED,
            True,
        ),
        ({"raiMediaFilteredCount": 0}, FailureKind.UNKNOWN, False),
        ({}, FailureKind.UNKNOWN, False),
    ],
)
def test_an_operation_without_a_film_was_refused(
    dialect: str, answer: Mapping[str, object], kind: FailureKind, *, is_free: bool
) -> None:
    shown = answer if dialect == "vertex" else {"generateVideoResponse": answer}

    step = polled(dialect, {"done": True, "response": shown})

    assert isinstance(step, Failed)
    assert step.failure.kind is kind
    assert (step.usage == FREE) is is_free


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (3, "The prompt violated usage guidelines.", FailureKind.CONTENT_REJECTED),
        (3, "Unsupported duration", FailureKind.INVALID_REQUEST),
        (7, "Permission denied", FailureKind.AUTH),
        (8, "Resource exhausted", FailureKind.RATE_LIMITED),
        (13, "Internal error", FailureKind.DEGRADED),
        (14, "The service is currently unavailable", FailureKind.DEGRADED),
    ],
)
def test_an_error_of_an_operation_has_a_number_of_grpc(
    code: int, text: str, kind: FailureKind
) -> None:
    step = polled("vertex", {"done": True, "error": {"code": code, "message": text}})

    assert isinstance(step, Failed)
    assert step.failure.kind is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Resource exhausted, please try again later.", FailureKind.DEGRADED),
        ("Quota exceeded for online_prediction_requests_per_base_model", FailureKind.RATE_LIMITED),
    ],
)
def test_shared_capacity_is_no_limit_of_ours(text: str, kind: FailureKind) -> None:
    body = {"error": {"code": 429, "message": text, "status": "RESOURCE_EXHAUSTED"}}
    errors = DEFINITION.make(AdapterSite(VERTEX, "vertex")).errors

    failure = errors.of(Reply(Phase.CREATE, 429, {}, json.dumps(body)))

    assert failure is not None
    assert failure.kind is kind


def test_of_several_films_those_that_were_not_refused_are_delivered() -> None:
    videos = [{"gcsUri": f"gs://a-bucket/a b/{index}.mp4"} for index in range(2)]
    answer = {"videos": videos, "raiMediaFilteredCount": 2}

    step = polled("vertex", {"done": True, "response": answer})

    assert isinstance(step, Done)
    urls = [each.at.url for each in step.outputs if isinstance(each.at, Request)]
    root = "https://storage.googleapis.com/storage/v1/b/a-bucket/o"
    assert urls == [f"{root}/a%20b%2F{index}.mp4?alt=media" for index in range(2)]


async def test_a_service_account_gets_one_token_for_many_requests(place: Place) -> None:
    site = as_account(at_vertex(place))

    job, done = await site.delivered()
    checks = [site.run(site.adapter.check(site.service.model)) for _ in range(5)]
    await asyncio.gather(*checks)

    assert done.outputs
    assert site.world.jobs[job.id.rpartition("/")[2]].key == "sim-vertex-account"


TOKENS = {"access_token": "ya29.a-token-of-an-hour-with-32-characters", "expires_in": 3600}


async def asked_of_token_host(
    place: Place, answer: bytes, api: bytes, times: int = 2
) -> tuple[list[str], list[str], Reply]:
    """Return what a host of tokens and an API were asked, and the last answer."""
    site = as_account(at_vertex(place))
    async with listening(lambda _: answer) as tokens, listening(lambda _: api) as there:
        options = options_of(site).model_copy(
            update={"token_url": f"{tokens.url}/token", "storage_url": there.url}
        )
        moved = site.at(base_url=there.url, options=options)
        for _ in range(times):
            reply = await site.transport.send(get(Phase.PROBE, "/models"), moved.upstream)
        return tokens.received, there.received, reply


async def test_a_token_is_kept_and_goes_to_the_api(place: Place) -> None:
    asked, there, _ = await asked_of_token_host(
        place, json_response(200, TOKENS), json_response(200, {"said": TOKENS["access_token"]})
    )

    assert len(asked) == 1
    assert authorization_of(asked[0]) == ""
    assert [authorization_of(each) for each in there] == [f"Bearer {TOKENS['access_token']}"] * 2


async def test_a_token_is_masked_like_a_key(place: Place) -> None:
    said = json_response(200, {"said": TOKENS["access_token"]})

    _, _, reply = await asked_of_token_host(place, json_response(200, TOKENS), said)

    assert reply.status == 200
    assert str(TOKENS["access_token"]) not in reply.body


@pytest.mark.parametrize("status", [401, 403])
async def test_another_token_is_fetched_after_a_401(place: Place, status: int) -> None:
    asked, there, _ = await asked_of_token_host(
        place, json_response(200, TOKENS), json_response(status, {}), times=3
    )

    assert len(there) == 3
    assert len(asked) == (3 if status == 401 else 1)


async def test_a_token_is_renewed_five_minutes_before_its_end(place: Place) -> None:
    short = {**TOKENS, "expires_in": 300}

    asked, _, _ = await asked_of_token_host(place, json_response(200, short), response(200, "{}"))

    assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (json_response(400, {"error": "invalid_grant"}), FailureKind.AUTH),
        (json_response(401, {"error": "invalid_client"}), FailureKind.AUTH),
        (response(503, "<html>down</html>"), FailureKind.DEGRADED),
        (json_response(200, {"token": "x"}), FailureKind.DEGRADED),
        (b"", FailureKind.DEGRADED),
    ],
)
async def test_without_a_token_nothing_is_sent(
    place: Place, answer: bytes, kind: FailureKind
) -> None:
    site = as_account(at_vertex(place))
    async with listening(lambda _: answer) as tokens:
        options = options_of(site).model_copy(update={"token_url": f"{tokens.url}/token"})
        found = await site.at(options=options).create()

    assert isinstance(found, Refused), found
    assert not found.was_sent
    assert found.failure.kind is kind
    assert site.jobs == []


async def test_what_is_echoed_of_an_assertion_is_masked(place: Place) -> None:
    site = as_account(at_vertex(place))

    def echo(request: str) -> bytes:
        return json_response(400, {"error": "invalid_grant", "error_description": request})

    async with listening(echo) as tokens:
        options = options_of(site).model_copy(update={"token_url": f"{tokens.url}/token"})
        found = await site.at(options=options).create()
        sent = tokens.received[0].rpartition("assertion=")[2]

    for part in sent.split("."):
        assert part not in repr(found)


async def test_a_key_that_is_none_is_ours_to_mend(place: Place) -> None:
    found = await as_account(at_vertex(place)).at(key=Secret("no-private-key-at-all")).create()

    assert isinstance(found, Refused)
    assert found.failure.kind is FailureKind.AUTH


async def test_a_private_key_may_have_its_line_ends_escaped(place: Place) -> None:
    site = as_account(at_vertex(place))
    assert site.upstream.key is not None
    escaped = site.upstream.key.reveal().replace("\n", "\\n")

    await site.at(key=Secret(escaped)).accepted()


async def test_a_token_in_place_of_an_account_is_used_as_it_is(place: Place) -> None:
    site = at_vertex(place)
    before = site.world.requests["veo-at-vertex", Endpoint.CREATE]

    await site.accepted()

    assert site.world.requests["veo-at-vertex", Endpoint.CREATE] == before + 1


async def test_a_bucket_on_a_host_of_its_own_is_signed_for(place: Place) -> None:
    site = at_vertex(place)
    async with listening(lambda _: json_response(200, {"items": []})) as bucket:
        moved = site.at(options=options_of(site).model_copy(update={"storage_url": bucket.url}))
        await moved.listed()
        reply = await site.transport.send(get(Phase.CONTENT, f"{bucket.url}/a"), site.upstream)

    first, second = bucket.received
    assert authorization_of(first) == "Bearer sim-vertex-access-token"
    assert authorization_of(second) == ""
    assert reply.status == 200
    assert isinstance(await site.create(), Accepted)
