"""Reads what status pages claim about their past and their plans, once an hour a page."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Never, Protocol

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Feed, Upstream
from tallylight.clock import Clock
from tallylight.probes.feed_detection import FeedDetector
from tallylight.upstreams.client import RequestSender
from tallylight.upstreams.feeds.claims import (
    claims_after,
    claims_name,
    dump_claims,
    load_claims,
)
from tallylight.upstreams.feeds.claims_formats import CLAIMS_APIS
from tallylight.upstreams.feeds.reader import decoded_document
from tallylight.upstreams.messages import Phase, Request

log = structlog.get_logger()

_INTERVAL = timedelta(hours=1)
_PAUSE = timedelta(seconds=5)


class ClaimsStorage(Protocol):
    """Keeps the claims of each page over a restart."""

    async def component_state(self, name: str, /) -> str | None:
        """Return the stored text of a name, None if there is none."""
        ...

    async def save_component_state(self, name: str, state: str, /) -> None:
        """Store the text of a name, in place of its former one."""
        ...


class ClaimsReader:
    """Stores the claims of every page of the services on the board."""

    def __init__(
        self,
        board: Board,
        sender: RequestSender,
        clock: Clock,
        storage: ClaimsStorage,
        detector: FeedDetector,
    ) -> None:
        self._detector = detector
        self._board = board
        self._sender = sender
        self._clock = clock
        self._storage = storage
        self._read_at: dict[str, datetime] = {}

    async def run(self) -> Never:
        """Read every page that is due until cancelled, following changes of the services."""
        while True:
            for page, (feed, upstream) in self._due().items():
                self._read_at[page] = self._clock.now()
                try:
                    await self.read(feed, upstream)
                except Exception:
                    # The root of a task: an error on one page must not stop the others.
                    log.exception("claims.failed", url=feed.url)
            await self._clock.sleep(_PAUSE)

    async def read(self, feed: Feed, upstream: Upstream) -> None:
        """Read one page now, and store what it claims if it can be read."""
        page = self._detector.known(feed)
        if page is None or self._board.network_is_down:
            return
        api = CLAIMS_APIS[page.format]
        documents = [
            decoded_document(
                await self._sender.send(Request(Phase.FEED, "GET", url), upstream), api.notation
            )
            for url in api.urls(page.url)
        ]
        before = load_claims(await self._storage.component_state(claims_name(feed)))
        claims = claims_after(api, documents, before, self._clock.now())
        if claims is not None:
            await self._storage.save_component_state(claims_name(feed), dump_claims(claims))

    def _due(self) -> Mapping[str, tuple[Feed, Upstream]]:
        """Return the pages that are due, each once, whatever components its services name."""
        now = self._clock.now()
        pages = {
            claims_name(service.upstream.feed): (service.upstream.feed, service.upstream)
            for service in self._board.services()
            if service.upstream.feed is not None
            # A page whose format is unknown is read once it has been polled.
            and self._detector.known(service.upstream.feed) is not None
        }
        return {
            page: read
            for page, read in pages.items()
            if page not in self._read_at or self._read_at[page] + _INTERVAL <= now
        }
