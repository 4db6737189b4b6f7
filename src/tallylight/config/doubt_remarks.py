"""What `config check` says about creates that may or may not have been accepted."""

from collections.abc import Iterable, Mapping

from tallylight.catalogue.services import LISTED_AFTER, Service, Upstream
from tallylight.config.assembly import ConfigReport
from tallylight.gateway.routing.options import RouteOptions
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import ServiceId
from tallylight.model.order import Medium
from tallylight.upstreams.protocols.registry import adapter_for


def remark_on_doubts(
    services: Mapping[ServiceId, Service],
    routes: Mapping[str, Route],
    options: Mapping[str, RouteOptions],
    report: ConfigReport,
) -> None:
    """Report upstreams whose doubts nothing resolves, and what `lists_all_jobs` promises.

    Args:
        services: The services of the file.
        routes: The routes in force.
        options: The routes that the file defines.
        report: Receives the remarks.
    """
    undecided = {
        name for name in routes if name not in options or not _decides_doubts(options[name])
    }
    for upstream, of_upstream in _by_upstream(services.values()):
        place = ("upstreams", upstream.id)
        names = [
            name for name in sorted(undecided) if of_upstream.intersection(routes[name].services)
        ]
        if upstream.lists_all_jobs:
            report.notes.append(
                report.document.problem(
                    (*place, "lists_all_jobs"),
                    "promises that a create that was sent shows in the list at the latest "
                    f"{LISTED_AFTER.seconds} s after its time limit; a video whose job is accepted "
                    "or listed later is paid twice",
                )
            )
        if names and _leaves_doubts(upstream):
            where = ", ".join(names) if options else "a route"
            report.remarks.append(
                report.document.problem(
                    place,
                    f"has no list of jobs (dialect {upstream.dialect}): a create that is answered "
                    "with a 500, a page or nothing stays in doubt, and its video fails. Set "
                    f"`when_in_doubt` of {where}, or `refuses_with_500` here",
                )
            )


def _leaves_doubts(upstream: Upstream) -> bool:
    return adapter_for(upstream).find is None and not upstream.refuses_with_500


def _decides_doubts(options: RouteOptions) -> bool:
    return "when_in_doubt" in options.model_fields_set


def _by_upstream(services: Iterable[Service]) -> Iterable[tuple[Upstream, frozenset[ServiceId]]]:
    """Yield the upstreams of services that make videos, with these services."""
    videos = [each for each in services if each.sheet.medium is Medium.VIDEO]
    upstreams = {each.upstream.id: each.upstream for each in videos}
    for id_, upstream in upstreams.items():
        yield upstream, frozenset(each.id for each in videos if each.upstream.id == id_)
