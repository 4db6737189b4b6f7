"""Badges of a status, an uptime and a response time."""

from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from tallylight.model.status import Status
from tests.status.conftest import NOW, Backend, Get, new_verdict


async def message(get: Get, path: str) -> tuple[str, str]:
    badge = await (await get(path)).json()
    return badge["label"], badge["message"]


async def test_a_badge_is_an_svg_with_a_label(get: Get) -> None:
    answer = await get("/badge/sora-2-pro-reverse.svg")

    picture = ET.fromstring(await answer.text())  # noqa: S314  # our own
    assert answer.content_type == "image/svg+xml"
    assert picture.attrib["aria-label"] == "Sora 2 Pro 官逆: Suspended"


async def test_a_badge_is_a_shields_endpoint(get: Get) -> None:
    badge = await (await get("/badge/sora-2-official.json")).json()

    assert (badge["schemaVersion"], badge["label"], badge["message"], badge["isError"]) == (
        1,
        "Sora 2 官轉",
        "Operational",
        False,
    )


@pytest.mark.parametrize("kind", ["svg", "json"])
async def test_a_badge_of_an_unknown_service_is_a_404_with_a_picture(get: Get, kind: str) -> None:
    answer = await get(f"/badge/<nobody>.{kind}")

    assert answer.status == 404
    assert "no such service" in await answer.text()
    assert "<nobody>" not in (await answer.text() if kind == "svg" else "")


async def test_an_uptime_is_of_thirty_days(get: Get) -> None:
    paused = await (await get("/badge/sora-2-pro-reverse/uptime.json")).json()

    assert (paused["label"], paused["message"], paused["color"]) == (
        "Sora 2 Pro 官逆: 30 days",
        "70% uptime",
        "#b3261e",
    )
    assert await message(get, "/badge/sora-2-official/uptime.json") == (
        "Sora 2 官轉: 30 days",
        "100.0% uptime",
    )


async def test_an_uptime_of_little_time_says_so(get: Get, backend: Backend) -> None:
    verdict = new_verdict("veo-3.1", Status.OPERATIONAL, since=NOW - timedelta(hours=3))
    await backend.record(verdict)
    await backend.history.flush()

    _, text = await message(get, "/badge/veo-3.1/uptime.json")

    assert "of the 3 h monitored so far" in text


async def test_a_response_time_is_that_of_the_latest_free_probe(get: Get) -> None:
    assert await message(get, "/badge/sora-2-official/latency.json") == (
        "Sora 2 官轉: Response time",
        "62 ms",
    )


async def test_what_was_not_measured_is_not_shown_as_a_figure(get: Get) -> None:
    assert (await message(get, "/badge/veo-3.1/uptime.json"))[1] == "not monitored"
    assert (await message(get, "/badge/veo-3.1/latency.json"))[1] == "not measured"


@pytest.mark.parametrize("figure", ["uptime", "latency"])
async def test_a_figure_is_a_picture_in_the_readers_language(get: Get, figure: str) -> None:
    answer = await get(f"/badge/sora-2-official/{figure}.svg?lang=zh-Hant")

    picture = ET.fromstring(await answer.text())  # noqa: S314  # our own
    label = picture.attrib["aria-label"]
    assert answer.content_type == "image/svg+xml"
    assert label.startswith(("Sora 2 官轉：30 天: 可用率", "Sora 2 官轉：回應時間: 62"))


@pytest.mark.parametrize("figure", ["uptime", "latency"])
async def test_a_figure_of_an_unknown_service_is_a_404(get: Get, figure: str) -> None:
    answer = await get(f"/badge/nobody/{figure}.svg")

    assert (answer.status, "no such service" in await answer.text()) == (404, True)


async def test_there_is_no_other_figure(get: Get) -> None:
    assert (await get("/badge/image/price.svg")).status == 404
