"""A notification before it is rendered: one message about one or more alerts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason


class NotificationKind(StrEnum):
    """What a notification is about."""

    FIRING = "firing"  # services entered a bad status, or changed from one to a worse one
    RESOLVED = "resolved"  # services recovered
    RETRACTED = "retracted"  # what was notified was our own network's fault
    REMINDER = "reminder"  # services still have a bad status
    FLAPPING = "flapping"  # services fail and recover so often that no single time is notified
    FLAPPING_ENDED = "flapping_ended"  # services stopped flapping; carries their current status
    NETWORK_DOWN = "network_down"  # our own network failed: verdicts are frozen
    NETWORK_UP = "network_up"
    KEY_BLOCKED = "key_blocked"  # our key, balance or rate of orders is refused
    KEY_ACCEPTED = "key_accepted"
    SHUTDOWN_AHEAD = "shutdown_ahead"  # a model will be switched off
    REMOVED = "removed"  # services left the configuration while they were down
    BUDGET_SPENT = "budget_spent"  # a share of a budget for probes is spent
    FEED_CONTRADICTS = "feed_contradicts"  # the official status page says otherwise than we
    REPORT = "report"  # the report on the month that has ended


class Severity(StrEnum):
    """The severity of a notification, in the values that Apprise knows."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """One service in a notification.

    Args:
        before: The status that was notified last, OPERATIONAL if none was.
        after: The current status.
        since: When the current status began.
        reasons: Why it has this status, most relevant first.
        notified_statuses: All bad statuses notified since the service was last well. A receiver
            that was notified of one of them is also notified of the recovery.
        notified_in: The ids of the notifications that told of the trouble.
        trouble_since: When the trouble began; None if the service was well.
        incident: The id of its incident, "" if it has none.
    """

    service: ServiceId
    before: Status
    after: Status
    since: datetime
    reasons: tuple[Reason, ...] = ()
    notified_statuses: tuple[Status, ...] = ()
    notified_in: tuple[str, ...] = ()
    trouble_since: datetime | None = None
    incident: str = ""

    @property
    def duration(self) -> timedelta | None:
        """Return how long trouble lasted, once it is over."""
        if self.trouble_since is None or self.after not in {Status.OPERATIONAL, Status.UNKNOWN}:
            return None
        return max(self.since - self.trouble_since, timedelta())


@dataclass(frozen=True, slots=True)
class Notification:
    """One message.

    Args:
        at: When the rules decided to send it.
        services: The services that it is about; empty for our own network.
        facts: Further values for its text. KEY_*: `upstream` and `failure` (auth, quota).
            SHUTDOWN_AHEAD: `date` (ISO), `days`, `replacement` ("" for none).
            BUDGET_SPENT: `scope`, `window`, `percent`, `spent` and `limit` (USD).
            FEED_CONTRADICTS: `says`, the status on the page.
            REPORT: `month` (ISO, its first day), `start` and `end` (ISO, with time and zone).
        follows: The ids of the notifications whose trouble is over.
        provider: The provider of its services, "" if they have several.
        receiver: The only receiver that gets it, "" for all that want it.
    """

    kind: NotificationKind
    at: datetime
    services: tuple[ServiceId, ...] = ()
    changes: tuple[ServiceChange, ...] = ()
    facts: Mapping[str, str | int] = field(default_factory=dict)
    follows: tuple[str, ...] = ()
    provider: str = ""
    receiver: str = ""

    @property
    def id(self) -> str:
        """Return the id: the same for the same change, so that it is recorded once."""
        about = json.dumps(self.facts, sort_keys=True)
        names = (self.kind.value, self.at.isoformat(), about, *self.services)
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
        return f"alert_{digest[:32]}"

    @property
    def severity(self) -> Severity:
        """Return the severity of this kind, or the highest severity of its statuses."""
        match self.kind:
            case (
                NotificationKind.RESOLVED
                | NotificationKind.RETRACTED
                | NotificationKind.NETWORK_UP
                | NotificationKind.KEY_ACCEPTED
            ):
                return Severity.SUCCESS
            case NotificationKind.NETWORK_DOWN | NotificationKind.KEY_BLOCKED:
                return Severity.FAILURE
            case (
                NotificationKind.FLAPPING
                | NotificationKind.SHUTDOWN_AHEAD
                | NotificationKind.BUDGET_SPENT
                | NotificationKind.FEED_CONTRADICTS
            ):
                return Severity.WARNING
            case NotificationKind.REMOVED | NotificationKind.REPORT:
                return Severity.INFO
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


def _highest_severity(changes: tuple[ServiceChange, ...]) -> Severity:
    highest_first = (Severity.FAILURE, Severity.WARNING, Severity.INFO, Severity.SUCCESS)
    severities = {_SEVERITIES[change.after] for change in changes}
    return next((each for each in highest_first if each in severities), Severity.INFO)
