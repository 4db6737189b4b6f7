"""Finds the format of a status page by asking for each of them in turn.

A page is recognized by answers that only its format has, all of them at once: many hosts answer
every path with 200 and their own HTML. The order matters. incident.io imitates Statuspage, but has
no `incidents/unresolved.json`; its own widget is asked for first. Feeds come last, because they
tell least and most pages of the other formats have one too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tallylight.upstreams.feeds.page import StatusPage
from tallylight.upstreams.feeds.reader import FeedApi, decoded_document, page_root
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.messages import Reply

AUTO = "auto"
"""The name of no format: the format is found when the page is first read."""

_ORDER = (
    ("incident_io", 1),
    ("statuspage", 0),
    ("incident_io", 0),
    ("incident_io", 2),
    ("instatus", 0),
    ("betterstack", 0),
    ("rootly", 0),
    ("datadog", 0),
    ("google", 0),
)
"""The formats with a root, each with the index of the API that is asked for."""

_FEED_PATHS = (
    "/feed.xml",
    "/history.atom",
    "/feed.atom",
    "/history.rss",
    "/feed.rss",
    "/incidents.rss",
    "/feed",
    "/rss",
)
_FILE = re.compile(r"/[^/]{1,100}\.(?:xml|rss|atom|json)$")


@dataclass(frozen=True, slots=True)
class FeedCandidate:
    """A format that a page may have.

    Args:
        format: Its name in the registry of feed readers.
        address: The address to configure with it.
        api: Where it is asked for.
    """

    format: str
    address: str
    api: FeedApi

    @property
    def urls(self) -> tuple[str, ...]:
        """Return the URLs to ask for."""
        return self.api.urls(self.address)

    def recognized(self, replies: Mapping[str, Reply]) -> StatusPage | None:
        """Return the page in the answers by URL; None if it has another format."""
        documents = [decoded_document(replies[url], self.api.notation) for url in self.urls]
        page = None if None in documents else self.api.parse(documents)
        return None if page is None or page.incidents is None else page


def feed_candidates(url: str) -> Iterator[FeedCandidate]:
    """Yield what the page at an address may be, in the order to ask."""
    address = url.rstrip("/")
    root = _FILE.sub("", page_root(address))
    for format_, index in _ORDER:
        yield FeedCandidate(format_, root, FEED_READERS[format_].apis[index])
    for each in (address, *(root + path for path in _FEED_PATHS)):
        for format_ in ("rss", "atom"):
            yield FeedCandidate(format_, each, FEED_READERS[format_].apis[0])
