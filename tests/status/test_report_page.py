"""The report as page and as JSON, over the history of the other page tests."""

import pytest

from tests.status.conftest import Get


async def test_the_page_shows_every_service_without_scripts(get: Get) -> None:
    response = await get("/report")
    page = await response.text()

    assert response.status == 200
    for shown in ("Report for the last 30 days", "sora-2-official", "Hours lost to risk control"):
        assert shown in page


async def test_the_page_is_in_the_readers_language(get: Get) -> None:
    assert "星級" in await (await get("/report?lang=zh-Hant")).text()
    assert "星级" in await (await get("/report?lang=zh-Hans")).text()


async def test_a_month_has_its_name_and_leads_to_the_month_before(get: Get) -> None:
    rolling = await (await get("/report")).text()
    january = await (await get("/report?month=2026-01")).text()
    empty = await (await get("/report?month=2020-01")).text()

    assert '/report?month=2025-12">Report for December 2025</a>' in rolling
    assert '<h1 id="headline">Report for January 2026</h1>' in january
    assert '/report?month=2025-12">' in january
    assert "/api/report?month=2026-01" in january
    assert "/report?month=2019-12" not in empty


async def test_a_month_as_json_is_whole_or_ends_now(get: Get) -> None:
    december = await (await get("/api/report?month=2025-12")).json()
    january = await (await get("/api/report?month=2026-01")).json()
    ahead = await get("/api/report?month=2026-02")

    assert (december["start"], december["end"]) == ("2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert january["end"] == "2026-01-28T14:00:00Z"
    assert ahead.status == 404


@pytest.mark.parametrize(
    "query", ["window=2y", "window=", "month=", "month=2026-13", "month=2026-02", "month=0001-01"]
)
async def test_an_unknown_window_is_not_found(get: Get, query: str) -> None:
    assert (await get(f"/report?{query}")).status == 404


async def test_the_report_as_json_has_the_figures(get: Get) -> None:
    found = await (await get("/api/report?window=30d")).json()
    services = {each["id"]: each for each in found["services"]}

    halted = services["sora-2-pro-reverse"]
    assert halted["availability"] == pytest.approx(0.7)
    assert halted["stars"] is halted["recommendation"] is None  # no job was seen
    assert halted["spells"]["suspended"]["count"] >= 1
    assert halted["longest_outage_seconds"] == pytest.approx(9 * 86400)
