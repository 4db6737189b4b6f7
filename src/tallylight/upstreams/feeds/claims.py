"""What a status page claims about its past and its plans.

A page's incidents and maintenances of the last 90 days are kept. A list that a page cuts off is
completed by what was read before. Texts are redacted lines of bounded length.

`claims_formats` reads them in each format.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from pydantic import TypeAdapter

from tallylight.catalogue.services import Feed
from tallylight.model.status import Status
from tallylight.upstreams.feeds.notation import JSON, Notation
from tallylight.upstreams.feeds.page import component_keys, is_named

KEPT = timedelta(days=90)
_MAX_EVENTS = 300
_MAX_COMPONENTS = 100
_PLANNED = Status.MAINTENANCE
_MAX_PAGES = 64  # whose claims are kept as read: each view of the index asks for those of all


@dataclass(frozen=True, slots=True)
class ClaimedComponent:
    """A component of a page.

    Args:
        group: The id of its group, "" for none.
    """

    id: str
    name: str
    status: Status
    group: str = ""


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An incident or a maintenance of a page.

    Args:
        status: MAINTENANCE, or what the incident claims.
        start: When it began, or is planned to begin.
        end: When it ended, or is planned to end; None while it is open.
        affected: Ids and names (in lower case) of components; empty if it names none.
    """

    id: str
    title: str
    status: Status
    start: datetime
    end: datetime | None
    affected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageClaims:
    """What a page claims.

    Args:
        since: From when on its events are known.
        read_at: When it was read.
        events: The latest first.
    """

    since: datetime
    read_at: datetime
    components: tuple[ClaimedComponent, ...] = ()
    events: tuple[ClaimedEvent, ...] = ()

    def of(self, component: str) -> "PageClaims":
        """Return what concerns a component, with all components of its group; "" takes all."""
        mine = [row for row in self.components if is_named(component, row.id, row.name)]
        if not component or not mine:
            return self
        groups = {row.group for row in mine if row.group} | {row.id for row in mine}
        rows = tuple(row for row in self.components if row in mine or row.group in groups)
        keys = component_keys((row.id, row.name) for row in mine)
        events = tuple(e for e in self.events if not e.affected or keys.intersection(e.affected))
        return replace(self, components=rows, events=events)

    def planned(self, now: datetime) -> tuple[ClaimedEvent, ...]:
        """Return the maintenances in progress or ahead, the earliest first."""
        ahead = [
            event
            for event in self.events
            if event.status is Status.MAINTENANCE and (event.end is None or event.end > now)
        ]
        return tuple(sorted(ahead, key=lambda event: event.start))

    def past(self, now: datetime) -> tuple[ClaimedEvent, ...]:
        """Return what has begun, the latest first."""
        return tuple(event for event in self.events if event.start <= now)

    def availability(self, start: datetime, end: datetime) -> float | None:
        """Return the claimed availability of a window, without maintenance; None if not known."""
        begin = max(start, self.since)
        watched = (end - begin) - self._covered(Status.MAINTENANCE, begin, end)
        if watched <= timedelta():
            return None
        return max(0.0, 1 - self._covered(Status.SUSPENDED, begin, end) / watched)

    def _covered(self, status: Status, start: datetime, end: datetime) -> timedelta:
        """Return the time in a window that events of a status cover, overlaps counted once."""
        spans = sorted(
            (max(event.start, start), min(event.end or end, end))
            for event in self.events
            if event.status is status
        )
        covered, reached = timedelta(), start
        for begin, until in spans:
            if until > max(begin, reached):
                covered += until - max(begin, reached)
                reached = until
        return covered


@dataclass(frozen=True, slots=True)
class ClaimsApi:
    """Where a format publishes its past.

    Args:
        paths: From the root of the page, "" for the configured address itself; the first answer is
            needed, the others may be missing.
        parse: From the decoded answers to components and events; None if they are not of this API.
        limit: A list of fewer events is the page's whole past; 0 if no list ever is.
        notation: What its answers are written in.
    """

    paths: tuple[str, ...]
    parse: Callable[
        [Sequence[object]], tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None
    ]
    limit: int = 0
    notation: Notation = JSON

    def urls(self, address: str) -> tuple[str, ...]:
        """Return the URLs to request for the configured address of a page."""
        return tuple(address.rstrip("/") + path if path else address for path in self.paths)


def claims_after(
    api: ClaimsApi, documents: Sequence[object], before: PageClaims | None, now: datetime
) -> PageClaims | None:
    """Return what a page claims, completed by what it claimed before; None if it is unreadable.

    Some pages call an incident that is over operational; it keeps the status that it had before.
    Some date an incident by its start only; it ended when it was first seen to be over.
    """
    parsed = api.parse(documents)
    if parsed is None:
        return None
    components, found = parsed[0], [_without_future_end(event, now) for event in parsed[1]]
    known = {event.id: event for event in found}
    for event in before.events if before else ():
        if event.id not in known:
            # An open event that a page no longer shows is over.
            known[event.id] = event if event.end else replace(event, end=now)
            continue
        current = known[event.id]
        if current.status is Status.OPERATIONAL:
            current = replace(current, status=event.status)
        if current.end is not None and current.end <= current.start:
            current = replace(current, end=event.end or now)
        known[event.id] = current
    recent = [e for e in known.values() if (e.end or now) > now - KEPT]
    recent.sort(key=lambda event: event.start, reverse=True)
    began = [e.start for e in found if e.status is not Status.MAINTENANCE]
    is_whole = len(began) < api.limit
    since = now - KEPT if is_whole else before.since if before else min([now, *began])
    return PageClaims(
        max(since, now - KEPT),
        now,
        tuple(components[:_MAX_COMPONENTS]),
        tuple(recent[:_MAX_EVENTS]),
    )


def _without_future_end(event: ClaimedEvent, now: datetime) -> ClaimedEvent:
    """Return an incident as open until its end has come."""
    is_ahead = event.end is not None and event.end > now
    return replace(event, end=None) if is_ahead and event.status is not _PLANNED else event


def claims_name(feed: Feed) -> str:
    """Return the name under which the claims of a page are stored."""
    return f"claims {feed.format} {feed.url.rstrip('/')}"


def dump_claims(claims: PageClaims) -> str:
    """Return claims as JSON."""
    return _CLAIMS.dump_json(claims).decode()


@lru_cache(maxsize=_MAX_PAGES)
def load_claims(text: str | None) -> PageClaims | None:
    """Return the claims that `dump_claims` wrote; None without any, or if another version did."""
    try:
        return None if text is None else _CLAIMS.validate_json(text)
    except ValueError:
        return None  # they are read again soon


_CLAIMS = TypeAdapter(PageClaims)
