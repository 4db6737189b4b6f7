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
    title: str
    published: str
    updated: str
    incident: IncidentView


@dataclass(frozen=True, slots=True)
class AtomFeed:
    """The feed.

    Args:
        updated: When an entry last changed.
        entries: Newest first.
    """

    base_url: str
    updated: str
    entries: tuple[AtomEntry, ...]


def atom_feed(
    incidents: Sequence[tuple[Incident, str]], base_url: str, now: datetime, to: Translator
) -> AtomFeed:
    """Return the feed of incidents, each with its service's name."""
    entries = tuple(
        AtomEntry(
            id=f"{base_url}/incidents/{incident.id}",
            title=incident_title(incident, name, to),
            published=rfc3339(incident.started_at),
            updated=rfc3339(updated_at(incident)),
            incident=incident_view(incident, name, now, to),
        )
        for incident, name in incidents
    )
    return AtomFeed(
        base_url, max((entry.updated for entry in entries), default=rfc3339(now)), entries
    )
