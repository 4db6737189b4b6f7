"""Notifies what keeps an upstream from taking our orders: once per upstream, not per service."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.state import AlertRules, KeyAlert
from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.verdict import Block

BlockedServices = Mapping[ServiceId, Block]
KeyAlerts = Mapping[UpstreamId, KeyAlert]


def update_key_alerts(
    key_alerts: KeyAlerts,
    blocked: BlockedServices,
    now: datetime,
    rules: AlertRules,
    members: Mapping[ServiceId, Service],
) -> tuple[KeyAlerts, tuple[Notification, ...]]:
    """Return the new state of all key alerts, and the notifications that are due."""
    blocked_by_upstream: dict[UpstreamId, dict[ServiceId, Block]] = defaultdict(dict)
    for id_, kind in blocked.items():
        blocked_by_upstream[members[id_].upstream.id][id_] = kind
    after: dict[UpstreamId, KeyAlert] = {}
    due: list[Notification] = []
    for upstream in {**dict.fromkeys(key_alerts), **dict.fromkeys(blocked_by_upstream)}:
        sharing = tuple(id_ for id_, member in members.items() if member.upstream.id == upstream)
        if not sharing:
            continue  # the upstream was removed from the configuration
        before = key_alerts.get(upstream, KeyAlert())
        blocks = blocked_by_upstream.get(upstream, {})
        block = next(iter(blocks.values()), None)
        alert = _with_pending(before, block, now)
        if _is_due(alert, now, rules, is_whole=len(blocks) in {0, len(sharing)}):
            services = tuple(blocks) or sharing
            notification = _key_notification(before, block, services, now, members)
            due.append(notification)
            alert = KeyAlert(block, () if block is None else (notification.id,))
        if alert != KeyAlert():
            after[upstream] = alert
    return after, tuple(due)


def _with_pending(before: KeyAlert, block: Block | None, now: datetime) -> KeyAlert:
    if block is before.notified_block:
        return replace(before, pending_since=None)
    return replace(before, pending_since=before.pending_since or now)


def _is_due(alert: KeyAlert, now: datetime, rules: AlertRules, *, is_whole: bool) -> bool:
    # Once all services of the upstream are in the same state no other could join the notification.
    since = alert.pending_since
    return since is not None and (is_whole or now - since >= rules.group_wait)


def _key_notification(
    before: KeyAlert,
    block: Block | None,
    services: tuple[ServiceId, ...],
    now: datetime,
    members: Mapping[ServiceId, Service],
) -> Notification:
    return Notification(
        kind=NotificationKind.KEY_ACCEPTED if block is None else NotificationKind.KEY_BLOCKED,
        at=now,
        services=services,
        facts={
            "upstream": members[services[0]].upstream.id,
            "block": block or before.notified_block or "",
        },
        follows=before.notified_in if block is None else (),
    )
