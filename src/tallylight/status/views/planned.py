"""What lies ahead of services as events of a calendar: shutdowns and announced maintenance."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from hashlib import sha256
from urllib.parse import quote

from tallylight.catalogue.services import Service, ShutdownPrecision
from tallylight.i18n import Translator
from tallylight.i18n.labels import names_or_count
from tallylight.status.views.claims import AnnouncedMaintenance, planned_text
from tallylight.status.views.icalendar import IcalendarEvent
from tallylight.status.views.incident_feed import FeedPlace
from tallylight.status.views.services import shutdown_text
from tallylight.upstreams.feeds.claims import ClaimedEvent, claims_name


def shutdown_event(
    service: Service, place: FeedPlace, now: datetime, to: Translator, *, is_retired: bool
) -> IcalendarEvent | None:
    """Return the shutdown of a service as an event, None if no date is known."""
    day = service.sheet.shutdown_at
    if day is None:
        return None
    is_earliest = service.sheet.shutdown_precision is ShutdownPrecision.NOT_BEFORE
    label = to.gettext("Earliest shutdown") if is_earliest else to.gettext("Shutdown")
    return IcalendarEvent(
        uid=f"shutdown-{quote(service.id, safe='')}@{place.authority}",
        revised_at=_midnight(service.sheet.as_of),
        start=day,
        end=None,
        summary=_headline(service.name, label, to),
        description=shutdown_text(service.sheet, now, to, is_retired=is_retired),
        url=_service_url(service, place),
    )


def maintenance_events(
    announced: Iterable[AnnouncedMaintenance], place: FeedPlace, now: datetime, to: Translator
) -> list[IcalendarEvent]:
    """Return announced maintenances as events.

    No page tells when it changed one, so an event is dated by its own start: that changes only
    with the plan.
    """
    return [
        IcalendarEvent(
            uid=f"maintenance-{_key(each)}@{place.authority}",
            revised_at=each.event.start,
            start=each.event.start,
            end=each.event.end,
            summary=_headline(
                names_or_count([service.name for service in each.services], to),
                each.event.title,
                to,
            ),
            description=_description(each, now, to),
            url=_service_url(each.services[0], place)
            if len(each.services) == 1
            else place.page_url,
        )
        for each in announced
    ]


def _description(each: AnnouncedMaintenance, now: datetime, to: Translator) -> str:
    plan = planned_text(each.event, now, to)
    names = ", ".join(service.name for service in each.services)
    return f"{to.gettext('Planned maintenance: %(plan)s') % {'plan': plan}}\n{names}"


def _headline(name: str, text: str, to: Translator) -> str:
    return to.gettext("%(label)s: %(text)s") % {"label": name, "text": text}


def _service_url(service: Service, place: FeedPlace) -> str:
    return f"{place.base_url}/services/{quote(service.id, safe='')}"


def _key(each: AnnouncedMaintenance) -> str:
    """Return a key of the maintenance that stays the same if its page moves or renames it."""
    feed = each.services[0].upstream.feed
    page = "" if feed is None else claims_name(feed)
    return sha256(f"{page}\n{_id(each.event)}".encode()).hexdigest()[:24]


def _id(event: ClaimedEvent) -> str:
    return event.id or f"{event.start.isoformat()} {event.title}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
