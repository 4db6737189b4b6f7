"""The status of all services in one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_number
from tallylight.i18n.labels import status_label
from tallylight.model.status import Status

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
        counts: Number of services in each status, worst first.
        network_notice: A notice that our own network is down, or "".
    """

    headline: str
    counts: tuple[StatusCount, ...]
    network_notice: str


def overview(statuses: Sequence[Status], to: Translator, *, network_is_down: bool) -> Overview:
    """Return the status of all services."""
    present = [status for status in _ORDER if status in statuses]
    return Overview(
        headline=_headline(statuses, to),
        counts=tuple(
            StatusCount(status, status_label(status, to), format_number(statuses.count(status), to))
            for status in present
        ),
        network_notice=to.gettext("Our own network is down; statuses are frozen.")
        if network_is_down
        else "",
    )


def worst_status(statuses: Sequence[Status]) -> Status:
    """Return the worst status among services that are not retired; UNKNOWN if there are none."""
    live = [status for status in statuses if status is not Status.RETIRED]
    return next((status for status in _ORDER if status in live), Status.UNKNOWN)


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
