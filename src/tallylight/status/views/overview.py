"""The status of all services in one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_number
from tallylight.i18n.labels import status_label
from tallylight.model.status import TROUBLE_STATUSES, Status
from tallylight.status.views.impact import Impact, WeighedStatus, overall_impact

#: Worst first.
_ORDER = (
    Status.SUSPENDED,
    Status.RISK_CONTROL,
    Status.DEGRADED,
    Status.MAINTENANCE,
    Status.UNKNOWN,
    Status.OPERATIONAL,
    Status.RETIRED,
)


@dataclass(frozen=True, slots=True)
class StatusCount:
    """Number of services in one status."""

    status: Status
    status_label: str
    count: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The status of all services.

    Args:
        impact: How bad the whole is, as a sentence; "" where no service is in trouble.
        counts: Number of services in each status, worst first.
        network_notice: A notice that our own network is down, or "".
    """

    headline: str
    impact: str
    counts: tuple[StatusCount, ...]
    network_notice: str


def overview(
    services: Sequence[WeighedStatus], to: Translator, *, network_is_down: bool
) -> Overview:
    """Return the status of all services."""
    statuses = [each.status for each in services]
    present = [status for status in _ORDER if status in statuses]
    return Overview(
        headline=_headline(statuses, to),
        impact=impact_label(overall_impact(services), to) if _is_in_trouble(statuses) else "",
        counts=tuple(
            StatusCount(status, status_label(status, to), format_number(statuses.count(status), to))
            for status in present
        ),
        network_notice=to.gettext("Our own network is down; statuses are frozen.")
        if network_is_down
        else "",
    )


def impact_label(impact: Impact, to: Translator) -> str:
    """Return how bad the whole is, as a sentence; "" where no service is in trouble."""
    match impact:
        case Impact.MINOR:
            return to.gettext("Minor trouble.")
        case Impact.MAJOR:
            return to.gettext("Partial outage.")
        case Impact.CRITICAL:
            return to.gettext("Major outage.")
        case Impact.NONE | Impact.MAINTENANCE:
            return ""


def _is_in_trouble(statuses: Sequence[Status]) -> bool:
    return any(status in TROUBLE_STATUSES for status in statuses)


def _headline(statuses: Sequence[Status], to: Translator) -> str:
    live = [status for status in statuses if status is not Status.RETIRED]
    if not statuses:
        return to.gettext("No services are monitored.")
    if not live:
        return to.gettext("All services are retired.")
    if all(status is Status.OPERATIONAL for status in live):
        return to.gettext("All services are operational.")
    if all(status is Status.UNKNOWN for status in live):
        return to.gettext("No status is known yet.")
    good = live.count(Status.OPERATIONAL)
    if good == 0:
        return to.gettext("No service is fully operational.")
    return to.ngettext(
        "%(good)s of %(all)s service is operational.",
        "%(good)s of %(all)s services are operational.",
        len(live),
    ) % {"good": format_number(good, to), "all": format_number(len(live), to)}
