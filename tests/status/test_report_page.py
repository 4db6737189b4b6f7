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


@pytest.mark.parametrize("path", ["/report?window=2y", "/report?window="])
async def test_an_unknown_window_is_not_found(get: Get, path: str) -> None:
    assert (await get(path)).status == 404


async def test_the_report_as_json_has_the_figures(get: Get) -> None:
    found = await (await get("/api/report?window=30d")).json()
    services = {each["id"]: each for each in found["services"]}

    halted = services["sora-2-pro-reverse"]
    assert halted["availability"] == pytest.approx(0.7)
    assert halted["stars"] is halted["recommendation"] is None  # no job was seen
    assert halted["spells"]["suspended"]["count"] >= 1
    assert halted["longest_outage_seconds"] == pytest.approx(9 * 86400)
