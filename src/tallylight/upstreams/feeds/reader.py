"""Polls status pages: conditional requests, and the state between two polls.

A format has one or several APIs at which its pages publish; the first that can be read is used.
All of it is pure: `probes` sends the requests and keeps the state.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tallylight.catalogue.services import Feed
from tallylight.model.status import Status
from tallylight.upstreams.feeds.notation import JSON, Notation
from tallylight.upstreams.feeds.page import StatusPage
from tallylight.upstreams.feeds.reading import (
    FeedReading,
    component_reading,
    reading_at,
    unreadable_feed,
)
from tallylight.upstreams.messages import Phase, Reply, Request

_MAX_OBJECTS = 100_000  # about 0.5 s of work
_NOT_MODIFIED = 304
_TOLERATED_FAILURES = 2
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_API_PATH = re.compile(
    r"(/api/v\d+(/.*)?|/proxy/.*|/(summary|components|incidents|index|status|config)\.json"
    r"|/(history|feed)(\.(rss|atom|json))?)$"
)
_VALIDATORS = (("if-none-match", "etag"), ("if-modified-since", "last-modified"))


@dataclass(frozen=True, slots=True)
class FeedApi:
    """One API of a format.

    Args:
        urls: From the configured address to the URLs to request.
        parse: From the decoded answers, in the order of the URLs, to the page. An answer that could
            not be read is None. Returns None if the answers are not those of this API.
        notation: What its answers are written in.
    """

    urls: Callable[[str], tuple[str, ...]]
    parse: Callable[[Sequence[object]], StatusPage | None]
    notation: Notation = JSON


def root_paths(*paths: str) -> Callable[[str], tuple[str, ...]]:
    """Return the `urls` of an API whose paths are relative to the root of the page."""
    return lambda root: tuple(root.rstrip("/") + path for path in paths)


def page_root(url: str) -> str:
    """Return the root of a status page of which the address of an API or a feed is given."""
    return _API_PATH.sub("", url)


@dataclass(frozen=True, slots=True)
class FeedReader:
    """Reads the pages of one format.

    Args:
        starts_at_root: The configured address is the root of a page, not the one of its feed.
    """

    apis: tuple[FeedApi, ...]
    starts_at_root: bool = True

    def requests(
        self, feed: Feed, cached: Mapping[str, Reply] | None = None, api_index: int = 0
    ) -> tuple[Request, ...]:
        """Return the requests for a page; validators of cached answers make them conditional."""
        return tuple(
            Request(Phase.FEED, "GET", url, headers=_conditional_headers((cached or {}).get(url)))
            for url in self.apis[api_index].urls(feed.url)
        )

    def read(self, replies: Sequence[Reply], component: str, api_index: int = 0) -> FeedReading:
        """Return the reading of a component from the answers to `requests`."""
        page = self.page(replies, api_index)
        if page is None:
            return unreadable_feed(self.error_note(replies, api_index))
        return component_reading(page, component)

    def page(self, replies: Sequence[Reply], api_index: int) -> StatusPage | None:
        """Return the page in the answers, None if they are not those of this API."""
        api = self.apis[api_index]
        documents = [decoded_document(reply, api.notation) for reply in replies]
        missing = len(api.urls("")) - len(documents)
        return api.parse([*documents, *[None] * missing])

    def error_note(self, replies: Sequence[Reply], api_index: int) -> str:
        """Return why the answers are not those of this API."""
        notation = self.apis[api_index].notation
        notes = (_reply_error(reply, notation) for reply in replies)
        return next(filter(None, notes), "the page is not in the expected format")


@dataclass(frozen=True, slots=True)
class FeedState:
    """The state of one page between two polls.

    Args:
        reading: The current reading; None before the first answer.
        is_searching: The API did not answer as expected: request the next one at once.
        reported: The reading of the page itself, without planned maintenance that has begun.
        cached_replies: The answers with a validator, by URL.
        failure_count: Number of consecutive polls that failed temporarily.
        apis_tried: Number of APIs that failed since the last success.
    """

    api_index: int = 0
    reading: FeedReading | None = None
    is_searching: bool = False
    reported: FeedReading | None = None
    cached_replies: Mapping[str, Reply] = field(default_factory=dict)
    failure_count: int = 0
    apis_tried: int = 0

    @property
    def is_lost(self) -> bool:
        """Tell whether the page answered in none of the format's APIs."""
        return self.reported is None and not self.failure_count and not self.is_searching

    def requests(self, reader: FeedReader, feed: Feed) -> tuple[Request, ...]:
        """Return the requests of the next poll."""
        return reader.requests(feed, self.cached_replies, self.api_index)

    def apply_replies(
        self, reader: FeedReader, feed: Feed, replies: Sequence[Reply], at: datetime
    ) -> "FeedState":
        """Return the state after the answers to `requests`, in their order.

        A 304 stands for the cached answer. A page that fails temporarily (no answer, 5xx, 429)
        keeps its reading for two polls; one whose answer cannot be read is UNKNOWN at once.
        """
        urls = [request.url for request in self.requests(reader, feed)]
        if self.reported is not None and replies and all(map(_is_unmodified, replies)):
            return replace(self, reading=reading_at(self.reported, at), failure_count=0)
        current = {
            url: self.cached_replies.get(url, reply) if _is_unmodified(reply) else reply
            for url, reply in zip(urls, replies, strict=False)
        }
        answers = tuple(current.values())
        reported = reader.read(answers, feed.component, self.api_index)
        is_partial = reported.claimed_status is Status.UNKNOWN and any(map(_is_transient, answers))
        if is_partial or reader.page(answers, self.api_index) is None:
            return self._after_failure(reader, answers)
        return FeedState(
            api_index=self.api_index,
            reading=reading_at(reported, at),
            reported=reported,
            cached_replies={
                url: reply for url, reply in current.items() if _conditional_headers(reply)
            },
        )

    def _after_failure(self, reader: FeedReader, replies: Sequence[Reply]) -> "FeedState":
        unreadable = unreadable_feed(reader.error_note(replies, self.api_index))
        if any(map(_is_transient, replies)):
            failures = self.failure_count + 1
            is_tolerated = self.reported is not None and failures <= _TOLERATED_FAILURES
            return replace(
                self,
                reading=self.reading if is_tolerated else unreadable,
                reported=self.reported if is_tolerated else None,
                failure_count=failures,
                is_searching=False,
            )
        tried = self.apis_tried + 1
        is_searching = tried < len(reader.apis)
        return FeedState(
            api_index=(self.api_index + 1) % len(reader.apis),
            reading=self.reading if is_searching else unreadable,
            is_searching=is_searching,
            apis_tried=tried if is_searching else 0,
        )


