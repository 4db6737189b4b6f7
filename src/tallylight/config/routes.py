"""The routes of a configuration: references followed, or the routes that stand in for them."""

from collections.abc import Mapping

from tallylight.catalogue.services import Medium, Service
from tallylight.config.report import ConfigReport
from tallylight.documents.validation_messages import not_allowed_message
from tallylight.gateway.routing.options import RouteOptions
from tallylight.gateway.routing.routes import Route, default_routes
from tallylight.model.ids import ServiceId


def routes_of(
    options: Mapping[str, RouteOptions],
    services: Mapping[ServiceId, Service],
    report: ConfigReport,
) -> Mapping[str, Route]:
    """Return the routes by name; what is wrong with them goes to the findings."""
    for name, each in options.items():
        _check(name, each, services, report)
    if not options:
        return default_routes(services.values())
    return {name: each.route(name) for name, each in options.items()}


def _check(
    name: str,
    options: RouteOptions,
    services: Mapping[ServiceId, Service],
    report: ConfigReport,
) -> None:
    known = report.document.entry_names("services")
    seen: set[str] = set()
    for index, id_ in enumerate(options.services):
        place = ("routes", name, "services", index)
        service = services.get(ServiceId(id_))
        if id_ in seen:
            report.add_error(place, f"'{id_}' stands here twice")
        elif id_ not in known:
            report.add_error(place, f"is no service: {not_allowed_message(id_, known)}")
        elif service is not None and service.sheet.medium is not Medium.VIDEO:
            report.add_error(place, f"'{id_}' makes images; a route serves videos")
        seen.add(id_)
    for id_ in options.weights.keys() - seen:
        report.add_error(
            ("routes", name, "weights", id_),
            f"is none of the route's services: {', '.join(options.services)}",
        )
