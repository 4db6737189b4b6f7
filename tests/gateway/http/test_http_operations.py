"""HTTP beyond the SDKs: ranges, methods, headers, limits, unusual bodies."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = {"model": "boats", "prompt": "a boat"}
FIELDS = ["message", "type", "param", "code"]


async def _finished(gateway: "Gateway", **order: object) -> str:
    """Return the id of a new video once it is completed."""
    async with gateway.http.post("/v1/videos", json={**ORDER, **order}) as response:
        assert response.status == 200, await response.text()
        id_: str = (await response.json())["id"]
    async with asyncio.timeout(20):
        while True:
            async with gateway.http.get(f"/v1/videos/{id_}") as response:
                if (await response.json())["status"] == "completed":
                    return id_


async def _error(response: aiohttp.ClientResponse) -> dict[str, Any]:
    document = await response.json()
    assert list(document) == ["error"]
    assert list(document["error"]) == FIELDS
    found: dict[str, Any] = document["error"]
    return found


async def test_content_is_served_whole_and_in_ranges(gateway: "Gateway") -> None:
    id_ = await _finished(gateway)
    url = f"/v1/videos/{id_}/content"
    async with gateway.http.get(url) as response:
        whole = await response.read()
        head = response.headers

    async def part(range_: str, **headers: str) -> tuple[int, str | None, bytes]:
        async with gateway.http.get(url, headers={"Range": range_, **headers}) as response:
            return response.status, response.headers.get("Content-Range"), await response.read()

    size = len(whole)
    assert head["Content-Type"] == "video/mp4"
    assert head["Content-Disposition"] == f'attachment; filename="{id_}.mp4"'
    assert head["Accept-Ranges"] == "bytes"
    assert head["X-Content-Type-Options"] == "nosniff"
    assert int(head["Content-Length"]) == size
    assert await part("bytes=0-99") == (206, f"bytes 0-99/{size}", whole[:100])
    assert await part(f"bytes={size - 10}-") == (
        206,
        f"bytes {size - 10}-{size - 1}/{size}",
        whole[-10:],
    )
    assert await part("bytes=-7") == (206, f"bytes {size - 7}-{size - 1}/{size}", whole[-7:])
    assert await part("bytes=5-3") == (200, None, whole)
    assert await part("bytes=0-4", **{"If-Range": head["ETag"]}) == (
        206,
        f"bytes 0-4/{size}",
        whole[:5],
    )
    assert await part("bytes=0-4", **{"If-Range": '"other"'}) == (200, None, whole)
    async with gateway.http.get(url, headers={"Range": f"bytes={size}-"}) as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{size}"
        assert (await _error(response))["code"] == "range_not_satisfiable"


@pytest.mark.parametrize("variant", ["video", "thumbnail"])
async def test_cached_content_is_not_sent_again(gateway: "Gateway", variant: str) -> None:
    id_ = await _finished(gateway)
    url = f"/v1/videos/{id_}/content?variant={variant}"
    asked = gateway.world.requests["sora-2-official", "content"]

    async def fetched(method: str, held: str) -> tuple[int, str | None, bytes]:
        headers = {"If-None-Match": held, "Range": "bytes=0-4"}
        async with gateway.http.request(method, url, headers=headers) as response:
            return response.status, response.headers.get("ETag"), await response.read()

    tag = f'"{id_}-{variant}"'
    for held in (tag, f"W/{tag}", f'"a,b", W/"c",{tag}', "*"):
        assert await fetched("GET", held) == (304, tag, b"")
        assert await fetched("HEAD", held) == (304, tag, b"")
    assert gateway.world.requests["sora-2-official", "content"] == asked
    assert (await fetched("GET", f'"other", {tag[1:-1]}'))[0] == 206


async def test_missing_content_is_never_not_modified(gateway: "Gateway") -> None:
    stranger = {"Authorization": f"Bearer {await gateway.make_key()}", "If-None-Match": "*"}
    url = f"/v1/videos/{await _finished(gateway)}/content"
    slow = FAULT_ADAPTER.validate_python({"kind": "stall"})
    gateway.world.override_faults("sora-2-official", (slow,))
    async with gateway.http.post("/v1/videos", json=ORDER) as response:
        active = (await response.json())["id"]
    gateway.world.override_faults("sora-2-official", ())

    async with gateway.http.get(url, headers=stranger) as response:
        assert (response.status, (await _error(response))["code"]) == (404, "not_found")
    url = f"/v1/videos/{active}/content"
    async with gateway.http.get(url, headers={"If-None-Match": "*"}) as response:
        assert (response.status, (await _error(response))["code"]) == (404, "video_not_completed")


async def _thumbnail_during(
    gateway: "Gateway", endpoint: str, fault: dict[str, object]
) -> tuple[int, dict[str, Any], str | None]:
    """Return the response to a thumbnail request while an endpoint of its service fails."""
    url = f"/v1/videos/{await _finished(gateway)}/content?variant=thumbnail"
    failing = FAULT_ADAPTER.validate_python({"kind": "refuse", "doors": [endpoint], **fault})
    gateway.world.override_faults("sora-2-official", (failing,))
    async with gateway.http.get(url) as response:
        result = response.status, await _error(response), response.headers.get("Retry-After")
    gateway.world.override_faults("sora-2-official", ())
    return result


@pytest.mark.parametrize(
    ("endpoint", "fault", "wait"),
    [
        ("content", {"http_status": 503, "headers": {"Retry-After": "7"}}, "7"),
        ("content", {"http_status": 429, "headers": {"Retry-After": "9"}}, "9"),
        ("content", {"http_status": 401}, "5"),
        ("content", {"kind": "reset"}, "5"),
        ("poll", {"http_status": 503, "headers": {"Retry-After": "7"}}, "7"),
        ("poll", {"kind": "reset"}, "5"),
    ],
)
async def test_a_transient_fault_does_not_expire_content(
    gateway: "Gateway", endpoint: str, fault: dict[str, object], wait: str
) -> None:
    status, error, retry_after = await _thumbnail_during(gateway, endpoint, fault)

    assert (status, error["code"], retry_after) == (503, "content_unavailable", wait)
    assert "sora-2-official: " in error["message"]


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        ("content", {"http_status": 404}),
        ("content", {"http_status": 410}),
        ("content", {"http_status": 400, "body": "The video has expired."}),
        ("poll", {"http_status": 404}),
        ("poll", {"http_status": 200, "body": {"id": "v", "object": "video", "status": "expired"}}),
    ],
)
async def test_content_that_its_service_no_longer_has_is_expired(
    gateway: "Gateway", endpoint: str, fault: dict[str, object]
) -> None:
    status, error, retry_after = await _thumbnail_during(gateway, endpoint, fault)

    assert (status, error["code"], retry_after) == (410, "content_expired", None)


async def test_head_returns_the_same_headers_without_a_body(gateway: "Gateway") -> None:
    id_ = await _finished(gateway)

    for url in (f"/v1/videos/{id_}/content", f"/v1/videos/{id_}", "/v1/models"):
        async with gateway.http.get(url) as response:
            size = len(await response.read())
        async with gateway.http.head(url, headers={"Range": "bytes=0-4"}) as response:
            assert (response.status, int(response.headers["Content-Length"])) == (200, size)
            assert await response.read() == b""


async def test_a_response_names_the_service_and_the_poll_interval(gateway: "Gateway") -> None:
    order = {**ORDER, "seconds": "8"}
    async with gateway.http.post("/v1/videos", json=order) as response:
        made = response.headers
        video = await response.json()
    async with gateway.http.get(f"/v1/videos/{video['id']}") as response:
        seen = response.headers

    assert made["x-tallylight-service"] == "sora-2-official"
    assert made["x-tallylight-attempts"] == "1"
    assert float(made["x-tallylight-cost"]) == pytest.approx(0.80)
    assert "x-tallylight-substituted" not in made
    assert seen["openai-poll-after-ms"] == "1000"


async def test_a_substitution_is_named(gateway: "Gateway") -> None:
    order = {"model": "relayed/boats", "prompt": "a boat", "seconds": 8, "size": "1280x704"}
    async with gateway.http.post("/v1/videos", json=order) as response:
        assert response.status == 200, await response.text()
        substituted = response.headers["x-tallylight-substituted"]
        video = await response.json()

    assert substituted == "seconds=8->10"
    assert (video["seconds"], video["size"]) == ("10", "1280x704")


@pytest.mark.parametrize(
    ("headers", "fields", "status"),
    [
        ({"x-tallylight-policy": "production"}, {}, 200),
        ({"x-tallylight-policy": "cheapest"}, {}, 200),
        ({}, {"policy": "official"}, 200),
        ({"x-tallylight-policy": "best"}, {}, 400),
        ({}, {"policy": "best"}, 400),
    ],
)
async def test_a_request_may_name_its_policy(
    gateway: "Gateway", headers: dict[str, str], fields: dict[str, str], status: int
) -> None:
    async with gateway.http.post(
        "/v1/videos", json={**ORDER, **fields}, headers=headers
    ) as response:
        assert response.status == status, await response.text()


async def test_a_well_formed_request_id_is_returned_and_another_is_not(gateway: "Gateway") -> None:
    async def fetched(sent: str) -> str:
        async with gateway.http.get("/v1/models", headers={"x-request-id": sent}) as response:
            return response.headers["x-request-id"]

    assert await fetched("trace-1:a.b_C") == "trace-1:a.b_C"
    assert (await fetched("two words")).startswith("req_")
    assert (await fetched("x" * 200)).startswith("req_")


PATHS = "The paths of this gateway begin with /v1/videos, /v1/images and /v1/models."


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/x", 404, f"Invalid URL (POST /v1/x). {PATHS}"),
        ("GET", "/v1", 404, f"Invalid URL (GET /v1). {PATHS}"),
        ("GET", "/v1/", 404, f"Invalid URL (GET /v1/). {PATHS}"),
        ("GET", "/v1/videos/%00", 404, f"Invalid URL (GET /v1/videos/\x00). {PATHS}"),
        ("GET", "/v1/videos/a/b/c", 404, f"Invalid URL (GET /v1/videos/a/b/c). {PATHS}"),
        ("PUT", "/v1/videos", 405, "Not allowed to PUT on /v1/videos."),
        (
            "POST",
            "/v1/videos/video_1",
            405,
            "Not allowed to POST on /v1/videos/video_1. Videos are created by POST /v1/videos.",
        ),
        ("GET", "/v1/videos/video_1", 404, "Video with id 'video_1' not found."),
        ("DELETE", "/v1/videos/video_1", 404, "Video with id 'video_1' not found."),
        ("GET", "/v1/videos/video_1/content", 404, "Video with id 'video_1' not found."),
    ],
)
async def test_missing_resources_are_reported_in_the_error_object(
    gateway: "Gateway", method: str, path: str, status: int, message: str
) -> None:
    async with gateway.http.request(method, path) as response:
        error = await _error(response)

        assert (response.status, error["message"]) == (status, message)
        assert error["type"] == "invalid_request_error"
        assert "x-request-id" in response.headers
        assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=0000000005000", "limit"),
        (f"limit={'9' * 5000}", "limit"),
        ("order=up", "order"),
        ("after=%00", "after"),
    ],
)
async def test_a_list_has_limits(gateway: "Gateway", query: str, param: str) -> None:
    async with gateway.http.get(f"/v1/videos?{query}") as response:
        assert (response.status, (await _error(response))["param"]) == (400, param)


async def test_a_list_may_be_empty(gateway: "Gateway") -> None:
    async with gateway.http.get("/v1/videos?limit=0") as response:
        page = await response.json()

    assert (page["object"], page["data"], page["first_id"]) == ("list", [], None)


async def test_a_video_of_another_key_is_not_there(gateway: "Gateway") -> None:
    id_ = await _finished(gateway)
    stranger = {"Authorization": f"Bearer {await gateway.make_key()}"}

    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/content"),
        ("POST", "/remix"),
    ):
        body = {"prompt": "mine"} if method == "POST" else None
        async with gateway.http.request(
            method, f"/v1/videos/{id_}{path}", headers=stranger, json=body
        ) as response:
            assert (response.status, (await _error(response))["code"]) == (404, "not_found")


async def test_the_key_may_come_in_azures_header(gateway: "Gateway") -> None:
    async with (
        aiohttp.ClientSession(gateway.address) as bare,
        bare.get("/v1/models", headers={"api-key": gateway.key}) as known,
        bare.get("/v1/models") as unknown,
    ):
        assert known.status == 200
        assert unknown.status == 401
        assert unknown.headers["WWW-Authenticate"] == "Bearer"
        assert "You didn't provide an API key" in (await _error(unknown))["message"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"model": "boats", "prompt": "a boat"}', 200),
        ("application/json; charset=utf-8", b'{"model": "boats", "prompt": "a boat"}', 200),
        # The media type that curl -d sends for any data.
        ("application/x-www-form-urlencoded", b'{"model": "boats", "prompt": "a boat"}', 200),
        ("application/x-www-form-urlencoded", b"model=boats&prompt=a+boat", 200),
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"", 400),
        ("application/json", b'{"model": "boats", "prompt": "a\\u0000b"}', 400),
        ("application/json", b'{"model": "boats", "prompt": "a", "seconds": {}}', 400),
        ("multipart/form-data", b"nothing", 400),
        ("multipart/form-data; boundary=x", b"--y\r\n", 400),
        ("text/plain", b'{"model": "boats", "prompt": "a boat"}', 415),
        ("application/json", b" " * (4 * 1024 * 1024 + 1), 413),
    ],
)
async def test_bodies_are_read_or_refused_with_a_reason(
    gateway: "Gateway", kind: str, body: bytes, status: int
) -> None:
    async with gateway.http.post(
        "/v1/videos", data=body, headers={"Content-Type": kind}
    ) as response:
        document = await response.json()

    assert response.status == status, document
    assert status == 200 or list(document["error"]) == FIELDS


async def test_a_form_has_at_most_so_many_fields(gateway: "Gateway") -> None:
    fields = [("model", "boats"), ("prompt", "a"), *[("a[][x]", "1")] * 255]

    async with gateway.http.post("/v1/videos", data=aiohttp.FormData(fields)) as response:
        assert (response.status, (await _error(response))["code"]) == (400, "invalid_form")


async def test_a_body_without_end_is_refused_as_soon_as_it_is_too_long(gateway: "Gateway") -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b"x" * 65536

    async with gateway.http.post(
        "/v1/videos", data=endless(), headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 413
        assert (await _error(response))["code"] == "request_too_large"


async def test_a_long_request_is_read_from_disk_however_it_is_written(gateway: "Gateway") -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(2 * 1024 * 1024)
    address = "data:image/png;base64," + base64.b64encode(picture).decode()
    named = {"Idempotency-Key": "long"}
    form = aiohttp.FormData({**ORDER, "prompt": "long"})
    form.add_field("input_reference", picture, filename="a.png", content_type="image/png")
    order = {**ORDER, "prompt": "long", "input_reference": {"image_url": address}}

    async with gateway.http.post("/v1/videos", json=order, headers=named) as response:
        assert response.status == 200, await response.text()
        first = (await response.json())["id"]
    async with gateway.http.post("/v1/videos", data=form, headers=named) as response:
        assert response.status == 200, await response.text()
        second = (await response.json())["id"]

    assert first == second  # by its content; other content would be a conflict


async def test_a_packed_body_is_refused(gateway: "Gateway") -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with gateway.http.post("/v1/videos", data=b"\x1f\x8b", headers=headers) as response:
        assert response.status == 415


async def test_nested_fields_of_a_form_reach_the_service(gateway: "Gateway") -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in (("model", "boats"), ("prompt", "nested"), ("meta[a]", "1")):
        form.add_field(name, value)
    async with gateway.http.post("/v1/videos", data=form) as response:
        document = await response.json()

    # The official API rejects this field, which shows that it was passed on.
    assert response.status == 400
    assert "meta" in document["error"]["message"]


async def test_objects_of_a_form_may_be_written_in_json(gateway: "Gateway") -> None:
    address = "data:image/png;base64,iVBORw0KGgo="

    async def fetched(path: str, field: str, value: str) -> dict[str, Any]:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, text in ORDER.items():
            form.add_field(name, text)
        form.add_field(field, value, content_type="application/json")
        async with gateway.http.post(path, data=form) as response:
            document: dict[str, Any] = await response.json()
        return document

    made = await fetched("/v1/videos", "input_reference", f'{{"image_url": "{address}"}}')
    source = await _finished(gateway)
    edited = await fetched("/v1/videos/edits", "video", f'{{"id": "{source}"}}')
    unread = await fetched("/v1/videos", "input_reference", "{no JSON")

    assert made["object"] == edited["object"] == "video", (made, edited)
    assert unread["error"]["param"] == "input_reference"


async def test_refused_content_is_reported_to_the_caller(gateway: "Gateway") -> None:
    refusing = FAULT_ADAPTER.validate_python({"kind": "refuse", "sign": "content_rejected"})
    gateway.world.override_faults("sora-2-official", (refusing,))
    async with gateway.http.post("/v1/videos", json=ORDER) as response:
        error = await _error(response)
    gateway.world.override_faults("sora-2-official", ())

    assert response.status == 400
    assert error["type"] == "invalid_request_error"
    assert "moderation" in error["message"]


@pytest.mark.parametrize("rest", ["/", "/api/services", "/healthz"])
async def test_other_paths_reach_the_status_page(gateway: "Gateway", rest: str) -> None:
    async with gateway.http.get(rest) as response:
        assert response.status == 200
        assert "content-security-policy" in response.headers
