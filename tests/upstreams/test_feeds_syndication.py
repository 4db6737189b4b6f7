"""RSS and Atom: hostile texts, and the state of incidents in the words of each maker."""

from datetime import UTC, datetime, timedelta

import pytest

from tallylight.catalogue.services import Feed
from tallylight.model.status import Status
from tallylight.upstreams.feeds.reader import FeedState
from tallylight.upstreams.feeds.reading import FeedReading
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.feeds.syndication import (
    SyndicatedFeed,
    parse_atom,
    parse_rss,
    without_markup,
)
from tallylight.upstreams.messages import Phase, Reply

NOW = datetime(2026, 9, 3, 15, tzinfo=UTC)
ENTITIES = '<!ENTITY a "ha"><!ENTITY b "&a;&a;">'
BOMB = f"<!DOCTYPE rss [{ENTITIES}]><rss><channel><item><title>&b;</title></item></channel></rss>"
OUTSIDE = BOMB.replace(ENTITIES, '<!ENTITY b SYSTEM "file:///etc/passwd">')


def rss(*items: str) -> str:
    """Return an RSS feed of items, each with the same date."""
    date = "<pubDate>Thu, 03 Sep 2026 13:30:00 GMT</pubDate>"
    inner = "".join(f"<item>{date}{item}</item>" for item in items)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel>{inner}</channel></rss>'
    )


def atom(title: str, content: str) -> str:
    """Return an Atom feed of one entry."""
    return (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>i1</id><title type="html">'
        f"<![CDATA[{title}]]></title><updated>2026-09-03T14:58:23.907Z</updated>"
        f'<content type="html"><![CDATA[{content}]]></content></entry></feed>'
    )


def read(format_: str, body: str, component: str = "", *, at: datetime = NOW) -> FeedReading:
    """Return the reading of a feed at a time, as the poller has it."""
    feed, reply = Feed(format_, "https://s.example/f", component), Reply(Phase.FEED, 200, {}, body)
    reading = FeedState().apply_replies(FEED_READERS[format_], feed, [reply], at).reading
    assert reading is not None
    return reading


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        OUTSIDE,
        "",
        "<rss>",
        "<html><body>Not here</body></html>",
        "<Error><Code>AccessDenied</Code></Error>",
        "<rss><channel><item>&nbsp;</item></channel></rss>",
        "<rss>" + "<a>" * 40 + "</a>" * 40 + "</rss>",
        "<rss>" + "<a/>" * 60_000 + "</rss>",
        atom("Slow", "x"),
    ],
)
def test_what_is_no_feed_or_wants_more_than_one_is_refused(text: str) -> None:
    assert parse_rss(text) is None
    assert read("rss", text).claimed_status is Status.UNKNOWN


def test_entries_and_texts_are_bounded() -> None:
    title = f"<title>{'x' * 50_000}</title>"

    feed = parse_rss(rss(title, *["<title>y</title>"] * 600))

    assert feed is not None
    assert len(feed.entries) == 500
    assert len(feed.entries[0].title) <= 20_000


def test_markup_becomes_one_line_of_text() -> None:
    assert without_markup("<p>A &amp;\n<b>B</b><br/></p>") == "A & B"


def test_an_unreadable_feed_is_told_in_one_sentence() -> None:
    reply = Reply(Phase.FEED, 200, {"content-type": "text/html"}, "<html></html>")

    assert FEED_READERS["rss"].read([reply], "").note == "not RSS but text/html"
    assert FEED_READERS["atom"].read([reply], "").note == "not Atom but text/html"


