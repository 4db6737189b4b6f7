"""The names and descriptions of statuses, kinds of access, sources and failures."""

from collections.abc import Mapping, Sequence
from datetime import date

from tallylight.i18n import Translator, gettext_noop
from tallylight.i18n.formatting import format_month
from tallylight.model.evidence import Depth, FailureKind, Source
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Block, Verdict

MOST_NAMES = 3
"""Of services in one sentence; more are counted."""

_STATUSES: Mapping[Status, tuple[str, str]] = {
    Status.OPERATIONAL: (
        gettext_noop("Operational"),
        gettext_noop("The service delivers videos."),
    ),
    Status.DEGRADED: (
        gettext_noop("Degraded"),
        gettext_noop("The service delivers videos, but slowly or with some failures."),
    ),
    Status.RISK_CONTROL: (
        gettext_noop("Risk control"),
        gettext_noop("Anti-abuse measures limit the service."),
    ),
    Status.SUSPENDED: (
        gettext_noop("Suspended"),
        gettext_noop("The service delivers nothing, or reports that it is paused."),
    ),
    Status.MAINTENANCE: (
        gettext_noop("Maintenance"),
        gettext_noop("The service is under announced maintenance."),
    ),
    Status.RETIRED: (gettext_noop("Retired"), gettext_noop("The service no longer exists.")),
    Status.UNKNOWN: (gettext_noop("Unknown"), gettext_noop("There is no recent evidence.")),
}
"""The name and the description of each status."""

_ACCESS: Mapping[Access, str] = {
    Access.OFFICIAL: gettext_noop("Official"),
    Access.REVERSE: gettext_noop("Reverse"),
    Access.SELF_HOSTED: gettext_noop("Self-hosted"),
}

_SOURCES: Mapping[Source, str] = {
    Source.REACH: gettext_noop("Reach probe"),
    Source.CREDENTIALS: gettext_noop("Credentials probe"),
    Source.ACCEPTANCE: gettext_noop("Job accepted"),
    Source.GENERATION: gettext_noop("Generation probe"),
    Source.TRAFFIC: gettext_noop("Live traffic"),
    Source.SIBLING: gettext_noop("Order with the same key"),
    Source.FEED: gettext_noop("Status feed"),
    Source.CALENDAR: gettext_noop("Calendar"),
    Source.RETRACTION: gettext_noop("Taken back: our own network"),
}

_FAILURES: Mapping[FailureKind, str] = {
    FailureKind.RATE_LIMITED: gettext_noop("Rate limited"),
    FailureKind.QUOTA: gettext_noop("Balance or quota used up"),
    FailureKind.AUTH: gettext_noop("Key refused"),
    FailureKind.DEGRADED: gettext_noop("Upstream error"),
    FailureKind.CONTENT_REJECTED: gettext_noop("Content refused"),
    FailureKind.INVALID_REQUEST: gettext_noop("Invalid request"),
    FailureKind.UNKNOWN: gettext_noop("Unclear response"),
}
"""The names of failures; a kind that is missing has the name of the status that it causes."""


def status_label(status: Status, to: Translator) -> str:
    """Return the name of a status."""
    return to.gettext(_STATUSES[status][0])


def verdict_label(verdict: Verdict, to: Translator) -> str:
    """Return the name of a verdict: that of its status, or what is known while none is."""
    if verdict.needs_setup:
        return to.gettext("Setup needed")
    if verdict.is_reachable_only:
        return to.gettext("Reachable, videos not checked")
    return status_label(verdict.status, to)


def status_description(status: Status, to: Translator) -> str:
    """Return what a status means, as a sentence."""
    return to.gettext(_STATUSES[status][1])


def setup_description(to: Translator) -> str:
    """Return what a mistake in the configuration means, as a sentence."""
    return to.gettext("The service has never answered, because its configuration seems wrong.")


def access_label(access: Access, to: Translator) -> str:
    """Return the name of a kind of access."""
    return to.gettext(_ACCESS[access])


def names_or_count(names: Sequence[str], to: Translator) -> str:
    """Return the names of up to three services; of more, how many they are."""
    count = len(names)
    if count <= MOST_NAMES:
        return ", ".join(names)
    return to.ngettext("%d service", "%d services", count) % count


def report_title(month: date, to: Translator) -> str:
    """Return the title of the report on a month, given by one of its days."""
    return to.gettext("Report for %s") % format_month(month, to)


def source_label(source: Source, to: Translator) -> str:
    """Return the name of a source of evidence."""
    return to.gettext(_SOURCES[source])


def depth_label(depth: Depth, to: Translator) -> str:
    """Return the name of a probe's depth."""
    return source_label(Source(depth.value), to)


def failure_label(kind: FailureKind, to: Translator) -> str:
    """Return the name of a kind of failure."""
    if kind in _FAILURES:
        return to.gettext(_FAILURES[kind])
    return status_label(Status(kind.value), to)


def blocked_message(block: Block, to: Translator) -> str:
    """Return what keeps an upstream from taking our orders."""
    match block:
        case Block.QUOTA:
            return to.gettext("Our balance or quota is used up, so checks cannot go further.")
        case Block.AUTH:
            return to.gettext("The upstream refuses our key, so checks cannot go further.")
        case Block.RATE:
            return to.gettext("The upstream refuses each order as one too many.")
