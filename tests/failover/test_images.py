"""Images are made under one request, kept in order, and never paid for twice."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from tallylight.gateway.api import Images
from tallylight.gateway.assets.fetch import AssetFetcher
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import NO_VIDEO
from tallylight.model.ledger import EntryState
from tallylight.model.order import Input, Medium, Role
from tallylight.model.video import Video, VideoKind
from tallylight.model.wish import WishedMeasures
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario
from tallylight.storage.tables import videos_table
from tallylight.storage.video_rows import video_from_row
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.steps import IMAGE, Done, Output
from tallylight.upstreams.transport import Transport

from .conftest import RunningGateway, Start

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = Input(role=Role.REFERENCE, body=PNG + b"a picture", media_type="image/png", name="a.png")
MASK = Input(role=Role.MASK, body=PNG + b"a mask", media_type="image/png", name="b.png")

SCENARIO = """
title: Three that sell the same images
start: 2026-01-28T09:00:00Z
upstreams:
  first: {provider: one, protocol: openai_images, dialect: openai, keys: [sk-first]}
  second: {provider: two, protocol: openai_images, dialect: openai, keys: [sk-second]}
  relay: {provider: three, protocol: openai_images, dialect: relay, keys: [sk-relay]}
services:
  a: &service
    name: A
    upstream: first
    model: gpt-image-2
    medium: image
    access: official
    price: {unit: per_call, rates: {"*": 0.10}}
    latency: [4, 6]
    sizes: [1024x1024, 1536x1024]
    blocked_words: [forbidden]
  b: {<<: *service, name: B, upstream: second, price: {unit: per_call, rates: {"*": 0.20}}}
  c: {<<: *service, name: C, upstream: relay, price: {unit: per_call, rates: {"*": 0.30}}}
catalogue:
  services:
    a: &made
      sizes: null
      modes:
        - inputs: [[], ["reference<=16"], ["reference<=16", mask]]
          frames: {1024p: {1:1: 1024x1024, 3:2: 1536x1024}}
          count: 1-10
    b: *made
    c: *made
