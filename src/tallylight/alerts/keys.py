"""When our own key or wallet keeps us out: one message an upstream, not one a service."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.state import AlertMember, AlertRules, KeyAlert
from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ServiceId, UpstreamId

BlockedServices = Mapping[ServiceId, FailureKind]
KeyAlerts = Mapping[UpstreamId, KeyAlert]


def update_key_alerts(
    key_alerts: KeyAlerts,
    blocked: BlockedServices,
    now: datetime,
    rules: AlertRules,
    members: Mapping[ServiceId, AlertMember],
) -> tuple[KeyAlerts, tuple[Notification, ...]]:
    """Return what is remembered of keys from now on, and what is to be told of them."""
    shut: dict[UpstreamId, dict[ServiceId, FailureKind]] = defaultdict(dict)
    for id_, kind in blocked.items():
        shut[members[id_].upstream][id_] = kind
    after: dict[UpstreamId, KeyAlert] = {}
    told: list[Notification] = []
    for upstream in {**dict.fromkeys(key_alerts), **dict.fromkeys(shut)}:
        sharing = tuple(id_ for id_, member in members.items() if member.upstream == upstream)
        if not sharing:
            continue  # the upstream is gone
        before, out = key_alerts.get(upstream, KeyAlert()), shut.get(upstream, {})
        wanted = next(iter(out.values()), None)
        watch = _with_pending(before, wanted, now)
        if _is_due(watch, now, rules, is_whole=len(out) in {0, len(sharing)}):
            told.append(_key_notification(before, wanted, tuple(out) or sharing, now, members))
            watch = KeyAlert(notified_failure=wanted)
        if watch != KeyAlert():
            after[upstream] = watch
    return after, tuple(told)


def _with_pending(before: KeyAlert, failure: FailureKind | None, now: datetime) -> KeyAlert:
    if failure is before.notified_failure:
        return replace(before, pending_since=None)
    return replace(before, pending_since=before.pending_since or now)


def _is_due(alert: KeyAlert, now: datetime, rules: AlertRules, *, is_whole: bool) -> bool:
    # With all services of the upstream in the same state there is nothing to wait for.
    began = alert.pending_since
    return began is not None and (is_whole or now - began >= rules.group_wait)


def _key_notification(
    before: KeyAlert,
    kind: FailureKind | None,
    services: tuple[ServiceId, ...],
    now: datetime,
    members: Mapping[ServiceId, AlertMember],
) -> Notification:
    member = members[services[0]]
    return Notification(
        kind=NotificationKind.KEY_ACCEPTED if kind is None else NotificationKind.KEY_BLOCKED,
        at=now,
        services=services,
        provider=member.provider,
        facts={"upstream": member.upstream, "failure": kind or before.notified_failure or ""},
    )
