"""Asks status pages for their format, and remembers what was found."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.catalogue.services import Feed, Upstream
from tallylight.clock import Clock
from tallylight.upstreams.client import RequestSender
from tallylight.upstreams.feeds.detection import AUTO, feed_candidates
from tallylight.upstreams.feeds.page import StatusPage
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.redact import redact_line

_SEARCH_INTERVAL = timedelta(hours=1)
"""How often a page without a known format is searched: that takes more than twenty requests."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What a search of a page came to.

    Args:
        feed: The page with its format and the address for it; None if none was recognized.
        page: Its content.
        note: Why none was recognized, in one sentence.
        is_answered: Something answered.
    """

    feed: Feed | None = None
    page: StatusPage | None = None
    note: str = ""
    is_answered: bool = True


async def detect_feed(feed: Feed, sender: RequestSender, upstream: Upstream) -> Detection:
    """Search a page for its format; a host that does not answer is asked once only."""
    replies: dict[str, Reply] = {}
    for candidate in feed_candidates(feed.url):
        for url in candidate.urls:
            if url not in replies:
                replies[url] = await sender.send(Request(Phase.FEED, "GET", url), upstream)
            if replies[url].status is None:
                return Detection(
                    note=f"{url} does not answer: {replies[url].error}", is_answered=False
                )
        page = candidate.recognized(replies)
        if page is not None:
            found = replace(feed, format=candidate.format, url=candidate.address)
            return Detection(found, page)
    return Detection(note=_unrecognized_note(feed.url, replies[feed.url.rstrip("/")], len(replies)))


def _unrecognized_note(url: str, own: Reply, count: int) -> str:
    kind = redact_line(own.headers.get("content-type", "").partition(";")[0], max_length=60)
    return (
        f"no status page of a known format at {url}: it answers HTTP {own.status} with "
        f"{kind or 'no type'}, and none of {count} addresses has what such a page has"
    )


class FeedDetector:
    """Finds the format of each page that is configured without one."""

    def __init__(self, sender: RequestSender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock
        self._found: dict[str, Detection] = {}
        self._lost: set[str] = set()
        self._searched_at: dict[str, datetime] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def known(self, feed: Feed) -> Feed | None:
        """Return a page with its format, None if that is not known yet."""
        if feed.format != AUTO:
            return feed
        found = self._found.get(feed.url, Detection()).feed
        return None if found is None else replace(feed, format=found.format, url=found.url)

    async def resolve(self, feed: Feed, upstream: Upstream) -> Detection:
        """Return a page with its format; search it if that is not known and a search is due."""
        if feed.format != AUTO:
            return Detection(feed)
        async with self._locks[feed.url]:
            if self._is_due(feed):
                found = await detect_feed(feed, self._sender, upstream)
                if found.is_answered:
                    self._searched_at[feed.url] = self._clock.now()
                if found.feed is not None or self.known(feed) is None:
                    self._found[feed.url] = replace(found, page=None)
        return replace(self._found[feed.url], feed=self.known(feed))

    def report_lost(self, feed: Feed) -> None:
        """Search a page again, since it cannot be read in the format that was found."""
        self._lost.add(feed.url)

    def report_read(self, feed: Feed) -> None:
        """Keep to the format of a page, since it could be read."""
        self._lost.discard(feed.url)

    def _is_due(self, feed: Feed) -> bool:
        if self.known(feed) is not None and feed.url not in self._lost:
            return False
        last = self._searched_at.get(feed.url)
        return last is None or self._clock.now() - last >= _SEARCH_INTERVAL
