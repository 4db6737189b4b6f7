"""One incident as the pages and the Atom feed show it."""

from dataclasses import dataclass
from datetime import datetime

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_duration
from tallylight.i18n.labels import status_label
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, IncidentUpdate
from tallylight.status.views.timestamps import Timestamp, timestamp


@dataclass(frozen=True, slots=True)
class IncidentUpdateView:
    """One update of an incident."""

    status: Status
    status_label: str
    at: Timestamp
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident as text; its updates newest first."""

    id: str
    service: str
    name: str
    worst: Status
    status_label: str
    started_at: Timestamp
    ended_at: Timestamp | None
    duration: str
    updates: tuple[IncidentUpdateView, ...]


def incident_view(incident: Incident, name: str, now: datetime, to: Translator) -> IncidentView:
    """Return an incident of the service with this name as text."""
    ended_at = incident.ended_at
    return IncidentView(
        id=incident.id,
        service=incident.service,
        name=name,
        worst=incident.worst,
        status_label=status_label(incident.worst, to),
        started_at=timestamp(incident.started_at, now, to),
        ended_at=None if ended_at is None else timestamp(ended_at, now, to),
        duration=format_duration((ended_at or now) - incident.started_at, to),
        updates=tuple(_update(update, now, to) for update in reversed(incident.updates)),
    )


def incident_title(incident: Incident, name: str, to: Translator) -> str:
    """Return a headline: "Sora 2 官轉: Suspended"."""
    return to.gettext("%(label)s: %(text)s") % {
        "label": name,
        "text": status_label(incident.worst, to),
    }


def _update(update: IncidentUpdate, now: datetime, to: Translator) -> IncidentUpdateView:
    return IncidentUpdateView(
        status=update.status,
        status_label=status_label(update.status, to),
        at=timestamp(update.at, now, to),
        reasons=tuple(reason_sentence(reason, to) for reason in update.reasons),
    )
