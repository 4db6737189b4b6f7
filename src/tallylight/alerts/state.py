"""What is remembered of alerts: what stands and what was told, so that the difference is news."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason


@dataclass(frozen=True, slots=True)
class AlertRules:
    """The figures of the rules.

    Args:
        group_wait: Changes of one provider within this time are one message.
        sure_within: A suspension that the judge calls likely but not yet sure is told after this
            time all the same, if it still stands.
        remind_after: How long after the last word on a bad state it is told again; None: never.
        flapping_above: More changes than this …
        flapping_window: … within this time are flapping, until there is none within it.
        shutdown_days: How many days ahead a shutdown is told, once each.
    """

    group_wait: timedelta = timedelta(minutes=1)
    unconfirmed_after: timedelta = timedelta(minutes=5)
    remind_after: timedelta | None = timedelta(hours=4)
    flapping_threshold: int = 3
    flapping_window: timedelta = timedelta(hours=1)
    shutdown_days: tuple[int, ...] = (30, 7, 1)


@dataclass(frozen=True, slots=True)
class AlertMember:
    """What the rules need to know of a service beside its verdict.

    Args:
        provider: Whose failures are one cause.
        upstream: Whose services share a key.
        shutdown_at: The day on which it stops, None while none is announced.
        shutdown_precision: How well that day is known ("exact", "not_before", …).
        replacement: What the provider names instead, "" for nothing.
    """

    provider: ProviderId
    upstream: UpstreamId
    shutdown_at: date | None = None
    shutdown_precision: str = "exact"
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class ServiceAlert:
    """What stands about one service, and what was told of it.

    Args:
        status: The newest status that was known; UNKNOWN only while none ever was, since not to
            know is news of us and not of the service, and once trouble that free checks alone saw
            is over.
        since: When it began.
        reasons: Why.
        is_sure: The judge is sure enough to wake people.
        is_unwatched: The verdict is UNKNOWN now.
        has_recovered: The status is UNKNOWN because trouble is over.
        blocked: Our own key or wallet keeps us out.
        told: The bad status that was told, None if none was or its end was told.
        told_at: When that was told last.
        told_statuses: All bad statuses told since it last was well.
        pending_since: Since when there is something to tell.
        changes: When its status changed, within the window for flapping.
        is_flapping: It changes too often to tell each change.
        flapping_told: That was told.
    """

    status: Status
    since: datetime
    reasons: tuple[Reason, ...] = ()
    is_confirmed: bool = True
    is_unknown: bool = False
    has_recovered: bool = False
    blocked: FailureKind | None = None
    notified_status: Status | None = None
    notified_at: datetime | None = None
    notified_statuses: tuple[Status, ...] = ()
    pending_since: datetime | None = None
    changes: tuple[datetime, ...] = ()
    is_flapping: bool = False
    flapping_notified: bool = False

    @property
    def alertable_status(self) -> Status | None:
        """Return the bad status that should have been told, None while there is none."""
        return None if self.status in {Status.OPERATIONAL, Status.UNKNOWN} else self.status


@dataclass(frozen=True, slots=True)
class KeyAlert:
    """What was told of an upstream's key.

    Args:
        told: Why it keeps us out (AUTH, QUOTA), as told; None if nothing was.
        pending_since: Since when there is something else to tell.
    """

    notified_failure: FailureKind | None = None
    pending_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertState:
    """All that the rules remember. `snapshot` turns it into JSON and back.

    Args:
        watches: By service.
        keys: By upstream, those with something told or to be told.
        network_is_down: It is our own network.
        network_told: What was told of that.
        quiet_until: After our network came back, what piled up is told together.
        shutdowns_told: By service, the date and the number of days ahead told last.
    """

    service_alerts: Mapping[ServiceId, ServiceAlert] = field(default_factory=dict)
    key_alerts: Mapping[UpstreamId, KeyAlert] = field(default_factory=dict)
    network_is_down: bool = False
    network_notified: bool = False
    quiet_until: datetime | None = None
    shutdowns_notified: Mapping[ServiceId, tuple[date, int]] = field(default_factory=dict)
