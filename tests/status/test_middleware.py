"""What the middleware adds to every response."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Verdict

if TYPE_CHECKING:
    from tests.status.conftest import Backend

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
READ = [
    "/api/services",
    "/api/v2/summary.json",
    "/api/openapi.json",
    "/badge/image.svg",
    "/feed.atom",
    "/services/image/feed.rss",
    "/services/image/calendar.ics",
]
PATHS = [*READ, "/", "/services/image", "/static/status.css", "/metrics", "/healthz", "/readyz"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_response_has_security_headers(get: Get, path: str) -> None:
    answer = await get(path)

    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", [*PATHS, "/api/events"])
async def test_head_answers_as_get_does_without_a_body(base: str, path: str) -> None:
    host, _, port = base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())

    head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    writer.close()
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""


@pytest.mark.parametrize("path", READ)
async def test_any_origin_may_read_the_apis(ask: Get, path: str) -> None:
    preflight = await ask("OPTIONS", path, origin="https://elsewhere.example")
    answer = await ask("GET", path, origin="https://elsewhere.example")

    assert preflight.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


PRIVATE = ["/api/ledger", "/api/advice", "/api/services/image/evidence", "/metrics"]
FOREIGN = [
    {"origin": "https://elsewhere.example"},
    {"origin": "null"},
    {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
    {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"},
]


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("headers", FOREIGN)
async def test_pages_of_other_sites_do_not_read_what_is_the_operators(
    ask: Get, path: str, headers: dict[str, str]
) -> None:
    answer = await ask("GET", path, **headers)

    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_pages_of_other_sites_see_no_budgets_of_a_service(ask: Get) -> None:
    own = await (await ask("GET", "/api/services/image")).json()
    page = await (await ask("GET", "/services/image")).text()
    elsewhere = await ask("GET", "/api/services/image", origin="https://elsewhere.example")
    foreign_page = await ask("GET", "/services/image", origin="https://elsewhere.example")

    assert own["budgets"]
    assert (await elsewhere.json())["budgets"] == []
    assert "24 h" in page or "budget" in page.lower()
    assert foreign_page.status == 200


@pytest.mark.parametrize("path", PRIVATE)
async def test_a_link_and_a_program_read_what_is_the_operators(ask: Get, path: str) -> None:
    link = await ask("GET", path, sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    program = await ask("GET", path)

    assert link.status == program.status
    assert link.status in {200, 404}  # without an adviser there is no advice
    assert "Access-Control-Allow-Origin" not in program.headers


@pytest.mark.parametrize("path", ["/api/services/image", "/api/v2/summary.json", "/feed.rss"])
async def test_what_depends_on_the_cookie_says_so(get: Get, path: str) -> None:
    assert "Cookie" in (await get(path)).headers["Vary"]


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/services/image/", "/services/image"),
        ("/api/services/?x=1", "/api/services?x=1"),
        ("//elsewhere.example/", "/elsewhere.example"),
    ],
)
async def test_a_trailing_slash_is_redirected_on_this_host(
    base: str, path: str, location: str
) -> None:
    host, _, port = base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())

    head = (await reader.read()).decode().lower()

    writer.close()
    assert head.startswith("http/1.1 307")
    assert f"location: {location}\r\n" in head


@pytest.mark.parametrize("path", [*PATHS, "/api/ledger"])
async def test_what_has_not_changed_is_not_sent_again(get: Get, path: str) -> None:
    first = await get(path)

    again = await get(path, if_none_match=first.headers["ETag"])

    assert again.status == 304
    assert again.headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize("path", ["/incidents/image-1", "/recommend"])
async def test_a_page_without_relative_times_does_not_change_with_the_time(
    get: Get, backend: "Backend", path: str
) -> None:
    first = await get(path)
    await backend.clock.advance(timedelta(seconds=5))

    assert (await get(path, if_none_match=first.headers["ETag"])).status == 304


@pytest.mark.parametrize("path", ["/services/image", "/incidents/sora-2-reverse-1"])
async def test_a_page_that_shows_ages_or_updates_itself_changes_with_the_time(
    get: Get, backend: "Backend", path: str
) -> None:
    first = await get(path)
    await backend.clock.advance(timedelta(seconds=5))

    assert (await get(path, if_none_match=first.headers["ETag"])).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/feed.rss", "/api/services", "/static/status.css", "/metrics"]
)
async def test_what_is_long_is_compressed_for_who_accepts_it(get: Get, path: str) -> None:
    plain = await get(path, accept_encoding="identity")
    packed = await get(path, accept_encoding="gzip")

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert await packed.text() == await plain.text()
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert packed.headers["ETag"].startswith('W/"')
    for answer in (plain, packed):
        assert "Accept-Encoding" in ",".join(answer.headers.getall("Vary"))


async def test_what_is_short_and_what_is_streamed_is_not_compressed(get: Get, base: str) -> None:
    short = await get("/healthz", accept_encoding="gzip")
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{base}/api/events", headers={"Accept-Encoding": "gzip"}) as stream,
    ):
        assert (await stream.content.readline()).startswith(b"event: hello")

    assert "Content-Encoding" not in short.headers
    assert "Content-Encoding" not in stream.headers


async def test_what_has_changed_is_sent_again(
    get: Get, set_verdict: Callable[[Verdict], object]
) -> None:
    first = await get("/api/v2/status.json")
    set_verdict(
        Verdict(ServiceId("image"), Status.DEGRADED, NOW, 0.9, (Reason(ReasonCode.JOBS_SLOW, NOW),))
    )

    again = await get("/api/v2/status.json", if_none_match=first.headers["ETag"])

    assert again.status == 200


async def test_what_does_not_exist_is_a_page_for_people_and_json_for_programs(get: Get) -> None:
    page, json = await get("/nothing"), await get("/api/nothing")

    assert (page.status, page.content_type) == (404, "text/html")
    assert "Page not found." in await page.text()
    assert (json.status, json.content_type) == (404, "application/json")


async def test_an_unsupported_method_is_a_405(ask: Get) -> None:
    answer = await ask("POST", "/api/services")

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"


async def test_no_response_contains_the_key(get: Get) -> None:
    for path in (*PATHS, "/api/services/image", "/api/ledger", "/incidents/image-1", "/api/uptime"):
        assert "sk-planted" not in await (await get(path)).text()
