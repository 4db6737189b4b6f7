"""Polls providers' status pages, each page once for all its services."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Never

import structlog

from tallylight.board import Board
from tallylight.board.network import page_host
from tallylight.catalogue.services import Feed, Service, Upstream
from tallylight.clock import Clock
from tallylight.model.evidence import Source
from tallylight.model.status import Status
from tallylight.probes.feed_detection import FeedDetector
from tallylight.upstreams.client import RequestSender
from tallylight.upstreams.feeds.reader import FeedState
from tallylight.upstreams.feeds.reading import FeedReading, feed_evidence, unreadable_feed
from tallylight.upstreams.feeds.registry import FEED_READERS

log = structlog.get_logger()

_REFRESH_INTERVAL = timedelta(seconds=1)

_MIN_INTERVAL = timedelta(seconds=60)
"""The shortest interval that status pages ask for; it holds for polls as a witness too."""

_NEVER = datetime.min.replace(tzinfo=UTC)


class FeedPoller:
    """Remembers the latest state of each page and reports changes to the board."""

    def __init__(
        self, board: Board, sender: RequestSender, clock: Clock, detector: FeedDetector
    ) -> None:
        self._board = board
        self._detector = detector
        self._sender = sender
        self._clock = clock
        self._states: dict[Feed, FeedState] = {}
        self._pages: dict[Feed, Feed] = {}  # each with the format that it was read in
        self._services: tuple[Service, ...] = ()
        self._by_feed: dict[Feed, list[Service]] = {}
        self._polled_at: dict[Feed, datetime] = {}
        self._witnesses_looked_at = _NEVER

    async def run(self) -> Never:
        """Poll every page at its interval until cancelled, following changes of the services."""
        readers: dict[Feed, asyncio.Task[Never]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                pages = self._services_by_feed()
                for feed in pages.keys() - readers.keys():
                    readers[feed] = tasks.create_task(self._poll_forever(feed))
                for feed in readers.keys() - pages.keys():
                    readers.pop(feed).cancel()
                    self._states.pop(feed, None)
                    self._polled_at.pop(feed, None)
                for feed in self._witnesses(pages):
                    tasks.create_task(self._poll_safely(feed))
                await self._clock.sleep(_REFRESH_INTERVAL)

    async def poll(self, feed: Feed, services: Sequence[Service]) -> None:
        """Poll one page now and report changes to the board.

        While our own network is down nothing is sent: a failure would say nothing of the page.
        """
        if self._board.network_is_down:
            return
        self._polled_at[feed] = self._clock.now()
        upstream = services[0].upstream
        former = self._states.get(feed, FeedState())
        found = await self._detector.resolve(feed, upstream)
        if found.feed is None:
            await self._board.report_page(feed, is_answered=found.is_answered)
            state = FeedState(reading=unreadable_feed(found.note))
        else:
            is_same = self._pages.get(feed) == found.feed
            self._pages[feed] = found.feed
            known = former if is_same else FeedState(reading=former.reading)
            state = await self._read(feed, found.feed, upstream, known)
        self._states[feed] = state
        _log_readability(feed, former.reading, state.reading)
        if state.reading is None:
            return
        for service in services:
            if service.id not in self._board:
                continue  # the configuration was reloaded meanwhile
            evidence = feed_evidence(
                service.id,
                self._board.latest_evidence(service.id, Source.FEED),
                state.reading,
                self._clock.now(),
            )
            if evidence is not None:
                await self._board.report(evidence)

    async def _read(
        self, feed: Feed, page: Feed, upstream: Upstream, state: FeedState
    ) -> FeedState:
        """Return the state after a poll of a page whose format is known."""
        reader = FEED_READERS[page.format]
        while True:
            replies = [
                await self._sender.send(request, upstream)
                for request in state.requests(reader, page)
            ]
            is_answered = any(reply.status is not None for reply in replies)
            await self._board.report_page(feed, is_answered=is_answered)
            state = state.apply_replies(reader, page, replies, self._clock.now())
            if not state.is_searching:
                break
        if state.is_lost:
            self._detector.report_lost(feed)  # pages move to another host without notice
        else:
            self._detector.report_read(feed)
        return state

    async def _poll_forever(self, feed: Feed) -> Never:
        while True:
            await self._poll_safely(feed)
            await self._clock.sleep(feed.interval)

    async def _poll_safely(self, feed: Feed) -> None:
        try:
            if services := self._services_by_feed().get(feed):
                await self.poll(feed, services)
        except Exception:
            # The root of a page's task: an error on one page must not stop the others.
            log.exception("feed.failed", url=feed.url)

    def _witnesses(self, pages: Iterable[Feed]) -> list[Feed]:
        """Return the pages that are wanted as witnesses for our own network."""
        wanted = self._board.witnesses_wanted_since(self._witnesses_looked_at)
        if not wanted:
            return []
        now = self._witnesses_looked_at = self._clock.now()
        return [
            page
            for page in pages
            if page_host(page) in wanted and now - self._polled_at.get(page, _NEVER) > _MIN_INTERVAL
        ]

    def _services_by_feed(self) -> Mapping[Feed, Sequence[Service]]:
        services = self._board.services()
        if services != self._services:
            self._services, self._by_feed = services, {}
            for service in services:
                if service.upstream.feed is not None:
                    self._by_feed.setdefault(service.upstream.feed, []).append(service)
        return self._by_feed


def _log_readability(feed: Feed, former: FeedReading | None, reading: FeedReading | None) -> None:
    """Log that a page can no longer be read, or can again, when that changes."""
    was_readable = former is None or former.claimed_status is not Status.UNKNOWN
    is_readable = reading is None or reading.claimed_status is not Status.UNKNOWN
    if reading is not None and was_readable and not is_readable:
        log.warning("feed.unreadable", url=feed.url, format=feed.format, note=reading.note)
    elif not was_readable and is_readable:
        log.info("feed.readable", url=feed.url)
