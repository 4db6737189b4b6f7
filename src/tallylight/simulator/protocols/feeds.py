"""Status pages over HTTP: conditional requests, and the page's own faults."""

from collections.abc import Callable

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.answers import Answer, conditional_answer
from tallylight.simulator.protocols import incident_io, statuspage
from tallylight.simulator.protocols.page import Page
from tallylight.simulator.scenario import FeedFault
from tallylight.simulator.status_reports import Statement
from tallylight.simulator.time_scale import Pace
from tallylight.simulator.world import World

_MOVED_AWAY = (
    "<!doctype html><html><head><title>Status</title></head>"
    "<body><div id='root'></div><script src='/app.js'></script></body></html>"
)


def routes(world: World, feed: str) -> list[BaseRoute]:
    """Return the routes of one status page."""
    part = world.scenario.feeds[feed]
    bodies = statuspage.BODIES if part.format == "statuspage" else incident_io.BODIES
    found = [Route(path, _handler(world, feed, body)) for path, body in bodies.items()]
    return [Mount(f"/status/{feed}", routes=found)]


def _handler(
    world: World, feed: str, body: Callable[[Page], JsonValue]
) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        part = world.scenario.feeds[feed]
        fault = fault_at(part.faults, world.second())
        if fault is not None:
            return _broken(fault).response()
        said = world.statement(feed)
        response = JSONResponse(body(page_of(world.pace, feed, part.title, said, world)))
        return conditional_answer(request, response, world.pace, said.changed)

    return answer


def page_of(pace: Pace, feed: str, title: str, said: Statement, world: World) -> Page:
    """Return what a page says, in the form that both formats are written from."""
    return Page(
        id=feed,
        title=title,
        url=world.feed_urls[feed],
        said=said,
        date=lambda second: f"{pace.date(second):%Y-%m-%dT%H:%M:%S}.000Z",
    )


def fault_at(faults: tuple[FeedFault, ...], second: float) -> FeedFault | None:
    """Return how the page itself is broken at a second, None if it is well."""
    for fault in faults:
        if fault.start <= second and (fault.end is None or second < fault.end):
            return fault
    return None


def _broken(fault: FeedFault) -> Answer:
    match fault.answer:
        case "html":
            # Pages move without notice, and their old address answers 200 with HTML.
            return Answer(200, _MOVED_AWAY)
        case "gone":
            return Answer(404, "Not Found")
        case "error":
            return Answer(502, "<html><body>Bad gateway</body></html>")
        case "half_json":
            return Answer(200, '{"page": {"id": "half", "name": "Hal')
