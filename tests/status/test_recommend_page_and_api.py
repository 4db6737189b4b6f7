"""Which service to use for a request: the page and the API."""

import re
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tallylight.status.recommendation import read_seconds, read_size

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]


async def test_the_api_ranks_services_with_prices(get: Get) -> None:
    reply = await get("/api/recommend?for=cheapest&seconds=8&size=1280x720&model=sora-2")

    found = await reply.json()
    assert (found["policy"], found["model"], found["delivery"]) == ("cheapest", "sora-2", 0.95)
    assert found["ranked"] == [
        {
            "id": "sora-2-official",
            "name": found["ranked"][0]["name"],
            "status": "operational",
            "access": "official",
            "seconds": 8,
            "size": "1280x720",
            "price_usd": 0.4,
            "delivered_price_usd": 0.421053,
            "job_seconds": 76.0,
            "expected_seconds": 80.0,
            "delivery": 0.95,
            "why": ["This kind of access is preferred."],
        }
    ]
    assert [(each["reason"], each["why"]) for each in found["left_out"]] == [
        ("retired", "The service no longer exists."),
        ("capability", "It does not support seconds 8, only 10."),
    ]


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ("for=nonsense", 404, "'nonsense' is no policy."),
        ("model=nonsense", 404, "there is no model 'nonsense'."),
        ("size=wide", 422, "size: String should match pattern"),
        ("seconds=0", 422, "seconds: Input should be greater than or equal to 1."),
    ],
)
async def test_invalid_parameters_are_refused(
    get: Get, query: str, status: int, expected: str
) -> None:
    reply = await get(f"/api/recommend?{query}")

    assert reply.status == status
    assert (await reply.json())["detail"].startswith(expected)


async def test_the_page_explains_the_order(get: Get) -> None:
    page = await (await get("/recommend?for=cheapest&seconds=8")).text()

    assert "Only the cost per delivered video counts." in page
    assert '<option value="cheapest" selected>Cheapest</option>' in page
    assert re.search(r'<th scope="row"><a href="/services/sora-2-official">', page)
    assert "<b>$0.4211</b>" in page
    assert "8 s, 720×1280" in page
    assert "the request succeeds with a probability of 95" in page
    assert "It does not support seconds 8, only 10." in page


@pytest.mark.parametrize(
    ("language", "expected"), [("zh-Hant", "該用哪個服務"), ("zh-Hans", "该用哪个服务")]
)
async def test_the_recommend_page_is_in_the_readers_language(
    get: Get, language: str, expected: str
) -> None:
    page = await (await get("/recommend", accept_language=language)).text()

    assert f"<h1>{expected}</h1>" in page
    assert "Price" not in page


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("for=nonsense", "That purpose or model does not exist."),
        ("model=nonsense", "That purpose or model does not exist."),
        ("size=wide", "The size is not understood"),
        ("size=999999x2", "The size is not understood"),
        ("seconds=abc", "The length is a whole number of seconds, from 1 to 3600."),
        ("seconds=99999", "The length is a whole number of seconds"),
        ("seconds=-1", "The length is a whole number of seconds"),
    ],
)
async def test_invalid_parameters_keep_the_form_with_a_message(
    get: Get, query: str, message: str
) -> None:
    answer = await get(f"/recommend?{query}")
    page = await answer.text()

    assert answer.status == 422
    assert message in page
    assert '<form class="recommend-form"' in page


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1280×720", "1280x720"),
        (" 1280 * 720", "1280x720"),
        ("720p", "1280x720"),
        ("1080P", "1920x1080"),
        ("480p", "854x480"),
        ("", ""),
    ],
)
def test_a_size_is_read_as_people_write_it(written: str, size: str) -> None:
    assert read_size(written) == size


@pytest.mark.parametrize(("written", "seconds"), [("8", 8), (" 8s", 8), ("8 秒", 8), ("", 0)])
def test_a_length_is_read_as_people_write_it(written: str, seconds: int) -> None:
    assert read_seconds(written) == seconds


async def test_a_change_of_language_keeps_the_query(get: Get) -> None:
    page = await (await get("/recommend?for=cheapest&model=&seconds=8&lang=en&x=%22%3E%3Cb")).text()

    kept = "for=cheapest&amp;model=&amp;seconds=8&amp;x=%22%3E%3Cb&amp;lang=zh-Hant"
    assert f'href="/recommend?{kept}"' in page
