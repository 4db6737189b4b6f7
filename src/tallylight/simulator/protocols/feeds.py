"""Status pages over HTTP: conditional requests, and the page's own faults."""

from collections.abc import Callable

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.answers import SimulatedResponse, conditional_response
from tallylight.simulator.protocols import incident_io, statuspage
from tallylight.simulator.protocols.page import PageSnapshot
from tallylight.simulator.scenario import FeedFault
from tallylight.simulator.status_reports import StatusReport
from tallylight.simulator.time_scale import ScenarioClock
from tallylight.simulator.world import Simulation

_HTML_PAGE = (
    "<!doctype html><html><head><title>Status</title></head>"
    "<body><div id='root'></div><script src='/app.js'></script></body></html>"
)


def feed_routes(world: Simulation, feed: str) -> list[BaseRoute]:
    """Return the routes of one status page."""
    part = world.scenario.feeds[feed]
    bodies = (
        statuspage.RESPONSE_BODIES if part.format == "statuspage" else incident_io.RESPONSE_BODIES
    )
    found = [Route(path, _body_handler(world, feed, body)) for path, body in bodies.items()]
    return [Mount(f"/status/{feed}", routes=found)]


def _body_handler(
    world: Simulation, feed: str, body: Callable[[PageSnapshot], JsonValue]
) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        part = world.scenario.feeds[feed]
        fault = feed_fault_at(part.faults, world.second())
        if fault is not None:
            return _fault_response(fault).to_response()
        said = world.status_report(feed)
        response = JSONResponse(body(make_snapshot(world.clock, feed, part.title, said, world)))
        return conditional_response(request, response, world.clock, said.changed_at)

    return answer


def make_snapshot(
    clock: ScenarioClock, feed: str, title: str, report: StatusReport, world: Simulation
) -> PageSnapshot:
    """Return what a page says, in the form that both formats are written from."""
    return PageSnapshot(
        id=feed,
        title=title,
        url=world.feed_urls[feed],
        report=report,
        rfc3339=lambda second: f"{clock.datetime_at(second):%Y-%m-%dT%H:%M:%S}.000Z",
    )


def feed_fault_at(faults: tuple[FeedFault, ...], second: float) -> FeedFault | None:
    """Return how the page itself is broken at a second, None if it is well."""
    for fault in faults:
        if fault.start <= second and (fault.end is None or second < fault.end):
            return fault
    return None


def _fault_response(fault: FeedFault) -> SimulatedResponse:
    match fault.response:
        case "html":
            # Pages move without notice, and their old address answers 200 with HTML.
            return SimulatedResponse(200, _HTML_PAGE)
        case "not_found":
            return SimulatedResponse(404, "Not Found")
        case "error":
            return SimulatedResponse(502, "<html><body>Bad gateway</body></html>")
        case "truncated_json":
            return SimulatedResponse(200, '{"page": {"id": "half", "name": "Hal')
