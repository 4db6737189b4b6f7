"""Web pages of allowed origins call the API by their keys, and read whatever is answered."""

from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tallylight.gateway.http.cors import is_preflight, preflight_headers, send_with_cors
from tallylight.gateway.http.request import HttpRequest
from tests.gateway.http.conftest import ALLOWED_ORIGIN

if TYPE_CHECKING:
    from starlette.types import Message, Send

    from tests.gateway.http.conftest import Gateway

in_one_loop = pytest.mark.asyncio(loop_scope="module")

PAGE = {"Origin": ALLOWED_ORIGIN}
FOREIGN = {"Origin": "https://elsewhere.example"}
READABLE = {"content-type", "content-length", "cache-control"}
"""Headers that a page may read without being told, as far as the gateway sends them."""


def allowed(response: aiohttp.ClientResponse) -> str | None:
    return response.headers.get("Access-Control-Allow-Origin")


async def completed(gateway: "Gateway") -> str:
    order = {"model": "boats", "prompt": "a boat"}
    async with gateway.http.post("/v1/videos", json=order, headers=PAGE) as response:
        assert (response.status, allowed(response)) == (200, ALLOWED_ORIGIN)
        id_: str = (await response.json())["id"]
    while True:
        async with gateway.http.get(f"/v1/videos/{id_}", headers=PAGE) as response:
            if (await response.json())["status"] == "completed":
                return id_


@in_one_loop
@pytest.mark.parametrize("path", ["/v1/videos", "/v1/videos/a/content", "/v1/x", "/videos"])
async def test_a_preflight_is_answered_without_a_key(gateway: "Gateway", path: str) -> None:
    ask = {
        **PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
    }
    async with aiohttp.ClientSession(gateway.address) as http:
        async with http.options(path, headers=ask) as response:
            headers = response.headers

            assert (response.status, await response.read()) == (204, b"")
        async with http.options(path, headers={**ask, **FOREIGN}) as response:
            assert (response.status, allowed(response)) == (204, None)
            assert "Access-Control-Allow-Methods" not in response.headers

    assert headers["Access-Control-Allow-Origin"] == ALLOWED_ORIGIN
    assert headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST, DELETE"
    assert headers["Access-Control-Allow-Headers"] == ask["Access-Control-Request-Headers"]
    assert "Access-Control-Allow-Credentials" not in headers
    assert headers["Vary"] == "Origin"


@in_one_loop
async def test_a_page_reads_every_answer_and_all_its_headers(gateway: "Gateway") -> None:
    id_ = await completed(gateway)
    requests = [
        ("GET", f"/v1/videos/{id_}", {}, 200),
        ("GET", f"/v1/videos/{id_}/content", {}, 200),
        ("GET", f"/v1/videos/{id_}/content", {"Range": "bytes=0-9"}, 206),
        ("GET", f"/v1/videos/{id_}/content", {"Range": "bytes=999999999-"}, 416),
        ("GET", f"/v1/videos/{id_}/content", {"If-None-Match": "*"}, 304),
        ("HEAD", f"/v1/videos/{id_}/content", {}, 200),
        ("POST", "/v1/videos", {}, 415),
        ("GET", "/v1/videos", {"Authorization": "Bearer wrong"}, 401),
        ("GET", "/v1/x", {}, 404),
        ("GET", "/videos", {}, 404),
        ("PUT", "/v1/videos", {}, 405),
        ("DELETE", f"/v1/videos/{id_}", {}, 200),
    ]

    for method, path, headers, status in requests:
        async with gateway.http.request(method, path, headers={**PAGE, **headers}) as response:
            exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
            own = {name.lower() for name in response.headers if not name.startswith("Access-")}

            assert (response.status, allowed(response)) == (status, ALLOWED_ORIGIN)
            assert response.headers["Vary"] == "Origin"
            assert own - READABLE - {*exposed} <= {
                *("vary", "date", "server", "x-content-type-options", "www-authenticate")
            }


@in_one_loop
async def test_a_page_of_another_origin_reads_nothing(gateway: "Gateway") -> None:
    for headers in (FOREIGN, {"Origin": "null"}, {"Origin": f"{ALLOWED_ORIGIN}.evil"}, {}):
        async with gateway.http.get("/v1/models", headers=headers) as response:
            assert (response.status, allowed(response)) == (200, None)
            assert response.headers["Vary"] == "Origin"


def request(**headers: str) -> HttpRequest:
    async def receive() -> "Message":
        return {}

    async def send(message: "Message") -> None:
        pass

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"method": "OPTIONS", "path": "/v1/videos", "headers": raw, "query_string": b""}
    return HttpRequest.from_scope(scope, receive, send)


def test_header_names_that_are_none_are_not_echoed() -> None:
    asked = request(
        origin="https://a.example",
        access_control_request_method="POST",
        access_control_request_headers="x:y\r\nset-cookie",
    )

    assert is_preflight(asked)
    assert b"access-control-allow-headers" not in dict(preflight_headers(asked, {"*"}))
    assert preflight_headers(asked, set()) == ()


async def test_all_origins_are_allowed_by_one_sign() -> None:
    sent: list[Message] = []
    asked = replace(request(origin="https://a.example"), send=_into(sent))

    await send_with_cors(asked, {"*"})({"type": "http.response.start", "headers": []})

    headers = dict(sent[0]["headers"])
    assert (headers[b"access-control-allow-origin"], headers[b"vary"]) == (b"*", b"Origin")


def _into(sent: "list[Message]") -> "Send":
    async def send(message: "Message") -> None:
        sent.append(message)

    return send
