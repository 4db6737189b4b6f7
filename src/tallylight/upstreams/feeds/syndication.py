"""Decodes RSS 2.0 and Atom, without ever raising.

The text is a stranger's. A document type is refused, so there are no entities to expand and nothing
to fetch; depth, number of elements, number of entries and the length of each text are bounded.

Source: the RSS 2.0 specification; RFC 4287.
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.parsers import expat  # a document type is refused: no entity is expanded

from tallylight.upstreams.json_access import json_timestamp

_MAX_DEPTH = 32
_MAX_ELEMENTS = 50_000
_MAX_ENTRIES = 500
_MAX_FIELD = 20_000  # characters

_ATOM = "http://www.w3.org/2005/Atom "
_TAG = re.compile(r"<[^<>]*+>")

_RSS_FIELDS: Mapping[str, str] = {
    "title": "title",
    "description": "text",
    "http://purl.org/rss/1.0/modules/content/ encoded": "content",
    "guid": "id",
    "link": "link",
    "pubDate": "published",
    "category": "label",
}
_ATOM_FIELDS: Mapping[str, str] = {
    f"{_ATOM}title": "title",
    f"{_ATOM}summary": "text",
    f"{_ATOM}content": "content",
    f"{_ATOM}id": "id",
    f"{_ATOM}link": "link",
    f"{_ATOM}published": "published",
    f"{_ATOM}updated": "updated",
    f"{_ATOM}category": "label",
}


@dataclass(frozen=True, slots=True)
class SyndicatedEntry:
    """An item of RSS, or an entry of Atom; its texts are without markup.

    Args:
        id: What tells it from the others: its id or its link, "" for neither.
        labels: Its categories.
        published: When it was published; None if it gives no date that can be read.
        at: When it last changed, or was published.
    """

    id: str
    title: str
    text: str
    labels: tuple[str, ...]
    published: datetime | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class SyndicatedFeed:
    """The entries of a feed, as many as are read, in its order."""

    entries: tuple[SyndicatedEntry, ...]


def parse_rss(text: str) -> SyndicatedFeed | None:
    """Return the items of an RSS 2.0 feed, None if the text is none."""
    return _parse(text, _Collector("rss", "item", _RSS_FIELDS))


def parse_atom(text: str) -> SyndicatedFeed | None:
    """Return the entries of an Atom feed, None if the text is none."""
    return _parse(text, _Collector(f"{_ATOM}feed", f"{_ATOM}entry", _ATOM_FIELDS))


def without_markup(markup: str) -> str:
    """Return the text of a piece of HTML on one line."""
    return " ".join(html.unescape(_TAG.sub(" ", markup)).split())


def _parse(text: str, collector: "_Collector") -> SyndicatedFeed | None:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.add_text
    try:
        parser.Parse(text.strip(), True)  # noqa: FBT003  # expat takes no keywords
    except (expat.ExpatError, ValueError):
        return None
    return SyndicatedFeed(tuple(collector.entries))


def _refuse_document_type(*_: object) -> None:
    raise ValueError("a feed needs no document type")


@dataclass(slots=True)
class _Collector:
    """Collects the fields of the entries while the parser reads."""

    root: str
    entry: str
    names: Mapping[str, str]
    entries: list[SyndicatedEntry] = field(default_factory=list)
    depth: int = 0
    count: int = 0
    entry_depth: int = 0  # 0 outside of an entry
    fields: dict[str, list[str]] = field(default_factory=dict)
    pieces: list[str] | None = None  # of the field that is open

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        self.count += 1
        if self.depth == 1 and name != self.root:
            raise ValueError("another document")
        if self.depth > _MAX_DEPTH or self.count > _MAX_ELEMENTS:
            raise ValueError("too deep or too long")
        if not self.entry_depth and name == self.entry and len(self.entries) < _MAX_ENTRIES:
            self.entry_depth, self.fields = self.depth, {}
        elif self.entry_depth and self.depth == self.entry_depth + 1 and name in self.names:
            self.pieces = []
            self._add_attribute(self.names[name], attributes)

    def _add_attribute(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take what Atom writes into attributes."""
        if name == "link" and attributes.get("rel", "alternate") == "alternate":
            self.add_text(attributes.get("href", ""))
        elif name == "label":
            self.add_text(attributes.get("term", ""))

    def add_text(self, text: str) -> None:
        if self.pieces is not None and sum(map(len, self.pieces)) < _MAX_FIELD:
            self.pieces.append(text[:_MAX_FIELD])

    def end(self, name: str) -> None:
        if self.pieces is not None and self.depth == self.entry_depth + 1:
            self.fields.setdefault(self.names[name], []).append("".join(self.pieces))
            self.pieces = None
        elif self.depth == self.entry_depth:
            self.entries.append(_entry(self.fields))
            self.entry_depth = 0
        self.depth -= 1


def _entry(fields: Mapping[str, list[str]]) -> SyndicatedEntry:
    def first(*names: str) -> str:
        texts = (text.strip() for name in names for text in fields.get(name, ()))
        return next(filter(None, texts), "")

    return SyndicatedEntry(
        id=first("id", "link"),
        title=without_markup(first("title")),
        text=without_markup(first("content", "text")),
        labels=tuple(map(without_markup, fields.get("label", ()))),
        published=_first_date(first("published"), first("updated")),
        at=_first_date(first("updated"), first("published")),
    )


def _first_date(*texts: str) -> datetime | None:
    readers: tuple[Callable[[str], datetime | None], ...] = (json_timestamp, _mail_date)
    dates = (read(text) for text in texts if text for read in readers)
    return next((date for date in dates if date is not None), None)


def _mail_date(text: str) -> datetime | None:
    """Return a date in the form of RFC 822, in UTC; one without a year is none."""
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
