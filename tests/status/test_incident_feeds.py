"""The feeds of incidents: the same entries as Atom and as RSS, of all services and of one."""

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode
from tallylight.upstreams.feeds.syndication import parse_atom, parse_rss
from tests.status.conftest import NOW, Backend, Get, new_incident, new_reason, new_verdict

if TYPE_CHECKING:
    from tallylight.upstreams.feeds.syndication import SyndicatedFeed

ATOM = "{http://www.w3.org/2005/Atom}"
PAUSED = "/services/sora-2-pro-reverse"


async def atom(get: Get, path: str) -> ET.Element:
    return ET.fromstring(await (await get(path)).text())  # noqa: S314  # our own


async def rss(get: Get, path: str) -> ET.Element:
    found = (await atom(get, path)).find("channel")
    assert found is not None
    return found


async def test_the_feed_of_all_services_is_atom(get: Get) -> None:
    feed = await atom(get, "/feed.atom")

    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 3
    titles = {entry.findtext(f"{ATOM}title") for entry in entries}
    assert "Sora 2 Pro 官逆: Suspended" in titles
    assert all(entry.findtext(f"{ATOM}updated") for entry in entries)
    assert feed.findtext(f"{ATOM}id") == "tag:tallylight.invalid,2026:feed"


async def test_a_service_has_its_incidents_only(get: Get, base: str) -> None:
    feed = await atom(get, f"{PAUSED}/feed.atom")
    channel = await rss(get, f"{PAUSED}/feed.rss")

    name = "tallylight: Sora 2 Pro 官逆: Incidents"
    assert (feed.findtext(f"{ATOM}title"), channel.findtext("title")) == (name, name)
    assert len(feed.findall(f"{ATOM}entry")) == len(channel.findall("item")) == 1
    own, page = (link.attrib["href"] for link in feed.findall(f"{ATOM}link"))
    assert (own, page) == (f"{base}{PAUSED}/feed.atom", f"{base}{PAUSED}")
    link = channel.find(f"{ATOM}link")
    assert link is not None
    assert (link.attrib["href"], channel.findtext("link")) == (f"{base}{PAUSED}/feed.rss", page)


async def test_an_incident_has_one_id_and_one_time_in_all_feeds(get: Get) -> None:
    of_all, of_one = await atom(get, "/feed.atom"), await atom(get, f"{PAUSED}/feed.atom")
    item = (await rss(get, f"{PAUSED}/feed.rss")).find("item")

    ids = {entry.findtext(f"{ATOM}id") for entry in of_all.findall(f"{ATOM}entry")}
    assert item is not None
    assert of_one.findtext(f"{ATOM}entry/{ATOM}id") == item.findtext("guid")
    assert item.findtext("guid") in ids
    assert of_one.findtext(f"{ATOM}id") != of_all.findtext(f"{ATOM}id")
    assert (
        parsedate_to_datetime(item.findtext("pubDate", "")).isoformat()[:16] == "2026-01-28T09:00"
    )


async def test_our_own_reader_of_feeds_reads_both_alike(get: Get) -> None:
    feeds = [
        parse_atom(await (await get("/feed.atom")).text()),
        parse_rss(await (await get("/feed.rss")).text()),
    ]

    def told(feed: "SyndicatedFeed | None") -> list[object]:
        assert feed is not None
        return [(item.id, item.title) for item in feed.entries]

    assert len(told(feeds[0])) == 3
    assert told(feeds[0]) == told(feeds[1])


async def test_the_upstreams_words_are_text_in_both(get: Get) -> None:
    entry = (await atom(get, f"{PAUSED}/feed.atom")).findtext(f"{ATOM}entry/{ATOM}content", "")
    described = (await rss(get, f"{PAUSED}/feed.rss")).findtext("item/description", "")

    assert "<b>until further notice</b>" in entry
    assert "&lt;b&gt;until further notice&lt;/b&gt;" in described  # a reader takes it for HTML
    assert set(re.findall("<[^>]*>", described)) == {"<p>", "</p>"}


@pytest.mark.parametrize("notation", ["atom", "rss"])
async def test_what_xml_cannot_write_is_left_out(get: Get, backend: Backend, notation: str) -> None:
    told = new_reason(ReasonCode.SUSPENSION_REPORTED, kind="suspended", answer="a\ufffeb\x0bc")
    incident = new_incident("veo-1", "veo-3.1", Status.SUSPENDED, told)
    await backend.record(
        new_verdict("veo-3.1", Status.SUSPENDED, told, since=NOW), incident=incident
    )

    feed = await atom(get, f"/services/veo-3.1/feed.{notation}")

    assert "abc" in "".join(feed.itertext())


@pytest.mark.parametrize("notation", ["atom", "rss"])
async def test_a_feed_without_incidents_does_not_change(
    get: Get, backend: Backend, notation: str
) -> None:
    path = f"/services/sora-2-official/feed.{notation}"
    first = await get(path)
    await backend.clock.advance(timedelta(minutes=1))

    again = await get(path, if_none_match=first.headers["ETag"])

    assert again.status == 304


@pytest.mark.parametrize("path", ["/feed.json", f"{PAUSED}/feed.xml", "/services/nobody/feed.atom"])
async def test_there_is_no_other_feed(get: Get, path: str) -> None:
    assert (await get(path)).status == 404


async def test_the_pages_name_their_feeds(get: Get) -> None:
    index, page = await (await get("/")).text(), await (await get(PAUSED)).text()

    for notation in ("atom", "rss"):
        link = rf'<link rel="alternate" type="application/{notation}\+xml" href="([^"]*)"'
        assert re.findall(link, index) == [f"/feed.{notation}"]
        assert re.findall(link, page) == [f"/feed.{notation}", f"{PAUSED}/feed.{notation}"]
        assert f'<a href="{PAUSED}/feed.{notation}">' in page


async def test_a_feed_is_in_the_readers_language(get: Get) -> None:
    channel = await rss(get, f"{PAUSED}/feed.rss?lang=zh-Hans")

    assert (channel.findtext("language"), channel.findtext("item/title")) == (
        "zh-Hans",
        "Sora 2 Pro 官逆：暂停",
    )
