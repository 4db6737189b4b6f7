"""The latest incidents as a feed, of all services or of one: what its Atom and its RSS show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple

from tallylight.i18n import Translator
from tallylight.model.verdict import Incident
from tallylight.status.views.incidents import IncidentView, incident_title, incident_view
from tallylight.status.views.statuspage import updated_at
from tallylight.status.views.timestamps import rfc3339

#: When a feed that never had an entry changed last: a time that stays the same.
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)


class FeedDate(NamedTuple):
    """A time as Atom and as RSS write it."""

    atom: str
    rss: str


class FeedPlace(NamedTuple):
    """Where a feed and what it shows are.

    Args:
        base_url: The page's address.
        authority: The host that its ids are named for.
        page: The path of the page that shows the same, "/" for all services.
    """

    base_url: str
    authority: str
    page: str = "/"

    @property
    def page_url(self) -> str:
        """Return the address of the page that shows the same."""
        return f"{self.base_url}{self.page}"

    @property
    def feed_url(self) -> str:
        """Return the address of the feed, without its ending."""
        return f"{self.base_url}{self.page.rstrip('/')}/feed"

    @property
    def feed_id(self) -> str:
        """Return the id of the feed, the same by whatever name the server is asked."""
        return self.tag(f"{self.page.rstrip('/')}/feed".removeprefix("/"))

    def tag(self, specific: str) -> str:
        """Return a tag URI (RFC 4151), of the year from which the names are ours."""
        return f"tag:{self.authority},2026:{specific}"


@dataclass(frozen=True, slots=True)
class IncidentFeedEntry:
    """One incident of the feed."""

    id: str
    url: str
    title: str
    published: FeedDate
    updated: FeedDate
    incident: IncidentView


@dataclass(frozen=True, slots=True)
class IncidentFeed:
    """The feed.

    Args:
        name: The service that it is of, "" for all.
        updated_at: When an entry last changed.
        entries: Newest first.
    """

    place: FeedPlace
    name: str
    updated_at: datetime
    entries: tuple[IncidentFeedEntry, ...]

    @property
    def updated(self) -> FeedDate:
        """Return when an entry last changed."""
        return _date(self.updated_at)


def incident_feed(
    incidents: Sequence[tuple[Incident, str]],
    place: FeedPlace,
    now: datetime,
    to: Translator,
    name: str = "",
) -> IncidentFeed:
    """Return the feed of incidents, each with its service's name.

    Args:
        incidents: Newest first.
        place: Where the feed is.
        now: The current time.
        to: Translates into the reader's language.
        name: The service that the feed is of, "" for all.
    """
    entries = tuple(
        IncidentFeedEntry(
            id=place.tag(f"incidents/{incident.id}"),
            url=f"{place.base_url}/incidents/{incident.id}",
            title=incident_title(incident, each, to),
            published=_date(incident.started_at),
            updated=_date(updated_at(incident)),
            incident=incident_view(incident, each, now, to),
        )
        for incident, each in incidents
    )
    changed_at = max((updated_at(incident) for incident, _ in incidents), default=_NEVER)
    return IncidentFeed(place, name, changed_at, entries)


def _date(at: datetime) -> FeedDate:
    return FeedDate(rfc3339(at), format_datetime(at.astimezone(UTC), usegmt=True))
