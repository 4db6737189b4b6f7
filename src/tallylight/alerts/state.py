"""The state of alerts: the current and the notified status of each service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Reason


@dataclass(frozen=True, slots=True)
class AlertRules:
    """The figures of the rules.

    Args:
        group_wait: Changes of one provider within this time become one notification.
        unconfirmed_after: A suspension that is likely but not certain is notified after this time,
            if it lasts.
        remind_after: How long after the last notification a bad status is notified again; None
            for never.
        flapping_threshold: More entries into trouble than this within `flapping_window` are
            flapping.
        flapping_window: Flapping ends after this time without an entry.
        rename_interval: Within one incident, at most one change to a worse status is notified in
            this time.
        shutdown_days: How many days before a shutdown it is notified, once each.
        budget_percent: At which shares of a budget it is notified, the largest first.
        feed_contradiction: How long a status page must contradict the verdict until that is
            notified; None for never.
    """

    group_wait: timedelta = timedelta(minutes=1)
    unconfirmed_after: timedelta = timedelta(minutes=5)
    remind_after: timedelta | None = timedelta(hours=4)
    flapping_threshold: int = 3
    flapping_window: timedelta = timedelta(hours=1)
    rename_interval: timedelta = timedelta(hours=1)
    shutdown_days: tuple[int, ...] = (90, 30, 7, 1)
    budget_percent: tuple[int, ...] = (95, 80)
    feed_contradiction: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ServiceAlert:
    """The current status of one service, and what was notified of it.

    Args:
        status: The newest status that was known. It is UNKNOWN in three cases only: no status was
            ever known, trouble that only free checks have seen is over, or it was taken back.
        is_confirmed: The judge is sure enough to notify people.
        is_unknown: The current verdict is UNKNOWN.
        has_recovered: The status is UNKNOWN because trouble is over.
        is_retracted: The notified trouble was taken back: it was our own network.
        blocked: What keeps the upstream from taking our orders.
        notified_status: The bad status that was notified last; None if none was, or once its end
            was.
        notified_at: When `notified_status` was notified last.
        renamed_at: When a change to a worse status was notified last in this incident.
        notified_statuses: All bad statuses notified since the service was last well.
        notified_in: The ids of the latest notifications of it since then.
        trouble_since: When the latest trouble began.
        incident: The id of the latest incident.
        pending_since: Since when a notification has been pending.
        entries: When the service entered trouble, within the window for flapping.
        is_flapping: The service enters trouble too often to notify each time.
    """

    status: Status
    since: datetime
    reasons: tuple[Reason, ...] = ()
    is_confirmed: bool = True
    is_unknown: bool = False
    has_recovered: bool = False
    is_retracted: bool = False
    blocked: Block | None = None
    notified_status: Status | None = None
    notified_at: datetime | None = None
    renamed_at: datetime | None = None
    notified_statuses: tuple[Status, ...] = ()
    notified_in: tuple[str, ...] = ()
    trouble_since: datetime | None = None
    incident: str = ""
    pending_since: datetime | None = None
    entries: tuple[datetime, ...] = ()
    is_flapping: bool = False
    flapping_notified: bool = False

    @property
    def alertable_status(self) -> Status | None:
        """Return the bad status that receivers should know of, None while there is none."""
        return None if self.status in {Status.OPERATIONAL, Status.UNKNOWN} else self.status


@dataclass(frozen=True, slots=True)
class KeyAlert:
    """What was notified of an upstream's key.

    Args:
        notified_block: The block that was notified, None if none was.
        notified_in: The id of the notification of it.
        pending_since: Since when the block has differed from the notified one.
    """

    notified_block: Block | None = None
    notified_in: tuple[str, ...] = ()
    pending_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Since when a status page has contradicted the verdict, and whether that was notified."""

    since: datetime
    is_notified: bool = False


@dataclass(frozen=True, slots=True)
class AlertState:
    """The whole state of the rules. `snapshot` converts it to JSON and back.

    Args:
        key_alerts: By upstream; only upstreams with something notified or pending.
        network_notified_in: The id of the notification that our network is down.
        quiet_until: After our network came back nothing is notified until then, so that changes
            of the meantime become one notification.
        shutdowns_notified: By service, the date and the days before it that were notified last.
        budgets_notified: By scope and window, the share in percent that was notified last.
        contradictions: The services whose status page contradicts the verdict.
        reports_sent: By receiver, the first day of the latest month that needs no report any more.
    """

    service_alerts: Mapping[ServiceId, ServiceAlert] = field(default_factory=dict)
    key_alerts: Mapping[UpstreamId, KeyAlert] = field(default_factory=dict)
    network_is_down: bool = False
    network_notified: bool = False
    network_notified_in: tuple[str, ...] = ()
    quiet_until: datetime | None = None
    shutdowns_notified: Mapping[ServiceId, tuple[date, int]] = field(default_factory=dict)
    budgets_notified: Mapping[str, int] = field(default_factory=dict)
    contradictions: Mapping[ServiceId, Contradiction] = field(default_factory=dict)
    reports_sent: Mapping[str, date] = field(default_factory=dict)
