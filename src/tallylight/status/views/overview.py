"""All services in one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_number
from tallylight.i18n.labels import status_label
from tallylight.model.status import Status

#: From what needs a look to what does not.
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
    """How many services are what."""

    status: Status
    word: str
    count: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of everything.

    Args:
        status: The worst status among services that are not retired.
        headline: One line.
        tallies: How many services are what, worst first.
        network: A warning that the trouble is our own, "" for none.
    """

    status: Status
    headline: str
    tallies: tuple[StatusCount, ...]
    network: str


def overview(statuses: Sequence[Status], to: Translator, *, network_is_down: bool) -> Overview:
    """Return the state of everything in one line."""
    present = [status for status in _ORDER if status in statuses]
    return Overview(
        status=worst_status(statuses),
        headline=_headline(statuses, to),
        tallies=tuple(
            StatusCount(status, status_label(status, to), format_number(statuses.count(status), to))
            for status in present
        ),
        network=to.gettext("Our own network is down: what is shown stood before.")
        if network_is_down
        else "",
    )


def worst_status(statuses: Sequence[Status]) -> Status:
    """Return the worst status among services that are not retired, UNKNOWN if all are."""
    live = [status for status in statuses if status is not Status.RETIRED]
    return next((status for status in _ORDER if status in live), Status.UNKNOWN)


def _headline(statuses: Sequence[Status], to: Translator) -> str:
    live = [status for status in statuses if status is not Status.RETIRED]
    if not statuses:
        return to.gettext("Nothing is being watched.")
    if not live:
        return to.gettext("Every service has been retired.")
    if all(status is Status.OPERATIONAL for status in live):
        return to.gettext("All services deliver.")
    if all(status is Status.UNKNOWN for status in live):
        return to.gettext("Nothing is known yet.")
    good = live.count(Status.OPERATIONAL)
    if good == 0:
        return to.gettext("No service is fully operational.")
    return to.ngettext(
        "%(good)s of %(all)s service delivers.", "%(good)s of %(all)s services deliver.", len(live)
    ) % {"good": format_number(good, to), "all": format_number(len(live), to)}
