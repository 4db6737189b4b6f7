"""What every format's reader does: ask on condition, and fold what came back.

A format is a row of surfaces, the places where such pages publish themselves; the first that can
be read is kept to. All of it is pure: `probes` sends the requests and keeps the state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from tallylight.model.status import Status
from tallylight.upstreams.feeds.page import StatusPage
from tallylight.upstreams.feeds.reading import (
    FeedReading,
    component_reading,
    unreadable_feed,
    with_planned_maintenance,
)
from tallylight.upstreams.json_access import parse_json
from tallylight.upstreams.messages import Phase, Reply, Request

_NOT_MODIFIED = 304
_TOLERATED_FAILURES = 2
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_VALIDATORS = (("if-none-match", "etag"), ("if-modified-since", "last-modified"))


class FeedAddress(Protocol):
    """What a reader needs to know of a page; `catalogue.services.Feed` is one."""

    @property
    def url(self) -> str:
        """Return the page's root."""

    @property
    def component(self) -> str:
        """Return the id or the name of the component to read, "" for the whole page."""


@dataclass(frozen=True, slots=True)
class FeedApi:
    """One place where a format publishes.

    Args:
        addresses: From the page's root (no trailing slash) to what must be asked there.
        page: From the parsed answers, in the same order (None for one that could not be read), to
            the page; None where they are not this surface's.
    """

    urls: Callable[[str], tuple[str, ...]]
    parse: Callable[[Sequence[object]], StatusPage | None]


def root_paths(*paths: str) -> Callable[[str], tuple[str, ...]]:
    """Return the addresses of a surface whose paths hang on the page's root."""
    return lambda root: tuple(root + path for path in paths)


@dataclass(frozen=True, slots=True)
class FeedReader:
    """Reads the pages of one format."""

    apis: tuple[FeedApi, ...]

    def requests(
        self, feed: FeedAddress, cached: Mapping[str, Reply] | None = None, api_index: int = 0
    ) -> tuple[Request, ...]:
        """Return what to ask of a page.

        Args:
            feed: The page.
            known: By address, an answer that is still remembered: its ETag and Last-Modified make
                the request conditional.
            surface: Where to ask.
        """
        return tuple(
            Request(Phase.FEED, "GET", url, headers=_conditional_headers((cached or {}).get(url)))
            for url in self.apis[api_index].urls(feed.url.rstrip("/"))
        )

    def read(self, replies: Sequence[Reply], component: str, api_index: int = 0) -> FeedReading:
        """Return what the answers to `requests` say about a component."""
        page = self._page(replies, api_index)
        return (
            unreadable_feed(_error_note(replies))
            if page is None
            else component_reading(page, component)
        )

    def can_read(self, replies: Sequence[Reply], api_index: int) -> bool:
        """Tell whether the answers are this surface's at all."""
        return self._page(replies, api_index) is not None

    def _page(self, replies: Sequence[Reply], api_index: int) -> StatusPage | None:
        where = self.apis[api_index]
        documents = [_document(reply) for reply in replies]
        missing = len(where.urls("")) - len(documents)
        return where.parse([*documents, *[None] * missing])


@dataclass(frozen=True, slots=True)
class FeedState:
    """What is remembered of one page between two readings.

    Args:
        surface: Where it publishes, as far as is known.
        reading: What it says now; None before the first answer.
        is_searching: The surface was not there: ask again at once, at the next one.
        said: What it says itself, before announced work whose time has come is counted.
        known: The answers that it gave with a validator, by address.
        misses: How often in a row it could not be asked.
        tried: How many surfaces were not there since one was.
    """

    api_index: int = 0
    reading: FeedReading | None = None
    is_searching: bool = False
    reported: FeedReading | None = None
    cached_replies: Mapping[str, Reply] = field(default_factory=dict)
    failure_count: int = 0
    apis_tried: int = 0

    def requests(self, reader: FeedReader, feed: FeedAddress) -> tuple[Request, ...]:
        """Return what to ask next."""
        return reader.requests(feed, self.cached_replies, self.api_index)

    def apply_replies(
        self, reader: FeedReader, feed: FeedAddress, replies: Sequence[Reply], at: datetime
    ) -> "FeedState":
        """Return the state once the answers to `requests`, in their order, are taken in.

        An answer of 304 stands for the remembered one. A page that cannot be asked for a moment
        (no answer, 5xx, 429) keeps its former reading twice; one that answers with something that
        cannot be read is UNKNOWN at once.
        """
        urls = [request.url for request in self.requests(reader, feed)]
        if self.reported is not None and replies and all(map(_is_unmodified, replies)):
            return replace(
                self, reading=with_planned_maintenance(self.reported, at), failure_count=0
            )
        answers = dict(zip(urls, replies, strict=False))
        full = {
            url: self.cached_replies.get(url, reply) if _is_unmodified(reply) else reply
            for url, reply in answers.items()
        }
        whole = tuple(full.values())
        said = reader.read(whole, feed.component, self.api_index)
        is_half = said.claimed_status is Status.UNKNOWN and any(map(_is_transient, whole))
        if is_half or not reader.can_read(whole, self.api_index):
            return self._after_failure(reader, whole)
        return FeedState(
            api_index=self.api_index,
            reading=with_planned_maintenance(said, at),
            reported=said,
            cached_replies={
                url: reply for url, reply in full.items() if _conditional_headers(reply)
            },
        )

    def _after_failure(self, reader: FeedReader, replies: Sequence[Reply]) -> "FeedState":
        complaint = unreadable_feed(_error_note(replies))
        if any(map(_is_transient, replies)):
            misses = self.failure_count + 1
            forgiven = self.reported is not None and misses <= _TOLERATED_FAILURES
            return replace(
                self,
                reading=self.reading if forgiven else complaint,
                reported=self.reported if forgiven else None,
                failure_count=misses,
                is_searching=False,
            )
        tried = self.apis_tried + 1
        is_searching = tried < len(reader.apis)
        return FeedState(
            api_index=(self.api_index + 1) % len(reader.apis),
            reading=self.reading if is_searching else complaint,
            is_searching=is_searching,
            apis_tried=tried if is_searching else 0,
        )


def _conditional_headers(reply: Reply | None) -> dict[str, str]:
    headers = {} if reply is None or reply.truncated else reply.headers
    return {asked: headers[given] for asked, given in _VALIDATORS if headers.get(given)}


def _document(reply: Reply) -> object:
    is_whole = not reply.error and not reply.truncated
    return parse_json(reply.body) if is_whole and reply.is_success else None


def _is_unmodified(reply: Reply) -> bool:
    return reply.status == _NOT_MODIFIED


def _is_transient(reply: Reply) -> bool:
    """Tell whether the failure says nothing about what the page is."""
    if reply.status is None or reply.error:
        return True
    return reply.status in _TRANSIENT_STATUSES or reply.status >= 500  # noqa: PLR2004  # any 5xx


def _error_note(replies: Sequence[Reply]) -> str:
    return next(filter(None, map(_reply_error, replies)), "the page is not in the format expected")


def _reply_error(reply: Reply) -> str:
    if reply.status is None or reply.error:
        return f"no answer: {reply.error}"
    if not reply.is_success:
        return f"HTTP {reply.status}"
    if reply.truncated:
        return "the answer is longer than the limit"
    if parse_json(reply.body) is None:
        return f"no JSON but {reply.headers.get('content-type') or 'something else'}"
    return ""
