"""RSS and Atom: the feed of incidents that most pages have, and some have nothing else.

`url` is the address of the feed itself. A feed lists incidents and no components, so:

- Entries with one id are one incident, told by the latest of them.
- The state is the first word of state in the categories, the title or the text, in this order:
  pages write the latest update first. Without such a word an incident is open. It is given up three
  days after its latest entry, because not every page says that an incident is over.
- A configured component is any word of an entry: an entry that does not have it is not ours.
- An incident is DEGRADED, since a feed tells no severity; a category "outage" is a full outage.
- Maintenance is left out: a feed does not say when it begins or ends.
- An entry without a readable date is left out: it may be years old.

Sources: feeds of Statuspage, incident.io, OnlineOrNot, Azure (an empty feed is its good state) and
xAI (status and severity are categories) of 2026.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from tallylight.upstreams.feeds.notation import ATOM, RSS, Notation
from tallylight.upstreams.feeds.page import StatusPage, StatusPageIncident, words_of
from tallylight.upstreams.feeds.reader import FeedApi, FeedReader
from tallylight.upstreams.feeds.syndication import SyndicatedEntry, SyndicatedFeed

BELIEVED_FOR = timedelta(days=3)
_OUTAGE = "outage"


class _State(Enum):
    OPEN = auto()
    OVER = auto()
    PLANNED = auto()


_STATES: Mapping[str, _State] = {
    **dict.fromkeys(
        ("active", "fixing", "identified", "investigating", "monitoring", "ongoing", "update"),
        _State.OPEN,
    ),
    **dict.fromkeys(("completed", "mitigated", "postmortem", "recovered", "resolved"), _State.OVER),
    **dict.fromkeys(("maintenance", "scheduled"), _State.PLANNED),
}
_NOT_YET = frozenset({"be", "being", "never", "not", "once", "partially", "until", "when", "yet"})
_NOT_YET_WITHIN = 4
"""Among so many words before "resolved" these take it back: "until the issue is resolved"."""


@dataclass(frozen=True, slots=True)
class SyndicatedIncident:
    """The entries of one incident.

    Args:
        start: When its first entry was published.
        at: When its latest entry changed. Many feeds date it by the start of the incident only.
    """

    id: str
    title: str
    start: datetime
    at: datetime
    is_open: bool
    is_full_outage: bool
    words: str


def syndicated_incidents(feed: SyndicatedFeed) -> Iterator[SyndicatedIncident]:
    """Yield the incidents of a feed, without maintenance."""
    groups: dict[str, list[tuple[datetime, datetime, SyndicatedEntry]]] = {}
    for entry in feed.entries:
        if entry.published is not None and entry.at is not None:
            dated = (entry.published, entry.at, entry)
            groups.setdefault(entry.id or entry.title, []).append(dated)
    for id_, entries in groups.items():
        _, at, latest = max(entries, key=lambda dated: dated[1])
        state = _entry_state(latest)
        if state is not _State.PLANNED:
            yield SyndicatedIncident(
                id=id_,
                title=latest.title,
                start=min(published for published, _, _ in entries),
                at=at,
                is_open=state is _State.OPEN,
                is_full_outage=_OUTAGE in map(str.casefold, latest.labels),
                words=words_of(" ".join((latest.title, *latest.labels, latest.text))),
            )


def _entry_state(entry: SyndicatedEntry) -> _State:
    if "maintenance" in words_of(entry.title).split():
        return _State.PLANNED
    title = (state for state in _states(entry.title) if state is _State.OVER)
    said = (*_states(" ".join(entry.labels)), *title, *_states(entry.text))
    return next(iter(said), _State.OPEN)


def _states(text: str) -> Iterable[_State]:
    before: deque[str] = deque(maxlen=_NOT_YET_WITHIN)
    for word in words_of(text).split():
        state = _STATES.get(word)
        if state is not None and not (state is _State.OVER and _NOT_YET.intersection(before)):
            yield state
        before.append(word)


def _parse_page(documents: Sequence[object]) -> StatusPage | None:
    feed = documents[0]
    if not isinstance(feed, SyndicatedFeed):
        return None
    return StatusPage(
        components=(),
        incidents=tuple(
            StatusPageIncident(
                title=incident.title,
                is_open=True,
                at=incident.at,
                is_full_outage=incident.is_full_outage,
                words=incident.words,
                believed_until=incident.at + BELIEVED_FOR,
            )
            for incident in syndicated_incidents(feed)
            if incident.is_open
        ),
        lists_all_components=False,
    )


def _reader(notation: Notation) -> FeedReader:
    api = FeedApi(lambda address: (address,), _parse_page, notation)
    return FeedReader((api,), starts_at_root=False)


RSS_READER = _reader(RSS)
ATOM_READER = _reader(ATOM)