"""


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(SCENARIO, "images.yaml")


async def make(
    gateway: RunningGateway,
    prompt: str = "a boat",
    *inputs: Input,
    count: int = 1,
    **options: object,
) -> Images:
    """Make images as an anonymous caller."""
    wanted = CreateRequest(
        model="boats",
        prompt=prompt,
        medium=Medium.IMAGE,
        measures=WishedMeasures(count=count),
        inputs=inputs,
        fingerprint=prompt,
    )
    return await gateway.wiring.gateway.make_images(
        replace(wanted, **options),  # type: ignore[arg-type]  # a test's shorthand
        ANONYMOUS,
    )


async def refused(gateway: RunningGateway, prompt: str = "a boat", **options: object) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        await make(gateway, prompt, **options)  # type: ignore[arg-type]
    return refusal.value


async def bytes_of(images: Images) -> list[bytes]:
    return [b"".join([chunk async for chunk in each.chunks]) for each in images.files]


async def rows(gateway: RunningGateway) -> list[Video]:
    """Return all rows of images, oldest first."""
    query = select(videos_table).order_by(videos_table.c.created_at_us)
    async with gateway.storage.connections.read_transaction() as connection:
        return [video_from_row(row) for row in await connection.execute(query)]


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode("ascii")


def files(gateway: RunningGateway) -> list[str]:
    """Return the names of all stored files."""
    found = (path for path in gateway.assets.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(gateway.assets)) for path in found)


async def until_created(gateway: RunningGateway, name: str, count: int = 1) -> None:
    """Return once a service has received so many creates; the simulation has no event for it."""
    while gateway.create_count(name) < count:
        await gateway.clock.sleep(timedelta(seconds=1))


async def test_one_image_is_made_stored_and_told(start: Start) -> None:
    gateway = await start()

    images = await make(gateway)

    (image,) = await bytes_of(images)
    assert image.startswith(PNG)
    assert images.files[0].size == len(image)
    assert (images.media_type, images.video.kind) == ("image/png", VideoKind.IMAGE)
    assert (images.video.told_size, images.video.told_seconds) == ("1024x1024", 0)
    assert images.video.cost == Decimal("0.10")
    assert gateway.billed_jobs("a boat") == 1


async def test_several_images_are_kept_in_order_and_deleted_together(start: Start) -> None:
    gateway = await start(assets={"keep": "1m"})

    images = await make(gateway, count=3)

    assert len(await bytes_of(images)) == 3
    (attempt,) = await gateway.attempts(images.video)
    assert images.video.asset == f"videos/{attempt.id}.1of3.png"
    assert files(gateway) == [f"videos/{attempt.id}.{each}of3.png" for each in (1, 2, 3)]
    assert (attempt.order.count, images.video.cost) == (3, Decimal("0.30"))

    await gateway.clock.sleep(timedelta(minutes=1))
    async with asyncio.timeout(10):
        cleaning = asyncio.create_task(gateway.wiring.workers["assets"]())
        while files(gateway):
            await gateway.clock.sleep(timedelta(seconds=1))
        cleaning.cancel()
    error = await refused(
        gateway, idempotency_key="", is_retry=True, measures=WishedMeasures(count=3)
    )
    assert error.status in {404, 410}


async def test_images_behind_addresses_are_downloaded(start: Start) -> None:
    gateway = await start(route={"services": ["c"]})

    images = await make(gateway, count=2)

    assert [each.startswith(PNG) for each in await bytes_of(images)] == [True, True]


async def test_what_can_be_had_of_several_images_is_a_delivery(start: Start) -> None:
    gateway = await start()
    first = await make(gateway, count=3)
    (attempt,) = await gateway.attempts(first.video)
    (image, *_) = await bytes_of(first)
    whole, broken = (InlineFile(text) for text in (encoded(image), encoded(image)[:-5] + "!"))
    done = Done(tuple(Output(IMAGE, file, at) for at, file in enumerate((whole, broken, whole))))
    async with Transport(gateway.clock) as transport:
        fetcher = AssetFetcher(transport, gateway.store, gateway.clock)
        service = gateway.board.service(attempt.service)

        asset = await fetcher.fetch(attempt, service, done, timedelta())
        nothing = await fetcher.fetch(attempt, service, replace(done, outputs=()), timedelta())

    assert asset == f"videos/{attempt.id}.1of2.png"
    assert isinstance(nothing, Failure)


async def test_pictures_and_a_mask_go_to_the_service_and_are_deleted_then(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})

    images = await make(gateway, "more", PICTURE, replace(PICTURE, body=PNG + b"other"), MASK)

    (job,) = [each for each in gateway.simulation.jobs.values() if each.reading.prompt == "more"]
    assert [each.role for each in job.reading.inputs] == ["reference", "reference", "mask"]
    assert [each.role for each in images.video.params.inputs] == [
        Role.REFERENCE,
        Role.REFERENCE,
        Role.MASK,
    ]
    await gateway.until_released(images.video)
    assert all(name.startswith("videos/") for name in files(gateway))


async def test_a_service_that_refuses_is_followed_by_the_next(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})

    images = await make(gateway)

    assert await gateway.attempt_states(images.video) == [
        ("a", AttemptState.REFUSED),
        ("b", AttemptState.DELIVERED),
    ]
    assert gateway.billed_jobs("a boat") == 1


async def test_a_request_that_all_refuse_costs_nothing_and_may_be_repeated(start: Start) -> None:
    gateway = await start()
    for name in "abc":
        gateway.set_faults(name, {"kind": "refuse", "sign": "overloaded"})

    error = await refused(gateway)
    for name in "abc":
        gateway.set_faults(name)
    images = await make(gateway, is_retry=True)

    assert (error.status, error.code) == (503, "no_service_available")
    assert error.retry_after is not None
    assert len(images.files) == 1


async def test_rejected_content_is_an_error_of_the_caller(start: Start) -> None:
    gateway = await start()

    error = await refused(gateway, "a forbidden boat")

    assert (error.status, error.code) == (400, "moderation_blocked")
    assert gateway.create_count("b") == 0


async def test_a_create_that_breaks_off_is_in_doubt_and_never_repeated(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "reset", "accepts": True})

    error = await refused(gateway)
    again = await refused(gateway, is_retry=True)

    assert (error.status, error.code) == (502, "outcome_unknown")
    assert (again.status, again.message) == (error.status, error.message)
    assert (gateway.create_count("a"), gateway.create_count("b")) == (1, 0)
    (row,) = await rows(gateway)
    assert await gateway.attempt_states(row) == [("a", AttemptState.UNRESOLVED)]
    assert row.id in error.message
    assert row.cost == Decimal("0.10")


async def test_a_repeat_joins_a_request_under_way(start: Start) -> None:
    gateway = await start()

    first = asyncio.create_task(make(gateway))
    await until_created(gateway, "a")
    repeats = [asyncio.create_task(make(gateway, is_retry=True)) for _ in range(2)]
    found = [await task for task in (first, *repeats)]

    assert len({each.video.id for each in found}) == 1
    assert gateway.create_count("a") == 1
    assert len({(await bytes_of(each))[0] for each in found}) == 1


async def test_a_client_that_leaves_finds_its_images_under_its_key(start: Start) -> None:
    gateway = await start()

    leaving = asyncio.create_task(make(gateway, idempotency_key="k1"))
    await until_created(gateway, "a")
    leaving.cancel()
    images = await make(gateway, idempotency_key="k1")
    error = await refused(gateway, idempotency_key="k1", fingerprint="other")

    assert len(images.files) == 1
    assert gateway.create_count("a") == 1
    assert (error.status, error.code) == (409, "idempotency_key_reused")


async def test_another_process_waits_for_the_end_of_the_same_request(start: Start) -> None:
    gateway, other = await start(), await start()

    first = asyncio.create_task(make(gateway, idempotency_key="k1"))
    await until_created(gateway, "a")
    joined = await make(other, idempotency_key="k1")

    assert joined.video.id == (await first).video.id
    assert gateway.create_count("a") == 1


async def test_images_are_no_videos(start: Start) -> None:
    gateway = await start()
    images = await make(gateway)

    with pytest.raises(ApiError) as refusal:
        await gateway.wiring.gateway.video(images.video.id, ANONYMOUS)
    page = await gateway.wiring.gateway.list_videos(ANONYMOUS, after=NO_VIDEO, limit=5, order="asc")
    with pytest.raises(ApiError) as no_film:
        await gateway.create("a film")

    assert refusal.value.status == 404
    assert page.videos == []
    assert (no_film.value.status, no_film.value.param) == (400, "model")


async def test_a_process_that_dies_after_the_acceptance_leaves_the_money_reserved(
    start: Start,
) -> None:
    gateway = await start()
    asking = asyncio.create_task(make(gateway, idempotency_key="k1", count=3))
    await gateway.kill_after_writes(2)  # the row, and the acceptance
    asking.cancel()

    later = await start()
    error = await refused(later, idempotency_key="k1", measures=WishedMeasures(count=3))

    assert (error.status, error.code) == (502, "outcome_unknown")
    (row,) = await rows(later)
    assert await later.attempt_states(row) == [("a", AttemptState.UNRESOLVED)]
    (entry,) = await later.storage.ledger.entries()
    assert (entry.state, entry.amount) == (EntryState.SETTLED, Decimal("0.30"))
    assert gateway.billed_jobs("a boat") == 1


async def test_a_deadline_is_told_as_one(start: Start) -> None:
    gateway = await start(route={"deadline": "20s"})
    gateway.set_faults("a", {"kind": "hang", "accepts": True})

    error = await refused(gateway)

    assert error.status in {502, 504}
    assert gateway.create_count("b") == 0


async def test_a_spending_limit_holds_for_the_number_of_images(start: Start) -> None:
    gateway = await start(gateway={"budget": {"per_day": 0.25}})

    error = await refused(gateway, measures=WishedMeasures(count=3))
    images = await make(gateway, count=2)

    assert (error.status, error.code) == (429, "insufficient_quota")
    assert len(images.files) == 2
