"""Decides which notifications are due, from the difference between current and notified statuses.

No change is queued. A service that fails and recovers before a notification is due leaves no
difference, hence no notification; a restart leaves none either, because the state is stored. The
rules follow Alertmanager (grouping, repeat interval) and Nagios (flapping); their figures are
`state.AlertRules`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.keys import update_key_alerts
from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.shutdowns import update_shutdowns
from tallylight.alerts.state import AlertRules, AlertState, ServiceAlert
from tallylight.catalogue.services import Service
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Verdict

Members = Mapping[ServiceId, Service]
Evaluation = tuple[AlertState, tuple[Notification, ...]]

_REMEMBERED_NOTIFICATIONS = 20
_WITHOUT_REMINDERS = frozenset({Status.RETIRED, Status.MAINTENANCE})


def observe_verdict(  # noqa: PLR0913  # the judge says two things beside the verdict
    state: AlertState,
    verdict: Verdict,
    at: datetime,
    rules: AlertRules,
    *,
    is_confirmed: bool = True,
    has_recovered: bool = False,
    incident: str = "",
) -> AlertState:
    """Return the state with the current verdict on a service; call it when a verdict may differ.

    `is_confirmed` (the judge is sure enough to notify people) matters for SUSPENDED only: all other
    bad statuses are named by the upstream or have waited for their evidence. `has_recovered`
    (trouble that only free checks have seen is over) matters for UNKNOWN only. `incident` is the
    id of the open incident.
    """
    before = state.service_alerts.get(verdict.service)
    is_over = has_recovered and verdict.status is Status.UNKNOWN
    after = _with_verdict(before, verdict, at, rules, is_confirmed=is_confirmed, is_over=is_over)
    if incident and after.alertable_status is not None:
        after = replace(after, incident=incident)
    if after == before:
        return state
    return replace(state, service_alerts={**state.service_alerts, verdict.service: after})


def observe_retraction(state: AlertState, service: ServiceId) -> AlertState:
    """Return the state after the trouble of a service was taken back; its verdict follows."""
    alert = state.service_alerts.get(service)
    if alert is None or alert.alertable_status is None:
        return state
    well = replace(
        alert,
        status=Status.UNKNOWN,
        reasons=(),
        trouble_since=None,
        is_retracted=alert.notified_status is not None,
        entries=alert.entries[:-1],
    )
    return replace(state, service_alerts={**state.service_alerts, service: well})


def observe_network(
    state: AlertState, at: datetime, rules: AlertRules, *, is_down: bool
) -> AlertState:
    """Return the state after our own network went down or came back."""
    if is_down == state.network_is_down:
        return state
    quiet_until = None if is_down else at + rules.group_wait
    return replace(state, network_is_down=is_down, quiet_until=quiet_until)


def evaluate(state: AlertState, now: datetime, rules: AlertRules, members: Members) -> Evaluation:
    """Return the notifications that are due now, and the state after they are sent.

    Services that are not among the members are dropped from the state; those whose trouble was
    notified are notified once more.
    """
    state, removed = _evaluate_removed(state, now, members)
    if state.network_is_down:
        if state.network_notified:
            return state, removed
        down = Notification(NotificationKind.NETWORK_DOWN, now)
        state = replace(state, network_notified=True, network_notified_in=(down.id,))
        return state, (*removed, down)
    due = [*removed]
    if state.network_notified:
        follows = state.network_notified_in
        state = replace(state, network_notified=False, network_notified_in=())
        due.append(Notification(NotificationKind.NETWORK_UP, now, follows=follows))
    if state.quiet_until is not None and now < state.quiet_until:
        return state, tuple(due)
    for step in (_evaluate_statuses, _evaluate_reminders, _evaluate_keys, _evaluate_shutdowns):
        state, more = step(state, now, rules, members)
        due += more
    return state, tuple(due)


def _with_verdict(  # noqa: PLR0913  # as `observe_verdict`
    before: ServiceAlert | None,
    verdict: Verdict,
    at: datetime,
    rules: AlertRules,
    *,
    is_confirmed: bool,
    is_over: bool,
) -> ServiceAlert:
    is_unknown = verdict.status is Status.UNKNOWN
    alert = before or ServiceAlert(Status.UNKNOWN, verdict.since)
    alert = replace(alert, is_unknown=is_unknown, blocked=verdict.blocked)
    if is_unknown and not is_over:
        return alert
    is_confirmed = is_confirmed or verdict.status is not Status.SUSPENDED
    if verdict.status is alert.status:
        alert = replace(alert, is_confirmed=is_confirmed or alert.is_confirmed)
        return _with_pending(alert, at, rules)
    entries = _recent_entries(alert.entries, at, rules)
    was_well = alert.alertable_status is None
    alert = replace(
        alert,
        status=verdict.status,
        since=verdict.since,
        reasons=verdict.reasons,
        is_confirmed=is_confirmed,
        has_recovered=is_over,
    )
    # Only a way into trouble counts: one outage with many names is not flapping.
    if was_well and alert.alertable_status is not None:
        entries = (*entries, at)
        alert = replace(alert, trouble_since=verdict.since, incident="", is_retracted=False)
    is_flapping = alert.is_flapping or len(entries) > rules.flapping_threshold
    return _with_pending(replace(alert, entries=entries, is_flapping=is_flapping), at, rules)


def _recent_entries(
    entries: Iterable[datetime], now: datetime, rules: AlertRules
) -> tuple[datetime, ...]:
    return tuple(at for at in entries if now - at < rules.flapping_window)


def _with_pending(alert: ServiceAlert, at: datetime, rules: AlertRules) -> ServiceAlert:
    if _pending_kind(alert, at, rules) is None:
        return alert if alert.pending_since is None else replace(alert, pending_since=None)
    return alert if alert.pending_since is not None else replace(alert, pending_since=at)


def _pending_kind(alert: ServiceAlert, now: datetime, rules: AlertRules) -> NotificationKind | None:
    """Return the kind of notification that a service needs, None if its status was notified."""
    if alert.is_flapping:
        return None if alert.flapping_notified else NotificationKind.FLAPPING
    if alert.flapping_notified:
        return NotificationKind.FLAPPING_ENDED
    if alert.alertable_status is None:
        if alert.notified_status is None:
            return None
        return NotificationKind.RETRACTED if alert.is_retracted else NotificationKind.RESOLVED
    if alert.notified_status is None or _needs_worse_name(alert, now, rules):
        return NotificationKind.FIRING
    return None


def _needs_worse_name(alert: ServiceAlert, now: datetime, rules: AlertRules) -> bool:
    """Tell whether trouble that was notified is worse than what was said, and it is time to say so.

    A status between two that flutter is notified once an incident; a better one never.
    """
    is_worse = alert.status.rank > max((each.rank for each in alert.notified_statuses), default=0)
    is_time = alert.renamed_at is None or now - alert.renamed_at >= rules.rename_interval
    return is_worse and is_time


def _evaluate_removed(state: AlertState, now: datetime, members: Members) -> Evaluation:
    gone = {id_: a for id_, a in state.service_alerts.items() if id_ not in members}
    if not gone:
        return state, ()
    kept = {id_: alert for id_, alert in state.service_alerts.items() if id_ in members}
    notified = {id_: alert for id_, alert in gone.items() if alert.notified_status is not None}
    due = (_group_notification(NotificationKind.REMOVED, notified, now),) if notified else ()
    return replace(state, service_alerts=kept), due


def _end_flapping(alert: ServiceAlert, now: datetime, rules: AlertRules) -> ServiceAlert:
    if not alert.is_flapping or _recent_entries(alert.entries, now, rules):
        return alert
    return replace(alert, is_flapping=False, entries=())


def _evaluate_statuses(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    changed = {}
    waiting: dict[ProviderId, dict[ServiceId, ServiceAlert]] = defaultdict(dict)
    for id_, before in state.service_alerts.items():
        alert = _with_pending(_end_flapping(before, now, rules), now, rules)
        if alert is not before:
            changed[id_] = alert
        if alert.pending_since is not None and _is_confirmed_or_old(alert, now, rules):
            waiting[members[id_].upstream.provider][id_] = alert
    due: list[Notification] = []
    for provider, group in waiting.items():
        if _is_due(group.values(), _provider_size(members, provider), now, rules):
            for notification in _group_notifications(group, now, rules, provider):
                due.append(notification)
                changed |= {
                    id_: _as_notified(group[id_], notification) for id_ in notification.services
                }
    if not changed:
        return state, ()
    return replace(state, service_alerts={**state.service_alerts, **changed}), tuple(due)


def _is_confirmed_or_old(alert: ServiceAlert, now: datetime, rules: AlertRules) -> bool:
    """Tell whether a change is confirmed, or has lasted so long that it is notified anyway."""
    since = alert.pending_since
    is_confirmed = (
        alert.is_confirmed or _pending_kind(alert, now, rules) is not NotificationKind.FIRING
    )
    return is_confirmed or since is None or now - since >= rules.unconfirmed_after


def _is_due(group: Iterable[ServiceAlert], size: int, now: datetime, rules: AlertRules) -> bool:
    # Once all services of the provider have changed no other could join the notification.
    pending = [alert.pending_since for alert in group if alert.pending_since is not None]
    return len(pending) >= size or now - min(pending) >= rules.group_wait


def _provider_size(members: Members, provider: ProviderId) -> int:
    return sum(member.upstream.provider == provider for member in members.values())


def _group_notifications(
    group: Mapping[ServiceId, ServiceAlert], now: datetime, rules: AlertRules, provider: ProviderId
) -> Iterable[Notification]:
    for kind in (
        NotificationKind.FIRING,
        NotificationKind.FLAPPING,
        NotificationKind.FLAPPING_ENDED,
        NotificationKind.RESOLVED,
        NotificationKind.RETRACTED,
    ):
        of_kind = {
            id_: alert for id_, alert in group.items() if _pending_kind(alert, now, rules) is kind
        }
        if of_kind:
            yield _group_notification(kind, of_kind, now, provider)


def _group_notification(
    kind: NotificationKind,
    group: Mapping[ServiceId, ServiceAlert],
    now: datetime,
    provider: str = "",
) -> Notification:
    changes = tuple(
        ServiceChange(
            service=id_,
            before=alert.notified_status or Status.OPERATIONAL,
            after=alert.status,
            since=alert.since,
            reasons=alert.reasons,
            notified_statuses=alert.notified_statuses,
            notified_in=alert.notified_in,
            trouble_since=alert.trouble_since,
            incident=alert.incident,
        )
        for id_, alert in group.items()
    )
    return Notification(kind, now, tuple(group), changes, provider=provider)


def _as_notified(alert: ServiceAlert, notification: Notification) -> ServiceAlert:
    notified_in = (*alert.notified_in, notification.id)[-_REMEMBERED_NOTIFICATIONS:]
    if alert.is_flapping:
        return replace(alert, flapping_notified=True, pending_since=None, notified_in=notified_in)
    status = alert.alertable_status
    statuses = () if status is None else tuple(dict.fromkeys((*alert.notified_statuses, status)))
    is_renamed = len(statuses) > len(alert.notified_statuses) > 0
    return replace(
        alert,
        flapping_notified=False,
        pending_since=None,
        notified_status=status,
        is_retracted=False,
        notified_at=notification.at,
        renamed_at=notification.at if is_renamed else alert.renamed_at if statuses else None,
        notified_statuses=statuses,
        notified_in=notified_in if statuses else (),
    )


def _evaluate_reminders(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    groups: dict[ProviderId, dict[ServiceId, ServiceAlert]] = defaultdict(dict)
    for id_, alert in state.service_alerts.items():
        if _is_reminder_due(alert, now, rules):
            groups[members[id_].upstream.provider][id_] = alert
    if not groups:
        return state, ()
    due, reminded = [], dict(state.service_alerts)
    for provider, group in groups.items():
        notification = _group_notification(NotificationKind.REMINDER, group, now, provider)
        due.append(notification)
        reminded |= {id_: _as_notified(alert, notification) for id_, alert in group.items()}
    return replace(state, service_alerts=reminded), tuple(due)


def _is_reminder_due(alert: ServiceAlert, now: datetime, rules: AlertRules) -> bool:
    if alert.notified_status is None or alert.notified_at is None or rules.remind_after is None:
        return False
    is_quiet = alert.is_flapping or alert.is_unknown or alert.pending_since is not None
    is_old = now - alert.notified_at >= rules.remind_after
    return is_old and not is_quiet and alert.status not in _WITHOUT_REMINDERS


def _evaluate_keys(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    blocked = {id_: a.blocked for id_, a in state.service_alerts.items() if a.blocked is not None}
    keys, due = update_key_alerts(state.key_alerts, blocked, now, rules, members)
    return (state if keys == state.key_alerts else replace(state, key_alerts=keys)), due


def _evaluate_shutdowns(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    notified, due = update_shutdowns(state.shutdowns_notified, now, rules, members)
    return (replace(state, shutdowns_notified=notified) if due else state), due
