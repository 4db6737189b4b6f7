"""Without keys, programs on this machine are served and web pages are refused."""

from typing import TYPE_CHECKING

import aiohttp
import pytest
from openai import AsyncOpenAI

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]


async def test_any_key_is_accepted_without_authentication(open_gateway: "Gateway") -> None:
    async with AsyncOpenAI(base_url=f"{open_gateway.address}/v1", api_key="none") as sdk:
        video = await sdk.videos.create(model="boats", prompt="a boat")

        assert [one.id async for one in sdk.videos.list()] == [video.id]


async def test_a_valid_key_sees_its_own_videos(open_gateway: "Gateway") -> None:
    async with AsyncOpenAI(
        base_url=f"{open_gateway.address}/v1", api_key=open_gateway.key
    ) as known:
        assert [one.id async for one in known.videos.list()] == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "rebound.example:8080"}, 403),
        ({"Host": "127.0.0.1.rebound.example"}, 403),
        ({"Origin": "https://page.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, 200),
        ({"Origin": "https://app.example", "Host": "rebound.example:8080"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_requests_of_web_pages_are_refused(
    open_gateway: "Gateway", headers: dict[str, str], status: int
) -> None:
    async with (
        aiohttp.ClientSession(open_gateway.address) as http,
        http.get("/v1/models", headers=headers) as answer,
    ):
        assert answer.status == status
        assert status == 200 or (await answer.json())["error"]["code"] == "key_required"
