"""When people are told: what stands is compared with what was told, and the difference is news.

Nothing is queued. A service that fails and recovers before its turn to be told leaves no
difference, hence no message; neither does a restart, since the state is stored. The rules are
Alertmanager's (grouping, repeat interval) and Nagios's (flapping); the figures are `state.Rules`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.keys import keys_blocked
from tallylight.alerts.notification import Change, Kind, Notification
from tallylight.alerts.shutdowns import shutdowns_ahead
from tallylight.alerts.state import AlertState, Member, Rules, Watch
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Verdict

Roster = Mapping[ServiceId, Member]
Told = tuple[AlertState, tuple[Notification, ...]]

_NEVER_REMINDED = frozenset({Status.RETIRED, Status.MAINTENANCE})


def observe(  # noqa: PLR0913  # what the judge says beside the verdict
    state: AlertState,
    verdict: Verdict,
    at: datetime,
    rules: Rules,
    *,
    is_sure: bool = True,
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
    before = state.watches.get(verdict.service)
    is_over = has_recovered and verdict.status is Status.UNKNOWN
    after = _observed(before, verdict, at, rules, is_sure=is_sure, is_over=is_over)
    if after == before:
        return state
    return replace(state, watches={**state.watches, verdict.service: after})


def observe_network(state: AlertState, at: datetime, rules: Rules, *, is_down: bool) -> AlertState:
    """Take in that unrelated providers fail together, hence that it is us; or that it is over."""
    if is_down == state.network_is_down:
        return state
    quiet_until = None if is_down else at + rules.group_wait
    return replace(state, network_is_down=is_down, quiet_until=quiet_until)


def pass_time(state: AlertState, now: datetime, rules: Rules, roster: Roster) -> Told:
    """Return what is to be told now, and the state in which it is told.

    Services that are no longer in the roster are forgotten.
    """
    state = _known(state, roster)
    if state.network_is_down:
        if state.network_told:
            return state, ()
        return replace(state, network_told=True), (Notification(Kind.NETWORK_DOWN, now),)
    told: list[Notification] = []
    if state.network_told:
        state = replace(state, network_told=False)
        told.append(Notification(Kind.NETWORK_UP, now))
    if state.quiet_until is not None and now < state.quiet_until:
        return state, tuple(told)
    for step in (_status_news, _reminders, _key_news, _shutdown_news):
        state, more = step(state, now, rules, roster)
        told += more
    return state, tuple(told)


def _observed(  # noqa: PLR0913  # as `observe`
    before: Watch | None,
    verdict: Verdict,
    at: datetime,
    rules: Rules,
    *,
    is_sure: bool,
    is_over: bool,
) -> Watch:
    is_unknown = verdict.status is Status.UNKNOWN
    watch = before or Watch(Status.UNKNOWN, verdict.since)
    watch = replace(watch, is_unwatched=is_unknown, blocked=verdict.blocked)
    if is_unknown and not is_over:
        return watch
    sure = is_sure or verdict.status is not Status.SUSPENDED
    if verdict.status is watch.status:
        return _pending(replace(watch, is_sure=sure or watch.is_sure), at)
    changes = _recent(watch.changes, at, rules)
    is_found_well = watch.has_recovered and verdict.status is Status.OPERATIONAL
    is_found = watch.status is Status.UNKNOWN and not watch.has_recovered
    if not (is_found or is_found_well):  # to find out is no change
        changes = (*changes, at)
    return _pending(
        replace(
            watch,
            status=verdict.status,
            since=verdict.since,
            reasons=verdict.reasons,
            is_sure=sure,
            has_recovered=is_over,
            changes=changes,
            is_flapping=watch.is_flapping or len(changes) > rules.flapping_above,
        ),
        at,
    )


def _recent(changes: Iterable[datetime], now: datetime, rules: Rules) -> tuple[datetime, ...]:
    return tuple(at for at in changes if now - at < rules.flapping_window)


def _pending(watch: Watch, at: datetime) -> Watch:
    if _news(watch) is None:
        return watch if watch.pending_since is None else replace(watch, pending_since=None)
    return watch if watch.pending_since is not None else replace(watch, pending_since=at)


def _news(watch: Watch) -> Kind | None:
    """Return what there is to tell of a service, None if what stands was told."""
    if watch.is_flapping:
        return None if watch.flapping_told else Kind.FLAPPING
    if watch.flapping_told:
        return Kind.SETTLED
    if watch.wanted is watch.told:
        return None
    return Kind.RESOLVED if watch.wanted is None else Kind.FIRING


def _known(state: AlertState, roster: Roster) -> AlertState:
    if state.watches.keys() <= roster.keys():
        return state
    return replace(
        state, watches={id_: watch for id_, watch in state.watches.items() if id_ in roster}
    )


def _calmed(watch: Watch, now: datetime, rules: Rules) -> Watch:
    if not watch.is_flapping or _recent(watch.changes, now, rules):
        return watch
    return _pending(replace(watch, is_flapping=False, changes=()), now)


def _status_news(state: AlertState, now: datetime, rules: Rules, roster: Roster) -> Told:
    changed = {}
    waiting: dict[ProviderId, dict[ServiceId, Watch]] = defaultdict(dict)
    for id_, watch in state.watches.items():
        calmed = _calmed(watch, now, rules)
        if calmed is not watch:
            changed[id_] = calmed
        if calmed.pending_since is not None and _is_settled(calmed, now, rules):
            waiting[roster[id_].provider][id_] = calmed
    told: list[Notification] = []
    for provider, group in waiting.items():
        if _is_due(group.values(), _count(roster, provider), now, rules):
            told += _messages(group, provider, now)
            changed |= {id_: _as_told(watch, now) for id_, watch in group.items()}
    if not changed:
        return state, ()
    return replace(state, watches={**state.watches, **changed}), tuple(told)


def _is_settled(watch: Watch, now: datetime, rules: Rules) -> bool:
    """Tell whether the news is sure, or has stood for so long that it is told anyway."""
    began = watch.pending_since
    is_sure = watch.is_sure or _news(watch) is not Kind.FIRING
    return is_sure or began is None or now - began >= rules.sure_within


def _is_due(group: Iterable[Watch], size: int, now: datetime, rules: Rules) -> bool:
    # With nobody left who could join the message there is nothing to wait for.
    began = [watch.pending_since for watch in group if watch.pending_since is not None]
    return len(began) >= size or now - min(began) >= rules.group_wait


def _count(roster: Roster, provider: ProviderId) -> int:
    return sum(member.provider == provider for member in roster.values())


def _messages(
    group: Mapping[ServiceId, Watch], provider: ProviderId, now: datetime
) -> Iterable[Notification]:
    for kind in (Kind.FIRING, Kind.FLAPPING, Kind.SETTLED, Kind.RESOLVED):
        of_kind = {id_: watch for id_, watch in group.items() if _news(watch) is kind}
        if of_kind:
            yield _message(kind, of_kind, provider, now)


def _message(
    kind: Kind, group: Mapping[ServiceId, Watch], provider: ProviderId, now: datetime
) -> Notification:
    changes = tuple(
        Change(
            service=id_,
            before=watch.told or Status.OPERATIONAL,
            after=watch.status,
            since=watch.since,
            reasons=watch.reasons,
            told=watch.told_statuses,
        )
        for id_, watch in group.items()
    )
    return Notification(kind, now, tuple(group), provider, changes)


def _as_told(watch: Watch, now: datetime) -> Watch:
    if watch.is_flapping:
        return replace(watch, flapping_told=True, pending_since=None)
    told = watch.wanted
    return replace(
        watch,
        flapping_told=False,
        pending_since=None,
        told=told,
        told_at=now,
        told_statuses=() if told is None else tuple(dict.fromkeys((*watch.told_statuses, told))),
    )


def _reminders(state: AlertState, now: datetime, rules: Rules, roster: Roster) -> Told:
    due: dict[ProviderId, dict[ServiceId, Watch]] = defaultdict(dict)
    for id_, watch in state.watches.items():
        if _is_reminded(watch, now, rules):
            due[roster[id_].provider][id_] = watch
    if not due:
        return state, ()
    told = tuple(_message(Kind.REMINDER, group, provider, now) for provider, group in due.items())
    renewed = {
        id_: replace(watch, told_at=now) for group in due.values() for id_, watch in group.items()
    }
    return replace(state, watches={**state.watches, **renewed}), told


def _is_reminded(watch: Watch, now: datetime, rules: Rules) -> bool:
    if watch.told is None or watch.told_at is None or rules.remind_after is None:
        return False
    is_quiet = watch.is_flapping or watch.is_unwatched or watch.pending_since is not None
    is_old = now - watch.told_at >= rules.remind_after
    return is_old and not is_quiet and watch.told not in _NEVER_REMINDED


def _key_news(state: AlertState, now: datetime, rules: Rules, roster: Roster) -> Told:
    blocked = {id_: w.blocked for id_, w in state.watches.items() if w.blocked is not None}
    keys, due = keys_blocked(state.keys, blocked, now, rules, roster)
    return (state if keys == state.keys else replace(state, keys=keys)), due


def _shutdown_news(state: AlertState, now: datetime, rules: Rules, roster: Roster) -> Told:
    told, due = shutdowns_ahead(state.shutdowns_told, now, rules, roster)
    return (replace(state, shutdowns_told=told) if due else state), due