def _conditional_headers(reply: Reply | None) -> dict[str, str]:
    headers = {} if reply is None or reply.truncated else reply.headers
    return {name: headers[source] for name, source in _VALIDATORS if headers.get(source)}


def decoded_document(reply: Reply, notation: Notation) -> object:
    """Return the content of an answer, None if it is none that can be trusted."""
    is_complete = reply.is_success and not reply.error and not reply.truncated
    return notation.decode(reply.body) if is_complete and not _has_too_many_objects(reply) else None


def _has_too_many_objects(reply: Reply) -> bool:
    return reply.body.count("{") > _MAX_OBJECTS


def _is_unmodified(reply: Reply) -> bool:
    return reply.status == _NOT_MODIFIED


def _is_transient(reply: Reply) -> bool:
    """Tell whether a reply is a temporary failure, which says nothing about the API."""
    if reply.status is None or reply.error:
        return True
    return reply.status in _TRANSIENT_STATUSES or reply.status >= 500  # noqa: PLR2004  # any 5xx


def _reply_error(reply: Reply, notation: Notation) -> str:
    if reply.status is None or reply.error:
        return f"no answer: {reply.error}"
    if not reply.is_success:
        return f"HTTP {reply.status}"
    if reply.truncated:
        return "the answer is longer than the limit"
    if _has_too_many_objects(reply):
        return f"the answer has more than {_MAX_OBJECTS} objects"
    if notation.decode(reply.body) is None:
        return f"not {notation.name} but {reply.headers.get('content-type') or 'something else'}"
    return ""
