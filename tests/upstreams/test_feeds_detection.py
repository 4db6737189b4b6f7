"""The format of a page is found by asking, at the twin of each format and at pages of none."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tallylight.catalogue.services import Feed
from tallylight.clock import SystemClock
from tallylight.probes.feed_detection import Detection, detect_feed
from tallylight.simulator.server import serve_simulation
from tallylight.upstreams.feeds.detection import AUTO, feed_candidates
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.transport import Transport
from tests.builders import UPSTREAM
from tests.upstreams.one_page import one_page

ROOT = "https://status.example.com"
HTML = "<!doctype html><html><body>All is well</body></html>"
SUMMARY = {"page": {"id": "p"}, "components": [{"id": "c1", "name": "Video"}], "incidents": []}


def recognized(bodies: Mapping[str, object], url: str = ROOT) -> tuple[str, str] | None:
    """Return format and address of a page that has these paths and answers HTML on all others."""
    for candidate in feed_candidates(url):
        replies = {}
        for each in candidate.urls:
            body = bodies.get(each.removeprefix(ROOT), HTML)
            text = body if isinstance(body, str) else json.dumps(body)
            replies[each] = Reply(Phase.FEED, 200, {}, text)
        if candidate.recognized(replies) is not None:
            return candidate.format, candidate.address
    return None


async def detect(format_: str, path: str = "", **page: object) -> tuple[Detection, str]:
    """Return what is detected at a simulated page, and its configured address."""
    async with (
        serve_simulation(one_page(format_, **page)) as world,  # type: ignore[arg-type]
        Transport(SystemClock()) as transport,
    ):
        feed = Feed(AUTO, f"{world.base_url}/status/page{path}", "Video API")
        upstream = replace(UPSTREAM, base_url=world.base_url)
        return await detect_feed(feed, transport, upstream), world.feed_urls["page"]


@pytest.mark.parametrize("format_", FEED_READERS)
async def test_each_format_is_found_at_the_root_of_its_page(format_: str) -> None:
    detection, address = await detect(format_)

    assert detection.feed == Feed(format_, address, "Video API")
    assert detection.page is not None


@pytest.mark.parametrize(
    ("format_", "path"),
    [
        ("statuspage", "/api/v2/status.json"),
        ("statuspage", "/history.atom"),
        ("datadog", "/config.json"),
        ("rss", "/feed.xml"),
        ("atom", "/history.atom"),
    ],
)
async def test_the_address_of_an_api_or_a_feed_may_be_given(format_: str, path: str) -> None:
    detection, address = await detect(format_, path)

    assert detection.feed == Feed(format_, address, "Video API")


async def test_a_wrong_page_gets_one_sentence() -> None:
    detection, address = await detect("statuspage", faults=[{"from": 0, "response": "html"}])

    assert detection.feed is None
    assert detection.note.startswith(
        f"no status page of a known format at {address}: it answers HTTP 404 with text/plain, and "
    )


async def test_a_host_that_does_not_answer_is_asked_once() -> None:
    async with Transport(SystemClock()) as transport:
        detection = await detect_feed(Feed(AUTO, "http://127.0.0.1:9"), transport, UPSTREAM)

    assert not detection.is_answered
    assert "http://127.0.0.1:9/proxy/127.0.0.1:9 does not answer" in detection.note


def test_a_host_that_answers_every_path_with_html_is_no_page() -> None:
    assert recognized({}) is None


def test_incident_io_is_told_from_statuspage_by_what_it_lacks() -> None:
    shim = {"/api/v2/summary.json": SUMMARY, "/api/v2/incidents.json": {"incidents": []}}
    full = {**shim, "/api/v2/incidents/unresolved.json": {"incidents": []}}

    assert recognized(shim) == ("incident_io", ROOT)
    assert recognized(full) == ("statuspage", ROOT)


def test_a_summary_of_statuspage_is_none_of_instatus() -> None:
    rows = {"components": [{"id": "c1", "name": "Video", "status": "OPERATIONAL"}]}
    pages = {"/summary.json": SUMMARY, "/v2/components.json": rows}

    assert recognized(pages) is None
    assert recognized(pages | {"/summary.json": {"page": {"status": "UP"}}}) == ("instatus", ROOT)


def test_a_feed_comes_after_all_others() -> None:
    feed = "<rss><channel/></rss>"

    assert recognized({"/feed.xml": feed}, f"{ROOT}/feed.xml") == ("rss", f"{ROOT}/feed.xml")
    assert recognized({"/status/feed": feed}, f"{ROOT}/status/feed/") == (
        "rss",
        f"{ROOT}/status/feed",
    )
    assert recognized({"/feed.xml": feed, "/api/v1/summary": {"ongoing_incidents": []}}) == (
        "incident_io",
        ROOT,
    )
