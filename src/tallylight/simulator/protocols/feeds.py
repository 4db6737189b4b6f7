"""Status pages over HTTP, with conditional requests and faults of the page itself."""

from collections.abc import Callable, Mapping

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.protocols import (
    better_stack,
    datadog,
    google_status,
    incident_io,
    instatus,
    rootly,
    statuspage,
    syndication,
)
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.responses import SimulatedResponse, conditional_response
from tallylight.simulator.scenario import FeedFault
from tallylight.simulator.world import Simulation

#: By format, the body of each path; a text is XML.
RESPONSE_BODIES: Mapping[str, Mapping[str, Callable[[PageSnapshot], JsonValue]]] = {
    "statuspage": statuspage.RESPONSE_BODIES,
    "incident_io": incident_io.RESPONSE_BODIES,
    "google": google_status.RESPONSE_BODIES,
    "instatus": instatus.RESPONSE_BODIES,
    "betterstack": better_stack.RESPONSE_BODIES,
    "rootly": rootly.RESPONSE_BODIES,
    "datadog": datadog.RESPONSE_BODIES,
    "rss": syndication.RSS_BODIES,
    "atom": syndication.ATOM_BODIES,
}
_HTML_PAGE = (
    "<!doctype html><html><head><title>Status</title></head>"
    "<body><div id='root'></div><script src='/app.js'></script></body></html>"
)


def feed_routes(world: Simulation, feed: str) -> list[BaseRoute]:
    """Return the routes of one status page."""
    bodies = RESPONSE_BODIES[world.scenario.feeds[feed].format]
    routes = [Route(path, _body_handler(world, feed, body)) for path, body in bodies.items()]
    return [Mount(f"/status/{feed}", routes=routes)]


def _body_handler(
    world: Simulation, feed: str, body: Callable[[PageSnapshot], JsonValue]
) -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        fault = feed_fault_at(world.scenario.feeds[feed].faults, world.second())
        if fault is not None:
            return _fault_response(fault).to_response()
        page = make_snapshot(world, feed)
        content = body(page)
        response = (
            Response(content, media_type="application/xml")
            if isinstance(content, str)
            else JSONResponse(content)
        )
        return conditional_response(request, response, world.clock, page.report.changed_at)

    return handle


def make_snapshot(world: Simulation, feed: str) -> PageSnapshot:
    """Return the current page, from which each format is written."""
    return PageSnapshot(
        id=feed,
        title=world.scenario.feeds[feed].title,
        url=f"{world.base_url}/status/{feed}",
        report=world.status_report(feed),
        rfc3339=lambda second: f"{world.clock.datetime_at(second):%Y-%m-%dT%H:%M:%S}.000Z",
    )


def feed_fault_at(faults: tuple[FeedFault, ...], second: float) -> FeedFault | None:
    """Return the fault of the page itself at a scenario second, None for none."""
    for fault in faults:
        if fault.start <= second and (fault.end is None or second < fault.end):
            return fault
    return None


def _fault_response(fault: FeedFault) -> SimulatedResponse:
    match fault.response:
        case "html":
            # After a page has moved, its old URLs often return 200 with HTML.
            return SimulatedResponse(200, _HTML_PAGE)
        case "not_found":
            return SimulatedResponse(404, "Not Found")
        case "error":
            return SimulatedResponse(502, "<html><body>Bad gateway</body></html>")
        case "truncated_json":
            return SimulatedResponse(200, '{"page": {"id": "half", "name": "Hal')
