"""When people are told: what stands is compared with what was told, and the difference is news.

Nothing is queued. A service that fails and recovers before its turn to be told leaves no
difference, hence no message; neither does a restart, since the state is stored. The rules are
Alertmanager's (grouping, repeat interval) and Nagios's (flapping); the figures are `state.Rules`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.keys import update_key_alerts
from tallylight.alerts.notification import Notification, NotificationKind, StatusChange
from tallylight.alerts.shutdowns import update_shutdowns
from tallylight.alerts.state import AlertMember, AlertRules, AlertState, ServiceAlert
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Verdict

Members = Mapping[ServiceId, AlertMember]
Evaluation = tuple[AlertState, tuple[Notification, ...]]

_WITHOUT_REMINDERS = frozenset({Status.RETIRED, Status.MAINTENANCE})


def observe_verdict(  # noqa: PLR0913  # what the judge says beside the verdict
    state: AlertState,
    verdict: Verdict,
    at: datetime,
    rules: AlertRules,
    *,
    is_confirmed: bool = True,
    has_recovered: bool = False,
) -> AlertState:
    """Take in the verdict that stands about a service; to be called whenever it may be another.

    Args:
        state: What is remembered.
        verdict: What stands.
        at: Now; not when the change happened, which may be back-dated.
        rules: The figures.
        is_sure: The judge is sure enough to wake people. Counts for SUSPENDED alone, since all
            other bad statuses name themselves or have waited for their evidence.
        has_recovered: Trouble that free checks alone saw is over. Counts for UNKNOWN alone.
    """
    before = state.service_alerts.get(verdict.service)
    is_over = has_recovered and verdict.status is Status.UNKNOWN
    after = _with_verdict(before, verdict, at, rules, is_confirmed=is_confirmed, is_over=is_over)
    if after == before:
        return state
    return replace(state, service_alerts={**state.service_alerts, verdict.service: after})


def observe_network(
    state: AlertState, at: datetime, rules: AlertRules, *, is_down: bool
) -> AlertState:
    """Take in that unrelated providers fail together, hence that it is us; or that it is over."""
    if is_down == state.network_is_down:
        return state
    quiet_until = None if is_down else at + rules.group_wait
    return replace(state, network_is_down=is_down, quiet_until=quiet_until)


def evaluate(state: AlertState, now: datetime, rules: AlertRules, members: Members) -> Evaluation:
    """Return what is to be told now, and the state in which it is told.

    Services that are no longer in the roster are forgotten.
    """
    state = _without_removed_services(state, members)
    if state.network_is_down:
        if state.network_notified:
            return state, ()
        return replace(state, network_notified=True), (
            Notification(NotificationKind.NETWORK_DOWN, now),
        )
    told: list[Notification] = []
    if state.network_notified:
        state = replace(state, network_notified=False)
        told.append(Notification(NotificationKind.NETWORK_UP, now))
    if state.quiet_until is not None and now < state.quiet_until:
        return state, tuple(told)
    for step in (_evaluate_statuses, _evaluate_reminders, _evaluate_keys, _evaluate_shutdowns):
        state, more = step(state, now, rules, members)
        told += more
    return state, tuple(told)


def _with_verdict(  # noqa: PLR0913  # as `observe`
    before: ServiceAlert | None,
    verdict: Verdict,
    at: datetime,
    rules: AlertRules,
    *,
    is_confirmed: bool,
    is_over: bool,
) -> ServiceAlert:
    is_unknown = verdict.status is Status.UNKNOWN
    watch = before or ServiceAlert(Status.UNKNOWN, verdict.since)
    watch = replace(watch, is_unknown=is_unknown, blocked=verdict.blocked)
    if is_unknown and not is_over:
        return watch
    sure = is_confirmed or verdict.status is not Status.SUSPENDED
    if verdict.status is watch.status:
        return _with_pending(replace(watch, is_confirmed=sure or watch.is_confirmed), at)
    changes = _recent_changes(watch.changes, at, rules)
    is_found_well = watch.has_recovered and verdict.status is Status.OPERATIONAL
    is_found = watch.status is Status.UNKNOWN and not watch.has_recovered
    if not (is_found or is_found_well):  # to find out is no change
        changes = (*changes, at)
    return _with_pending(
        replace(
            watch,
            status=verdict.status,
            since=verdict.since,
            reasons=verdict.reasons,
            is_confirmed=sure,
            has_recovered=is_over,
            changes=changes,
            is_flapping=watch.is_flapping or len(changes) > rules.flapping_threshold,
        ),
        at,
    )


def _recent_changes(
    changes: Iterable[datetime], now: datetime, rules: AlertRules
) -> tuple[datetime, ...]:
    return tuple(at for at in changes if now - at < rules.flapping_window)


def _with_pending(alert: ServiceAlert, at: datetime) -> ServiceAlert:
    if _pending_kind(alert) is None:
        return alert if alert.pending_since is None else replace(alert, pending_since=None)
    return alert if alert.pending_since is not None else replace(alert, pending_since=at)


def _pending_kind(alert: ServiceAlert) -> NotificationKind | None:
    """Return what there is to tell of a service, None if what stands was told."""
    if alert.is_flapping:
        return None if alert.flapping_notified else NotificationKind.FLAPPING
    if alert.flapping_notified:
        return NotificationKind.FLAPPING_ENDED
    if alert.alertable_status is alert.notified_status:
        return None
    return NotificationKind.RESOLVED if alert.alertable_status is None else NotificationKind.FIRING


def _without_removed_services(state: AlertState, members: Members) -> AlertState:
    if state.service_alerts.keys() <= members.keys():
        return state
    return replace(
        state,
        service_alerts={
            id_: watch for id_, watch in state.service_alerts.items() if id_ in members
        },
    )


def _end_flapping(alert: ServiceAlert, now: datetime, rules: AlertRules) -> ServiceAlert:
    if not alert.is_flapping or _recent_changes(alert.changes, now, rules):
        return alert
    return _with_pending(replace(alert, is_flapping=False, changes=()), now)


def _evaluate_statuses(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    changed = {}
    waiting: dict[ProviderId, dict[ServiceId, ServiceAlert]] = defaultdict(dict)
    for id_, watch in state.service_alerts.items():
        calmed = _end_flapping(watch, now, rules)
        if calmed is not watch:
            changed[id_] = calmed
        if calmed.pending_since is not None and _is_confirmed_or_old(calmed, now, rules):
            waiting[members[id_].provider][id_] = calmed
    told: list[Notification] = []
    for provider, group in waiting.items():
        if _is_due(group.values(), _provider_size(members, provider), now, rules):
            told += _group_notifications(group, provider, now)
            changed |= {id_: _as_notified(watch, now) for id_, watch in group.items()}
    if not changed:
        return state, ()
    return replace(state, service_alerts={**state.service_alerts, **changed}), tuple(told)


def _is_confirmed_or_old(alert: ServiceAlert, now: datetime, rules: AlertRules) -> bool:
    """Tell whether the news is sure, or has stood for so long that it is told anyway."""
    began = alert.pending_since
    is_sure = alert.is_confirmed or _pending_kind(alert) is not NotificationKind.FIRING
    return is_sure or began is None or now - began >= rules.unconfirmed_after


def _is_due(group: Iterable[ServiceAlert], size: int, now: datetime, rules: AlertRules) -> bool:
    # With nobody left who could join the message there is nothing to wait for.
    began = [watch.pending_since for watch in group if watch.pending_since is not None]
    return len(began) >= size or now - min(began) >= rules.group_wait


def _provider_size(members: Members, provider: ProviderId) -> int:
    return sum(member.provider == provider for member in members.values())


def _group_notifications(
    group: Mapping[ServiceId, ServiceAlert], provider: ProviderId, now: datetime
) -> Iterable[Notification]:
    for kind in (
        NotificationKind.FIRING,
        NotificationKind.FLAPPING,
        NotificationKind.FLAPPING_ENDED,
        NotificationKind.RESOLVED,
    ):
        of_kind = {id_: watch for id_, watch in group.items() if _pending_kind(watch) is kind}
        if of_kind:
            yield _group_notification(kind, of_kind, provider, now)


def _group_notification(
    kind: NotificationKind,
    group: Mapping[ServiceId, ServiceAlert],
    provider: ProviderId,
    now: datetime,
) -> Notification:
    changes = tuple(
        StatusChange(
            service=id_,
            before=watch.notified_status or Status.OPERATIONAL,
            after=watch.status,
            since=watch.since,
            reasons=watch.reasons,
            notified_statuses=watch.notified_statuses,
        )
        for id_, watch in group.items()
    )
    return Notification(kind, now, tuple(group), provider, changes)


def _as_notified(alert: ServiceAlert, now: datetime) -> ServiceAlert:
    if alert.is_flapping:
        return replace(alert, flapping_notified=True, pending_since=None)
    told = alert.alertable_status
    return replace(
        alert,
        flapping_notified=False,
        pending_since=None,
        notified_status=told,
        notified_at=now,
        notified_statuses=()
        if told is None
        else tuple(dict.fromkeys((*alert.notified_statuses, told))),
    )


def _evaluate_reminders(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    due: dict[ProviderId, dict[ServiceId, ServiceAlert]] = defaultdict(dict)
    for id_, watch in state.service_alerts.items():
        if _is_reminder_due(watch, now, rules):
            due[members[id_].provider][id_] = watch
    if not due:
        return state, ()
    told = tuple(
        _group_notification(NotificationKind.REMINDER, group, provider, now)
        for provider, group in due.items()
    )
    renewed = {
        id_: replace(watch, notified_at=now)
        for group in due.values()
        for id_, watch in group.items()
    }
    return replace(state, service_alerts={**state.service_alerts, **renewed}), told


def _is_reminder_due(alert: ServiceAlert, now: datetime, rules: AlertRules) -> bool:
    if alert.notified_status is None or alert.notified_at is None or rules.remind_after is None:
        return False
    is_quiet = alert.is_flapping or alert.is_unknown or alert.pending_since is not None
    is_old = now - alert.notified_at >= rules.remind_after
    return is_old and not is_quiet and alert.notified_status not in _WITHOUT_REMINDERS


def _evaluate_keys(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    blocked = {id_: w.blocked for id_, w in state.service_alerts.items() if w.blocked is not None}
    keys, due = update_key_alerts(state.key_alerts, blocked, now, rules, members)
    return (state if keys == state.key_alerts else replace(state, key_alerts=keys)), due


def _evaluate_shutdowns(
    state: AlertState, now: datetime, rules: AlertRules, members: Members
) -> Evaluation:
    told, due = update_shutdowns(state.shutdowns_notified, now, rules, members)
    return (replace(state, shutdowns_notified=told) if due else state), due
