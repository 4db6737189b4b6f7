"""The result of a finished job is fetched by every way, and again while it is late."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from yarl import URL

from tallylight.catalogue.services import Service, Upstream
from tallylight.clock import Clock, SystemClock
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef
from tallylight.model.order import Medium
from tallylight.upstreams.download import LATE_PATIENCE, ResultFetcher, retry_pause
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Phase, get
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import VIDEO, Done, Output
from tallylight.upstreams.transport import Transport
from tests.builders import SERVICE
from tests.upstreams.flows import poll_request, read_poll

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]
Pages = Mapping[str, tuple[int, str, bytes]]

FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 400
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
NOT_FOUND = (404, "application/json", b'{"error":{"message":"no such route"}}')
MANY = 50_000_000


def whole(status: int, media_type: str, body: bytes) -> bytes:
    kind = f"Content-Type: {media_type}\r\n" if media_type else ""
    return f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body


def site(pages: Pages) -> Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]:
    """Return a handler that serves pages by path; other paths are not found."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        path = request.split(b" ")[1].decode("ascii")
        writer.write(whole(*pages.get(path, NOT_FOUND)))
        await writer.drain()

    return answer


def service_at(upstream: Upstream, medium: Medium = Medium.VIDEO) -> Service:
    return replace(SERVICE, upstream=upstream, sheet=replace(SERVICE.sheet, medium=medium))


def done(*results: str | InlineFile, id_: str = "v1") -> Done:
    """Return a finished job whose answer names results, and its content call if it has an id."""
    ways = (*results, f"/videos/{id_}/content") if id_ else results
    return Done(
        tuple(
            Output(VIDEO, each if isinstance(each, InlineFile) else get(Phase.CONTENT, each))
            for each in ways
        )
    )


def paths(received: list[bytes]) -> list[str]:
    return [request.split(b" ")[1].decode("ascii") for request in received]


class Site:
    """An upstream with pages, and one try to fetch from it."""

    def __init__(self, upstream: Upstream, transport: Transport, folder: Path) -> None:
        self.upstream = upstream
        self.transport = transport
        self.file = folder / "result"

    @property
    def origin(self) -> str:
        return self.upstream.base_url.removesuffix("/v1")

    async def fetch(self, job: Done, medium: Medium = Medium.VIDEO) -> str | Failure:
        fetcher = ResultFetcher(self.transport, SystemClock())
        service = service_at(self.upstream, medium)
        return await fetcher.fetch(None, job, service, self.file, MANY, timedelta())


Open = Callable[[Pages], Awaitable[Site]]


@pytest.fixture
def open_site(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, tmp_path: Path
) -> Open:
    async def start(pages: Pages) -> Site:
        return Site(make_upstream(await serve(site(pages))), transport, tmp_path)

    return start


@pytest.mark.parametrize(
    "media_type",
    ["video/mp4", "application/octet-stream", "", "text/plain; charset=utf-8", "application/json"],
)
async def test_a_film_is_a_film_whatever_it_is_called(open_site: Open, media_type: str) -> None:
    one = await open_site({"/v1/videos/v1/content": (200, media_type, FILM)})

    assert await one.fetch(done()) == "video/mp4"
    assert one.file.read_bytes() == FILM


@pytest.mark.parametrize("media_type", ["video/mp4", "application/octet-stream", "text/html"])
@pytest.mark.parametrize(
    "body",
    [b"", b'{"error":{"message":"expired"}}', b"<!DOCTYPE html><html>502</html>", b"wait", PNG],
)
async def test_anything_else_is_no_film_whatever_it_is_called(
    open_site: Open, media_type: str, body: bytes
) -> None:
    one = await open_site({"/v1/videos/v1/content": (200, media_type, body)})

    assert isinstance(await one.fetch(done()), Failure)
    assert not one.file.exists()


async def test_a_service_of_stills_delivers_pictures(open_site: Open) -> None:
    one = await open_site({"/v1/videos/v1/content": (200, "", PNG)})

    assert await one.fetch(done(), Medium.IMAGE) == "image/png"


@pytest.mark.parametrize("bad", [NOT_FOUND, (401, "", b"{}"), (200, "text/html", b"<html>")])
async def test_each_way_is_tried_until_one_leads_to_the_film(
    open_site: Open, received: list[bytes], bad: tuple[int, str, bytes]
) -> None:
    content = "/v1/videos/v1/content"
    first = await open_site({"/a": bad, "/b": (200, "video/mp4", FILM), content: bad})
    second = await open_site({"/a": bad, "/b": bad, content: (200, "video/mp4", FILM)})

    for one in (first, second):
        assert await one.fetch(done(f"{one.origin}/a", f"{one.origin}/b")) == "video/mp4"

    assert paths(received) == ["/a", "/b", "/a", "/b", content]


async def test_an_answer_that_names_an_address_leads_there_but_not_further(
    open_site: Open, received: list[bytes]
) -> None:
    pages = {
        "/v1/videos/v1/content": (200, "application/json", b'{"url": "/f/1"}'),
        "/v1/videos/v2/content": (200, "text/plain", b'{"url": "/page"}'),
        "/f/1": (200, "", FILM),
        "/page": (200, "application/json", b'{"url": "/f/1"}'),
    }
    one = await open_site(pages)

    assert await one.fetch(done()) == "video/mp4"
    assert isinstance(await one.fetch(done(id_="v2")), Failure)
    assert paths(received)[2:] == ["/v1/videos/v2/content", "/page"]