def test_an_empty_feed_says_that_all_is_well() -> None:
    assert read("rss", rss()).claimed_status is Status.OPERATIONAL
    assert parse_atom('<feed xmlns="http://www.w3.org/2005/Atom"/>') == SyndicatedFeed(())


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Status: ACTIVE. Severity: outage", Status.DEGRADED),
        ("&lt;h3&gt;Status: RESOLVED&lt;/h3&gt;Severity: degraded", Status.OPERATIONAL),
        (
            "<![CDATA[<small>Aug 28, 10:33 PM</small><strong>RESOLVED</strong>]]>",
            Status.OPERATIONAL,
        ),
        ("INVESTIGATING - Looking into it", Status.DEGRADED),
        ("Monitoring - mostly resolved. Investigating - slow", Status.DEGRADED),
        ("Resolved - over. Investigating - slow", Status.OPERATIONAL),
        ("We are on it until the issue is resolved", Status.DEGRADED),
        ("This is not yet fully resolved", Status.DEGRADED),
        ("All services have recovered", Status.OPERATIONAL),
        ("Unresolved", Status.DEGRADED),
        ("Scheduled - a new database", Status.OPERATIONAL),
        ("", Status.DEGRADED),
    ],
)
def test_the_first_word_of_state_counts(text: str, status: Status) -> None:
    body = rss(f"<title>Slow videos</title><description>{text}</description>")

    assert read("rss", body).claimed_status is status


@pytest.mark.parametrize(
    ("title", "status"),
    [
        ("[RESOLVED] Slow videos", Status.OPERATIONAL),
        ("Azure OpenAI - West US - Resolved", Status.OPERATIONAL),
        ("Planned maintenance of videos", Status.OPERATIONAL),
        ("Updates for active users are slow", Status.DEGRADED),
        ("Scheduled jobs fail", Status.DEGRADED),
    ],
)
def test_a_title_may_end_an_incident(title: str, status: Status) -> None:
    assert read("rss", rss(f"<title>{title}</title>")).claimed_status is status


@pytest.mark.parametrize("state", ["Investigating", "Resolved"])
def test_incident_io_tells_the_state_in_atom(state: str) -> None:
    reading = read("atom", atom("Slow", f"<b>Status: {state}</b><br/>This was resolved before."))

    is_open = state == "Investigating"
    assert reading.claimed_status is (Status.DEGRADED if is_open else Status.OPERATIONAL)
    assert reading.note == ("Slow" if is_open else "")


def test_entries_of_one_incident_are_told_by_the_latest() -> None:
    first = "<guid>1</guid><title>Slow</title><description>Investigating</description>"
    last = first.replace("Investigating", "Resolved")
    body = rss(first, last).replace("13:30", "13:20", 1)

    assert read("rss", body).claimed_status is Status.OPERATIONAL


@pytest.mark.parametrize(
    ("component", "status"),
    [
        ("", Status.DEGRADED),  # an outage of one component is none of the whole page
        ("api", Status.SUSPENDED),
        ("West US", Status.SUSPENDED),
        ("Videos (fail)", Status.SUSPENDED),
        ("Grok", Status.OPERATIONAL),
        ("Video", Status.OPERATIONAL),
    ],
)
def test_a_component_is_a_word_of_the_entry(component: str, status: Status) -> None:
    labels = "".join(f"<category>{word}</category>" for word in ("outage", "active", "West US"))

    reading = read("rss", rss(f"<title>[API] Videos fail</title>{labels}"), component)

    assert reading.claimed_status is status


def test_an_incident_without_an_end_is_given_up_after_three_days() -> None:
    body = rss("<title>Slow videos</title>")
    started = datetime(2026, 9, 3, 13, 30, tzinfo=UTC)

    assert read("rss", body, at=started + timedelta(days=2)).claimed_status is Status.DEGRADED
    assert read("rss", body, at=started + timedelta(days=3)).claimed_status is Status.OPERATIONAL


@pytest.mark.parametrize(
    ("date", "is_read"),
    [
        ("Thu, 03 Sep 2026 13:30:00 Z", True),
        ("Thu, 03 Sep 2026 13:30:00", True),
        ("2026-09-03T13:30:00Z", True),
        ("Sep 3, 13:30 UTC", False),
        ("soon", False),
    ],
)
def test_an_entry_without_a_readable_date_is_left_out(date: str, is_read: bool) -> None:
    body = rss("<title>Slow</title>").replace("Thu, 03 Sep 2026 13:30:00 GMT", date)

    status = read("rss", body).claimed_status

    assert status is (Status.DEGRADED if is_read else Status.OPERATIONAL)


def test_a_strangers_words_are_one_redacted_line() -> None:
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    body = rss(f"<title>Slow\n\n{secret}{'z' * 1000}</title>")

    note = read("rss", body).note

    assert len(note) <= 200
    assert secret not in note
    assert "\n" not in note
