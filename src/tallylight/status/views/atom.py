"""The latest incidents as an Atom feed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tallylight.i18n import Translator
from tallylight.model.verdict import Incident
from tallylight.status.views.incidents import IncidentView, incident_title, incident_view
from tallylight.status.views.statuspage import updated_at
from tallylight.status.views.timestamps import rfc3339


@dataclass(frozen=True, slots=True)
class AtomEntry:
    """One incident of the feed."""

    id: str
    url: str
    title: str
    published: str
    updated: str
    incident: IncidentView


@dataclass(frozen=True, slots=True)
class AtomFeed:
    """The feed.

    Args:
        id: Stays the same by whatever name the server is asked.
        updated: When an entry last changed.
        entries: Newest first.
    """

    id: str
    base_url: str
    updated: str
    entries: tuple[AtomEntry, ...]


def atom_feed(
    incidents: Sequence[tuple[Incident, str]],
    base_url: str,
    authority: str,
    now: datetime,
    to: Translator,
) -> AtomFeed:
    """Return the feed of incidents, each with its service's name.

    Args:
        incidents: Newest first.
        base_url: The page's address, for links.
        authority: The host that its ids are named for.
        now: The current time.
        to: Translates into the reader's language.
    """
    entries = tuple(
        AtomEntry(
            id=_tag(authority, f"incidents/{incident.id}"),
            url=f"{base_url}/incidents/{incident.id}",
            title=incident_title(incident, name, to),
            published=rfc3339(incident.started_at),
            updated=rfc3339(updated_at(incident)),
            incident=incident_view(incident, name, now, to),
        )
        for incident, name in incidents
    )
    updated = max((entry.updated for entry in entries), default=rfc3339(now))
    return AtomFeed(_tag(authority, "feed"), base_url, updated, entries)


def _tag(authority: str, specific: str) -> str:
    """Return a tag URI (RFC 4151), of the year from which the names are ours."""
    return f"tag:{authority},2026:{specific}"
