"""What every format's reader does: ask on condition, and fold what came back.

A format is a row of surfaces, the places where such pages publish themselves; the first that can
be read is kept to. All of it is pure: `probes` sends the requests and keeps the state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tallylight.catalogue.services import Feed
from tallylight.model.status import Status
from tallylight.upstreams.feeds.loose import document
from tallylight.upstreams.feeds.page import Page
from tallylight.upstreams.feeds.reading import FeedReading, planned, reading_of, unreadable
from tallylight.upstreams.messages import Phase, Reply, Request

_NOT_MODIFIED = 304
_FORGIVEN_MISSES = 2
_PASSING = frozenset({408, 425, 429})
_VALIDATORS = (("if-none-match", "etag"), ("if-modified-since", "last-modified"))


@dataclass(frozen=True, slots=True)
class Surface:
    """One place where a format publishes.

    Args:
        addresses: From the page's root (no trailing slash) to what must be asked there.
        page: From the parsed answers, in the same order (None for one that could not be read), to
            the page; None where they are not this surface's.
    """

    addresses: Callable[[str], tuple[str, ...]]
    page: Callable[[Sequence[object]], Page | None]


def under_root(*paths: str) -> Callable[[str], tuple[str, ...]]:
    """Return the addresses of a surface whose paths hang on the page's root."""
    return lambda root: tuple(root + path for path in paths)


@dataclass(frozen=True, slots=True)
class FeedReader:
    """Reads the pages of one format."""

    surfaces: tuple[Surface, ...]

    def requests(
        self, feed: Feed, known: Mapping[str, Reply] | None = None, surface: int = 0
    ) -> tuple[Request, ...]:
        """Return what to ask of a page.

        Args:
            feed: The page.
            known: By address, an answer that is still remembered: its ETag and Last-Modified make
                the request conditional.
            surface: Where to ask.
        """
        return tuple(
            Request(Phase.FEED, "GET", url, headers=_conditions((known or {}).get(url)))
            for url in self.surfaces[surface].addresses(feed.url.rstrip("/"))
        )

    def read(self, replies: Sequence[Reply], component: str, surface: int = 0) -> FeedReading:
        """Return what the answers to `requests` say about a component."""
        page = self._page(replies, surface)
        return unreadable(_complaint(replies)) if page is None else reading_of(page, component)

    def is_read_by(self, replies: Sequence[Reply], surface: int) -> bool:
        """Tell whether the answers are this surface's at all."""
        return self._page(replies, surface) is not None

    def _page(self, replies: Sequence[Reply], surface: int) -> Page | None:
        where = self.surfaces[surface]
        documents = [_document(reply) for reply in replies]
        missing = len(where.addresses("")) - len(documents)
        return where.page([*documents, *[None] * missing])


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

    surface: int = 0
    reading: FeedReading | None = None
    is_searching: bool = False
    said: FeedReading | None = None
    known: Mapping[str, Reply] = field(default_factory=dict)
    misses: int = 0
    tried: int = 0

    def requests(self, reader: FeedReader, feed: Feed) -> tuple[Request, ...]:
        """Return what to ask next."""
        return reader.requests(feed, self.known, self.surface)

    def after(
        self, reader: FeedReader, feed: Feed, replies: Sequence[Reply], at: datetime
    ) -> "FeedState":
        """Return the state once the answers to `requests`, in their order, are taken in.

        An answer of 304 stands for the remembered one. A page that cannot be asked for a moment
        (no answer, 5xx, 429) keeps its former reading twice; one that answers with something that
        cannot be read is UNKNOWN at once.
        """
        urls = [request.url for request in self.requests(reader, feed)]
        if self.said is not None and replies and all(map(_is_unmodified, replies)):
            return replace(self, reading=planned(self.said, at), misses=0)
        answers = dict(zip(urls, replies, strict=False))
        full = {
            url: self.known.get(url, reply) if _is_unmodified(reply) else reply
            for url, reply in answers.items()
        }
        whole = tuple(full.values())
        said = reader.read(whole, feed.component, self.surface)
        is_half = said.says is Status.UNKNOWN and any(map(_is_passing, whole))
        if is_half or not reader.is_read_by(whole, self.surface):
            return self._after_failure(reader, whole)
        return FeedState(
            surface=self.surface,
            reading=planned(said, at),
            said=said,
            known={url: reply for url, reply in full.items() if _conditions(reply)},
        )

    def _after_failure(self, reader: FeedReader, replies: Sequence[Reply]) -> "FeedState":
        complaint = unreadable(_complaint(replies))
        if any(map(_is_passing, replies)):
            misses = self.misses + 1
            forgiven = self.said is not None and misses <= _FORGIVEN_MISSES
            return replace(
                self,
                reading=self.reading if forgiven else complaint,
                said=self.said if forgiven else None,
                misses=misses,
                is_searching=False,
            )
        tried = self.tried + 1
        is_searching = tried < len(reader.surfaces)
        return FeedState(
            surface=(self.surface + 1) % len(reader.surfaces),
            reading=self.reading if is_searching else complaint,
            is_searching=is_searching,
            tried=tried if is_searching else 0,
        )


def _conditions(reply: Reply | None) -> dict[str, str]:
    headers = {} if reply is None or reply.truncated else reply.headers
    return {asked: headers[given] for asked, given in _VALIDATORS if headers.get(given)}


def _document(reply: Reply) -> object:
    is_whole = not reply.error and not reply.truncated
    return document(reply.body) if is_whole and _is_success(reply) else None


def _is_success(reply: Reply) -> bool:
    return reply.status is not None and reply.status // 100 == 2  # noqa: PLR2004  # any 2xx


def _is_unmodified(reply: Reply) -> bool:
    return reply.status == _NOT_MODIFIED


def _is_passing(reply: Reply) -> bool:
    """Tell whether the failure says nothing about what the page is."""
    if reply.status is None or reply.error:
        return True
    return reply.status in _PASSING or reply.status >= 500  # noqa: PLR2004  # any 5xx


def _complaint(replies: Sequence[Reply]) -> str:
    return next(filter(None, map(_trouble, replies)), "the page is not in the format expected")


def _trouble(reply: Reply) -> str:
    if reply.status is None or reply.error:
        return f"no answer: {reply.error}"
    if not _is_success(reply):
        return f"HTTP {reply.status}"
    if reply.truncated:
        return "the answer is longer than the limit"
    if document(reply.body) is None:
        return f"no JSON but {reply.headers.get('content-type') or 'something else'}"
    return ""