async def test_a_film_inside_an_answer_is_saved_without_a_request(
    open_site: Open, received: list[bytes]
) -> None:
    one = await open_site({})
    text = base64.b64encode(FILM).decode()

    assert await one.fetch(done(InlineFile(text), f"{one.origin}/a")) == "video/mp4"
    assert (one.file.read_bytes(), received) == (FILM, [])


async def test_a_film_inside_the_answer_of_the_content_call_is_saved(open_site: Open) -> None:
    film = FILM * 20
    body = json.dumps({"data": [{"b64_json": base64.b64encode(film).decode()}]}).encode()
    one = await open_site({"/v1/videos/v1/content": (200, "application/json", body)})

    assert await one.fetch(done()) == "video/mp4"
    assert one.file.read_bytes() == film


async def test_a_poll_is_read_whole_with_a_film_of_many_megabytes(open_site: Open) -> None:
    film = FILM * 200
    job = {"id": "v1", "status": "completed", "video": base64.b64encode(film).decode()}
    one = await open_site({"/v1/videos/v1": (200, "application/json", json.dumps(job).encode())})
    poll = poll_request(adapter_for(one.upstream), "v1")

    reply = await one.transport.send(poll, one.upstream)
    found = read_poll(one.upstream, reply)

    assert (reply.truncated, len(reply.body) < 1000, len(film) > 20_000_000) == (False, True, True)
    assert isinstance(found, Done)
    assert await one.fetch(found) == "video/mp4"
    assert one.file.read_bytes() == film


async def test_a_broken_film_in_the_answer_gives_way_to_the_next_way(open_site: Open) -> None:
    broken = base64.b64encode(FILM).decode()[:-4000] + "?" * 4000
    one = await open_site({"/v1/videos/v1/content": (200, "", FILM)})

    assert await one.fetch(done(InlineFile(broken))) == "video/mp4"
    assert one.file.read_bytes() == FILM


async def test_the_number_of_tries_is_bounded(open_site: Open, received: list[bytes]) -> None:
    pages = {f"/{n}": (200, "", json.dumps({"urls": [f"/{n}{m}" for m in range(9)]}).encode())
             for n in range(9)}  # fmt: skip
    one = await open_site(pages)

    assert isinstance(await one.fetch(done(*(f"{one.origin}/{n}" for n in range(9)))), Failure)
    assert len(received) == 8


async def test_a_content_call_that_the_answer_names_in_full_is_made_once(
    open_site: Open, received: list[bytes]
) -> None:
    one = await open_site({})

    await one.fetch(done(f"{one.upstream.base_url}/videos/v1/content"))

    assert paths(received) == ["/v1/videos/v1/content"]


@pytest.mark.parametrize("kind", ["thumbnail", "last_frame", "audio"])
async def test_a_file_beside_what_is_sold_is_no_way_to_it(
    open_site: Open, received: list[bytes], kind: str
) -> None:
    one = await open_site({"/v1/t": (200, "video/mp4", FILM)})

    outcome = await one.fetch(Done((Output(kind, get(Phase.CONTENT, "/t")),)))

    assert isinstance(outcome, Failure)
    assert received == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:7f00:1]"])
async def test_no_way_of_a_public_upstream_leads_inwards(  # noqa: PLR0913, PLR0917  # fixtures
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    tmp_path: Path,
    received: list[bytes],
    host: str,
) -> None:
    port = URL(await serve(site({"/a": (200, "", FILM)}))).port
    public = make_upstream("http://93.184.215.14:9/v1", timeout=0.1)  # never asked
    job = done(f"http://{host}:{port}/a", id_="")

    outcome = await Site(public, transport, tmp_path).fetch(job)

    assert isinstance(outcome, Failure)
    assert received == []


class TestLateResults:
    async def test_are_tried_again_and_the_job_is_asked_anew(  # fixtures
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        tmp_path: Path,
        received: list[bytes],
        hurried: Callable[[float], Clock],
    ) -> None:
        job = json.dumps({"id": "v1", "status": "completed", "video_url": "/f/1"}).encode()
        pages = {"/f/1": (200, "", FILM), "/v1/videos/v1": (200, "application/json", job)}

        async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
            await site(pages if len(received) > 8 else {})(request, writer)

        upstream, clock = make_upstream(await serve(answer)), hurried(200)
        async with Transport(clock) as transport:
            fetcher = ResultFetcher(transport, clock)
            outcome = await fetcher.fetch(
                JobRef("v1"), done(), service_at(upstream), tmp_path / "x", MANY, LATE_PATIENCE
            )

        assert outcome == "video/mp4"
        assert paths(received)[-1] == "/f/1"

    def test_are_tried_at_growing_intervals(self) -> None:
        waited, tries = timedelta(), 1
        while (pause := retry_pause(waited)) + waited <= LATE_PATIENCE:
            assert timedelta(seconds=2) <= pause <= timedelta(seconds=30)
            waited, tries = waited + pause, tries + 1

        assert tries == 14
