"""What is told, before it is put into a language: one message of one or more alerts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tallylight.model.ids import ProviderId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason

NO_PROVIDER = ProviderId("")
"""The provider of a notification that is about ourselves."""


class NotificationKind(StrEnum):
    """What a notification is about."""

    FIRING = "firing"  # services went into a bad state, or from one into another
    RESOLVED = "resolved"  # they came back
    REMINDER = "reminder"  # they still are in a bad state
    FLAPPING = "flapping"  # they change so often that single changes are no longer told
    FLAPPING_ENDED = "settled"  # they stopped doing so; the status is the one that stands now
    NETWORK_DOWN = "network_down"  # our own network: verdicts are frozen
    NETWORK_UP = "network_up"
    KEY_BLOCKED = "key_blocked"  # our key or wallet keeps us out
    KEY_ACCEPTED = "key_accepted"
    SHUTDOWN_AHEAD = "shutdown_ahead"  # a model will be switched off


class Severity(StrEnum):
    """How loud a notification is; the words that Apprise knows."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One service in a notification.

    Args:
        service: Which.
        before: The status that was told last, OPERATIONAL if none was.
        after: The status now.
        since: When that began.
        reasons: Why, most telling first.
        told: All bad statuses that were told since it last was well; whoever heard of one of
            them wants to hear of the recovery.
    """

    service: ServiceId
    before: Status
    after: Status
    since: datetime
    reasons: tuple[Reason, ...] = ()
    notified_statuses: tuple[Status, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """One message.

    Args:
        kind: What it is about.
        at: When it was decided.
        services: Whom it concerns; empty for our own network.
        provider: Whose services they are; "" for our own network.
        changes: The services with their statuses, where it is about statuses.
        facts: What else fills its blanks. KEY_*: `upstream` and `failure` (auth, quota).
            SHUTDOWN_AHEAD: `date` (ISO), `days`, `replacement` ("" for none), `precision`.
    """

    kind: NotificationKind
    at: datetime
    services: tuple[ServiceId, ...] = ()
    provider: ProviderId = NO_PROVIDER
    changes: tuple[StatusChange, ...] = ()
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """Return how loud it is."""
        match self.kind:
            case (
                NotificationKind.RESOLVED
                | NotificationKind.NETWORK_UP
                | NotificationKind.KEY_ACCEPTED
            ):
                return Severity.SUCCESS
            case NotificationKind.NETWORK_DOWN | NotificationKind.KEY_BLOCKED:
                return Severity.FAILURE
            case NotificationKind.FLAPPING | NotificationKind.SHUTDOWN_AHEAD:
                return Severity.WARNING
            case (
                NotificationKind.FIRING
                | NotificationKind.REMINDER
                | NotificationKind.FLAPPING_ENDED
            ):
                return _highest_severity(self.changes)


_SEVERITIES: Mapping[Status, Severity] = {
    Status.OPERATIONAL: Severity.SUCCESS,
    Status.DEGRADED: Severity.WARNING,
    Status.RISK_CONTROL: Severity.WARNING,
    Status.SUSPENDED: Severity.FAILURE,
    Status.RETIRED: Severity.FAILURE,
    Status.MAINTENANCE: Severity.INFO,
    Status.UNKNOWN: Severity.INFO,
}


def _highest_severity(changes: tuple[StatusChange, ...]) -> Severity:
    loudness = (Severity.FAILURE, Severity.WARNING, Severity.INFO, Severity.SUCCESS)
    found = {_SEVERITIES[change.after] for change in changes}
    return next((severity for severity in loudness if severity in found), Severity.INFO)
