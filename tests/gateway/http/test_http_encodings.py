"""Fields mean the same in JSON, multipart and urlencoded forms."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = b"\x89PNG\r\n\x1a\n picture"
LINK = "https://a.example/b.png"
ENCODINGS = ["json", "multipart", "urlencoded"]


async def created(
    gateway: "Gateway", encoding: str, fields: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of an answer to a create."""
    fields = {"model": "boats", "prompt": "a boat", **fields}
    body: dict[str, Any]
    match encoding:
        case "json":
            body = {"json": fields}
        case "multipart":
            form = aiohttp.FormData(default_to_multipart=True)
            for name, value in fields.items():
                form.add_field(name, value)
            body = {"data": form}
        case _:
            body = {"data": fields}
    async with gateway.http.post("/v1/videos", **body) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "fields",
    [
        {"seconds": "8.0", "size": "1280*720"},
        {"seconds": " 8 ", "size": "1280 x 720"},
        {"duration": "8s", "resolution": "1280×720"},
        {"seconds": "8", "size": "16:9", "resolution": "720p"},
        {"seconds": "8", "width": "1280", "height": "720"},
    ],
)
async def test_a_length_and_a_size_are_read_alike(
    gateway: "Gateway", encoding: str, fields: Mapping[str, str]
) -> None:
    status, video = await created(gateway, encoding, fields)

    assert (status, video.get("seconds"), video.get("size")) == (200, "8", "1280x720"), video


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"seconds": "auto"}, "seconds"),
        ({"seconds": "-1"}, "seconds"),
        ({"seconds": "NaN"}, "seconds"),
        ({"seconds": "1e9"}, "seconds"),
        ({"seconds": "4", "duration": "8s"}, "duration"),
        ({"size": "720p"}, "size"),
        ({"size": "auto"}, "size"),
        ({"input_reference": "photo.png"}, "input_reference"),
        ({"image": json.dumps([LINK, f"{LINK}2"])}, "image"),
        ({"input_reference": '{"image_url": "https://a.example/\\u0000"}'}, "input_reference"),
    ],
)
async def test_what_cannot_be_read_is_refused_by_name(
    gateway: "Gateway", encoding: str, fields: Mapping[str, str], param: str
) -> None:
    status, answer = await created(gateway, encoding, fields)

    assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "fields",
    [
        {"input_reference": f" {LINK}"},
        {"input_reference": json.dumps({"image_url": LINK})},
        {"image": json.dumps([{"url": LINK}])},
        {"images": json.dumps({"type": "image_url", "image_url": {"url": LINK}})},
    ],
)
async def test_a_picture_is_read_alike(
    gateway: "Gateway", encoding: str, fields: Mapping[str, str]
) -> None:
    status, video = await created(gateway, encoding, fields)

    assert status == 200, video


@pytest.mark.parametrize("encoding", ["multipart", "urlencoded"])
@pytest.mark.parametrize(
    "name", ["input_reference[]", "image[url]", "input_reference[][image_url]"]
)
async def test_a_picture_is_read_where_a_form_nests_it(
    gateway: "Gateway", encoding: str, name: str
) -> None:
    status, video = await created(gateway, encoding, {name: LINK})

    assert status == 200, video


@pytest.mark.parametrize("numbers", [b"NaN", b"Infinity", b"1e999"])
async def test_a_number_that_json_does_not_have_is_refused_by_name(
    gateway: "Gateway", numbers: bytes
) -> None:
    body = b'{"model": "boats", "prompt": "a boat", "seconds": ' + numbers + b"}"
    headers = {"Content-Type": "application/json"}
    async with gateway.http.post("/v1/videos", data=body, headers=headers) as response:
        error = (await response.json())["error"]

    assert (response.status, error["param"]) == (400, "seconds")


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ([("input_reference", "", b"")], 200),  # a browser's file input without a file
        ([("input_reference", "", b""), ("image", "a.png", PNG)], 200),
        ([("image[]", "a.png", PNG)], 200),
        ([("input_reference", "a.png", PNG), ("input_reference", "a.png", PNG)], 200),
        ([("input_reference", "a.png", PNG), ("input_reference", "b.png", PNG + b"2")], 400),
        ([("input_reference", "a.png", PNG), ("image", "b.png", PNG + b"2")], 400),
        ([("input_reference", "empty.png", b"")], 400),
        ([("picture", "a.png", PNG)], 400),
    ],
)
async def test_files_are_one_picture_or_refused(
    gateway: "Gateway", files: list[tuple[str, str, bytes]], status: int
) -> None:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + body
        + b"\r\n"
        for name, filename, body in files
    ]
    texts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % pair
        for pair in ((b"model", b"boats"), (b"prompt", b"a boat"))
    )
    body = texts + b"".join(parts) + b"--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    async with gateway.http.post("/v1/videos", data=body, headers=headers) as response:
        assert response.status == status, await response.text()
