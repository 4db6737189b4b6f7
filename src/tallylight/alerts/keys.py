"""Notifies a refused key or an empty balance: one notification per upstream, not per service."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.state import AlertRules, KeyAlert
from tallylight.catalogue.services import Service
from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ServiceId, UpstreamId

BlockedServices = Mapping[ServiceId, FailureKind]
KeyAlerts = Mapping[UpstreamId, KeyAlert]


def update_key_alerts(
    key_alerts: KeyAlerts,
    blocked: BlockedServices,
    now: datetime,
    rules: AlertRules,
    members: Mapping[ServiceId, Service],
) -> tuple[KeyAlerts, tuple[Notification, ...]]:
    """Return the new state of all key alerts, and the notifications that are due."""
    blocked_by_upstream: dict[UpstreamId, dict[ServiceId, FailureKind]] = defaultdict(dict)
    for id_, kind in blocked.items():
        blocked_by_upstream[members[id_].upstream.id][id_] = kind
    after: dict[UpstreamId, KeyAlert] = {}
    due: list[Notification] = []
    for upstream in {**dict.fromkeys(key_alerts), **dict.fromkeys(blocked_by_upstream)}:
        sharing = tuple(id_ for id_, member in members.items() if member.upstream.id == upstream)
        if not sharing:
            continue  # the upstream was removed from the configuration
        before = key_alerts.get(upstream, KeyAlert())
        failures = blocked_by_upstream.get(upstream, {})
        failure = next(iter(failures.values()), None)
        alert = _with_pending(before, failure, now)
        if _is_due(alert, now, rules, is_whole=len(failures) in {0, len(sharing)}):
            services = tuple(failures) or sharing
            due.append(_key_notification(before, failure, services, now, members))
            alert = KeyAlert(notified_failure=failure)
        if alert != KeyAlert():
            after[upstream] = alert
    return after, tuple(due)


def _with_pending(before: KeyAlert, failure: FailureKind | None, now: datetime) -> KeyAlert:
    if failure is before.notified_failure:
        return replace(before, pending_since=None)
    return replace(before, pending_since=before.pending_since or now)


def _is_due(alert: KeyAlert, now: datetime, rules: AlertRules, *, is_whole: bool) -> bool:
    # Once all services of the upstream are in the same state no other could join the notification.
    since = alert.pending_since
    return since is not None and (is_whole or now - since >= rules.group_wait)


def _key_notification(
    before: KeyAlert,
    kind: FailureKind | None,
    services: tuple[ServiceId, ...],
    now: datetime,
    members: Mapping[ServiceId, Service],
) -> Notification:
    return Notification(
        kind=NotificationKind.KEY_ACCEPTED if kind is None else NotificationKind.KEY_BLOCKED,
        at=now,
        services=services,
        facts={
            "upstream": members[services[0]].upstream.id,
            "failure": kind or before.notified_failure or "",
        },
    )
