"""The names of the closed sets, for people."""

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
    """Return what a status means, in one sentence."""
    match status:
        case Status.OPERATIONAL:
            return to.gettext("It delivers.")
        case Status.DEGRADED:
            return to.gettext("It delivers, but slowly or with errors in part.")
        case Status.RISK_CONTROL:
            return to.gettext("Anti-abuse measures limit it.")
        case Status.SUSPENDED:
            return to.gettext("It delivers nothing, or says that it is paused.")
        case Status.MAINTENANCE:
            return to.gettext("It is being worked on, as was announced.")
        case Status.RETIRED:
            return to.gettext("It no longer exists.")
        case Status.UNKNOWN:
            return to.gettext("No evidence is fresh enough to say.")


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
    match depth:
        case Depth.REACH:
            return to.gettext("Reach probe")
        case Depth.CREDENTIALS:
            return to.gettext("Credentials probe")
        case Depth.GENERATION:
            return to.gettext("Generation probe")


def failure_label(kind: FailureKind, to: Translator) -> str:  # noqa: C901, PLR0911  # a closed set
    """Return the name of a kind of failure."""
    match kind:
        case FailureKind.RATE_LIMITED:
            return to.gettext("Rate limited")
        case FailureKind.QUOTA:
            return to.gettext("Balance or quota used up")
        case FailureKind.AUTH:
            return to.gettext("Key refused")
        case FailureKind.RISK_CONTROL:
            return to.gettext("Risk control")
        case FailureKind.DEGRADED:
            return to.gettext("Upstream error")
        case FailureKind.SUSPENDED:
            return to.gettext("Suspended")
        case FailureKind.MAINTENANCE:
            return to.gettext("Maintenance")
        case FailureKind.RETIRED:
            return to.gettext("Retired")
        case FailureKind.CONTENT_REJECTED:
            return to.gettext("Content refused")
        case FailureKind.INVALID_REQUEST:
            return to.gettext("Invalid request")
        case FailureKind.UNKNOWN:
            return to.gettext("Unclear answer")


def blocked_message(kind: FailureKind, to: Translator) -> str:
    """Return what keeps us out of a service, and that it says nothing against the service."""
    if kind is FailureKind.QUOTA:
        return to.gettext("Our balance or quota there is used up, so we cannot look further.")
    return to.gettext("Our key is refused there, so we cannot look further.")
