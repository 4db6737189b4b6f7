"""The names and descriptions of statuses, kinds of access, sources and failures."""

from tallylight.i18n import Translator
from tallylight.model.evidence import Depth, FailureKind, Source
from tallylight.model.status import Access, Status


def status_label(status: Status, to: Translator) -> str:  # noqa: PLR0911  # a closed set
    """Return the name of a status."""
    match status:
        case Status.OPERATIONAL:
            return to.gettext("Operational")
        case Status.DEGRADED:
            return to.gettext("Degraded")
        case Status.RISK_CONTROL:
            return to.gettext("Risk control")
        case Status.SUSPENDED:
            return to.gettext("Suspended")
        case Status.MAINTENANCE:
            return to.gettext("Maintenance")
        case Status.RETIRED:
            return to.gettext("Retired")
        case Status.UNKNOWN:
            return to.gettext("Unknown")


def status_description(status: Status, to: Translator) -> str:  # noqa: PLR0911  # a closed set
    """Return what a status means, as a sentence."""
    match status:
        case Status.OPERATIONAL:
            return to.gettext("The service delivers videos.")
        case Status.DEGRADED:
            return to.gettext("The service delivers videos, but slowly or with some failures.")
        case Status.RISK_CONTROL:
            return to.gettext("Anti-abuse measures limit the service.")
        case Status.SUSPENDED:
            return to.gettext("The service delivers nothing, or reports that it is paused.")
        case Status.MAINTENANCE:
            return to.gettext("The service is under announced maintenance.")
        case Status.RETIRED:
            return to.gettext("The service no longer exists.")
        case Status.UNKNOWN:
            return to.gettext("There is no recent evidence.")


def access_label(access: Access, to: Translator) -> str:
    """Return the name of a kind of access."""
    match access:
        case Access.OFFICIAL:
            return to.gettext("Official")
        case Access.REVERSE:
            return to.gettext("Reverse")
        case Access.SELF_HOSTED:
            return to.gettext("Self-hosted")


def source_label(source: Source, to: Translator) -> str:  # noqa: PLR0911  # a closed set
    """Return the name of a source of evidence."""
    match source:
        case Source.REACH:
            return to.gettext("Reach probe")
        case Source.CREDENTIALS:
            return to.gettext("Credentials probe")
        case Source.ACCEPTANCE:
            return to.gettext("Job accepted")
        case Source.GENERATION:
            return to.gettext("Generation probe")
        case Source.TRAFFIC:
            return to.gettext("Live traffic")
        case Source.FEED:
            return to.gettext("Status feed")
        case Source.CALENDAR:
            return to.gettext("Calendar")


def depth_label(depth: Depth, to: Translator) -> str:
    """Return the name of a probe's depth."""
    return source_label(Source(depth.value), to)


def failure_label(kind: FailureKind, to: Translator) -> str:  # noqa: PLR0911  # a closed set
    """Return the name of a kind of failure."""
    match kind:
        case FailureKind.RATE_LIMITED:
            return to.gettext("Rate limited")
        case FailureKind.QUOTA:
            return to.gettext("Balance or quota used up")
        case FailureKind.AUTH:
            return to.gettext("Key refused")
        case FailureKind.DEGRADED:
            return to.gettext("Upstream error")
        case (
            FailureKind.RISK_CONTROL
            | FailureKind.SUSPENDED
            | FailureKind.MAINTENANCE
            | FailureKind.RETIRED
        ):
            return status_label(Status(kind.value), to)
        case FailureKind.CONTENT_REJECTED:
            return to.gettext("Content refused")
        case FailureKind.INVALID_REQUEST:
            return to.gettext("Invalid request")
        case FailureKind.UNKNOWN:
            return to.gettext("Unclear response")


def blocked_message(kind: FailureKind, to: Translator) -> str:
    """Return why our own access to a service is blocked, which says nothing about the service."""
    if kind is FailureKind.QUOTA:
        return to.gettext("Our balance or quota is used up, so checks cannot go further.")
    return to.gettext("The upstream refuses our key, so checks cannot go further.")
