"""Paths are taken as they are meant, or refused in the error object with the right one."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.gateway.http.paths import canonical_path, is_api_path, similar_path

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

in_one_loop = pytest.mark.asyncio(loop_scope="module")

ORDER = {"model": "boats", "prompt": "a boat"}
CREATES = [
    *("/v1/videos", "/v1/videos/", "//v1/videos", "/v1//videos", "///v1///videos//"),
    *("/v1/video/generations", "/v1/videos/generations", "/v1/video/generations/"),
]


@in_one_loop
@pytest.mark.parametrize("path", CREATES)
async def test_a_video_is_created_retrieved_and_downloaded_under_every_spelling(
    gateway: "Gateway", path: str
) -> None:
    async with gateway.http.post(f"{gateway.address}{path}", json=ORDER) as response:
        assert response.status == 200, await response.text()
        id_ = (await response.json())["id"]

    url = f"{gateway.address}{path.rstrip('/')}/{id_}"
    async with gateway.http.get(url, allow_redirects=False) as response:
        assert (response.status, (await response.json())["id"]) == (200, id_)
    async with gateway.http.head(f"{url}/", allow_redirects=False) as response:
        assert response.status == 200
    async with gateway.http.get(f"{url}/content") as response:
        assert response.status in {200, 404}  # 404 until it is completed
        assert response.status == 200 or (await response.json())["error"]["code"]


@in_one_loop
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/videos", "/v1/videos"),
        ("/videos/a/", "/v1/videos/a"),
        ("//videos", "/v1/videos"),
        ("/models", "/v1/models"),
        ("/video/generations", "/v1/videos"),
        ("/api/v1/video/generations", "/v1/videos"),
        ("/api/v1/videos/a/content", "/v1/videos/a/content"),
        ("/openai/v1/videos", "/v1/videos"),
        ("/v1/v1/videos", "/v1/videos"),
        ("/V2/Videos", "/v1/videos"),
        ("/v1beta/videos", "/v1/videos"),
    ],
)
async def test_a_path_that_only_looks_like_ours_names_the_right_one(
    gateway: "Gateway", method: str, path: str, right: str
) -> None:
    url = f"{gateway.address}{path}"
    async with gateway.http.request(method, url, allow_redirects=False) as response:
        error = (await response.json())["error"]

        assert response.status == 404
        assert error["message"] == f"Invalid URL ({method} {path}). Did you mean {right}?"
        assert error["type"] == "invalid_request_error"


@in_one_loop
@pytest.mark.parametrize("path", ["/openai/x", "/v1/video/create", "/v1/tasks/a", "/v3"])
async def test_a_path_like_none_of_ours_names_all(gateway: "Gateway", path: str) -> None:
    async with gateway.http.post(path, json=ORDER) as response:
        message = (await response.json())["error"]["message"]

        assert response.status == 404
        assert message.endswith(
            "The paths of this gateway begin with /v1/videos, /v1/images and /v1/models."
        )


@in_one_loop
@pytest.mark.parametrize("path", ["/", "/services/videos", "/api/v2/summary.json", "/healthz"])
async def test_the_paths_of_the_status_page_are_not_taken(gateway: "Gateway", path: str) -> None:
    async with gateway.http.get(path) as response:
        assert "x-request-id" not in response.headers


@in_one_loop
async def test_options_tells_the_methods_of_a_path_without_a_key(gateway: "Gateway") -> None:
    async with gateway.http.options("/v1/videos", headers={"Authorization": ""}) as response:
        assert (response.status, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    async with gateway.http.options("/v1/x") as response:
        assert response.status == 404


@given(st.text("/v1ideosmapx.", max_size=30).map("/{}".format))
def test_a_path_has_one_canonical_form(path: str) -> None:
    canonical = canonical_path(path)

    assert canonical_path(canonical) == canonical
    assert "//" not in canonical
    assert is_api_path(canonical) or not similar_path(canonical).startswith("/v1/videos/v1")
