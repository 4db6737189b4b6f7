"""Routes: checks their references to services, and makes default routes if none is configured."""

from collections.abc import Mapping

from tallylight.catalogue.services import Medium, Service
from tallylight.config.report import ConfigReport
from tallylight.documents.nearest import unknown_name_message
from tallylight.gateway.routing.options import RouteOptions
from tallylight.gateway.routing.routes import Route, default_routes
from tallylight.model.ids import ServiceId


def routes_of(
    options: Mapping[str, RouteOptions],
    services: Mapping[ServiceId, Service],
    report: ConfigReport,
) -> Mapping[str, Route]:
    """Return the routes by name; errors in them go to the report."""
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
            report.add_error(place, f"'{id_}' is listed twice")
        elif id_ not in known:
            report.add_error(place, unknown_name_message("service", id_, known))
        elif service is not None and service.sheet.medium is not Medium.VIDEO:
            report.add_error(
                place, f"'{id_}' makes images; a route needs services that make videos"
            )
        seen.add(id_)
    for id_ in options.weights.keys() - seen:
        report.add_error(
            ("routes", name, "weights", id_),
            unknown_name_message("service of this route", id_, options.services),
        )
