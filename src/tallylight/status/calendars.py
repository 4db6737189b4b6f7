"""The calendars of shutdowns and announced maintenance, of all services and of one."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.status.page_claims import read_announcements
from tallylight.status.requests import base_url_of, context_of, translator_of
from tallylight.status.views.icalendar import icalendar_text
from tallylight.status.views.incident_feed import FeedPlace
from tallylight.status.views.planned import maintenance_events, shutdown_event


async def site_calendar(request: Request) -> Response:
    """Return what lies ahead of all services as iCalendar."""
    return await _calendar(request, context_of(request).sources.board.services(), "")


async def service_calendar(request: Request) -> Response:
    """Return what lies ahead of one service as iCalendar."""
    try:
        service = context_of(request).sources.board.service(
            ServiceId(request.path_params["service"])
        )
    except KeyError:
        raise HTTPException(404) from None
    return await _calendar(request, [service], service.name)


async def _calendar(request: Request, services: Sequence[Service], name: str) -> Response:
    context, to = context_of(request), translator_of(request)
    sources, now = context.sources, context.now()
    place = FeedPlace(base_url_of(request), sources.options.authority)
    shutdowns = (
        shutdown_event(
            each,
            place,
            now,
            to,
            is_retired=sources.board.verdict(each.id).status is Status.RETIRED,
        )
        for each in services
    )
    announced = await read_announcements(sources.history, services, now)
    events = [each for each in shutdowns if each is not None]
    events += maintenance_events(announced, place, now, to)
    title = sources.options.title
    text = icalendar_text(f"{title}: {name}" if name else title, events)
    return Response(text, media_type="text/calendar")
