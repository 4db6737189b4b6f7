"""The HTML pages."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import aiohttp
import pytest

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Reason, ReasonCode, Verdict

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]
SetVerdict = Callable[[Verdict], object]

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
PAGES = [
    "/",
    "/recommend",
    "/services/sora-2-pro-reverse",
    "/incidents/sora-2-pro-reverse-1",
    "/nothing",
]


async def text(get: Get, path: str, **headers: str) -> str:
    return await (await get(path, **headers)).text()


async def test_the_page_counts_operational_services(get: Get) -> None:
    page = await text(get, "/")

    assert '<h1 id="headline">3 of 6 services are operational.</h1>' in page


async def test_no_status_is_shown_by_colour_alone(get: Get) -> None:
    card = await text(get, "/services/sora-2-pro-reverse/card")

    assert '<strong class="status-label status-label-suspended">Suspended</strong>' in card
    assert re.search(r'<svg class="bar"[^>]+role="img" aria-label="The last 41 days, each by', card)


async def test_a_card_shows_latency_price_and_uptime(get: Get) -> None:
    card = await text(get, "/services/sora-2-official/card")

    for shown in (
        "62 ms",
        "1 min 14 s",
        "$0.10 per second (720p)",
        "of the 60 days monitored so far",
        "Official status page",
    ):
        assert shown in card


async def test_the_upstreams_words_cannot_become_markup(get: Get) -> None:
    page = await text(get, "/")

    assert "&lt;b&gt;until further notice&lt;/b&gt;" in page
    assert "<b>until" not in page


@pytest.mark.parametrize("path", PAGES)
async def test_nothing_inline_needs_an_unsafe_policy(get: Get, path: str) -> None:
    page = await text(get, path)

    assert re.search(r"<script(?![^>]+src=)|\sstyle=|\son\w+=|<style|javascript:", page) is None


async def test_a_shutdown_is_announced(get: Get) -> None:
    card = await text(get, "/services/veo-3.1/card")

    assert "Shuts down on 1 March 2026. The provider names omni as the replacement." in card


async def test_a_blocked_service_says_so(get: Get, set_verdict: SetVerdict) -> None:
    why = Reason(ReasonCode.KEY_REFUSED, NOW)
    set_verdict(Verdict(ServiceId("image"), Status.OPERATIONAL, NOW, 0.9, (why,), Block.AUTH))

    card = await text(get, "/services/image/card")

    assert "The upstream refuses our key, so checks cannot go further." in card


async def test_a_differing_official_page_is_marked(get: Get, set_verdict: SetVerdict) -> None:
    why = Reason(ReasonCode.JOBS_FAILING, NOW)
    set_verdict(Verdict(ServiceId("image"), Status.SUSPENDED, NOW, 0.9, (why,)))

    assert "differs from our verdict" in await text(get, "/services/image/card")
    assert "differs from our verdict" not in await text(get, "/services/sora-2-official/card")


async def test_a_services_page_has_its_evidence_windows_and_sheet(get: Get) -> None:
    page = await text(get, "/services/sora-2-pro-reverse")

    for shown in (
        "temporarily paused",
        "30 days",
        "of the 40 days monitored so far",
        "1280×720",
        "pricing",
        "Day by day",
    ):
        assert shown in page


async def test_an_incident_lists_its_updates_newest_first(get: Get) -> None:
    page = await text(get, "/incidents/image-1")

    assert page.index("status-label-operational") < page.index("status-label-degraded")
    assert "lasted 2 h" in page


@pytest.mark.parametrize("path", ["/services/nobody", "/services/nobody/card", "/incidents/none"])
async def test_what_is_not_there_is_a_404_page(get: Get, path: str) -> None:
    answer = await get(path)

    assert answer.status == 404
    assert "Page not found." in await answer.text()


async def test_without_an_advice_source_there_is_no_advice(get: Get) -> None:
    assert "What your budget buys" not in await text(get, "/")
    assert (await get("/advice")).status == 404
    assert (await get("/api/advice")).status == 404


async def test_the_page_is_in_the_browsers_language(get: Get) -> None:
    answer = await get("/", accept_language="zh-TW")

    assert answer.headers["Content-Language"] == "zh-Hant"
    assert "Accept-Language" in answer.headers["Vary"]
    assert "6 個服務中有 3 個正常。" in await answer.text()


async def test_a_chosen_language_is_kept(get: Get) -> None:
    chosen = await get("/?lang=zh-Hans", accept_language="en")
    later = await get("/", accept_language="en", cookie="lang=zh-Hans")

    assert "lang=zh-Hans" in chosen.headers["Set-Cookie"]
    assert later.headers["Content-Language"] == "zh-Hans"


async def test_an_unsupported_language_is_ignored(get: Get) -> None:
    answer = await get("/?lang=tlh", cookie="lang=tlh")

    assert answer.headers["Content-Language"] == "en"
