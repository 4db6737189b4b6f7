"""When our own key or wallet keeps us out: one message an upstream, not one a service."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.notification import Kind, Notification
from tallylight.alerts.state import KeyWatch, Member, Rules
from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ServiceId, UpstreamId

Blocked = Mapping[ServiceId, FailureKind]
Keys = Mapping[UpstreamId, KeyWatch]


def keys_blocked(
    keys: Keys,
    blocked: Blocked,
    now: datetime,
    rules: Rules,
    roster: Mapping[ServiceId, Member],
) -> tuple[Keys, tuple[Notification, ...]]:
    """Return what is remembered of keys from now on, and what is to be told of them."""
    shut: dict[UpstreamId, dict[ServiceId, FailureKind]] = defaultdict(dict)
    for id_, kind in blocked.items():
        shut[roster[id_].upstream][id_] = kind
    after: dict[UpstreamId, KeyWatch] = {}
    told: list[Notification] = []
    for upstream in {**dict.fromkeys(keys), **dict.fromkeys(shut)}:
        sharing = tuple(id_ for id_, member in roster.items() if member.upstream == upstream)
        if not sharing:
            continue  # the upstream is gone
        before, out = keys.get(upstream, KeyWatch()), shut.get(upstream, {})
        wanted = next(iter(out.values()), None)
        watch = _watched(before, wanted, now)
        if _is_due(watch, now, rules, is_whole=len(out) in {0, len(sharing)}):
            told.append(_message(before, wanted, tuple(out) or sharing, now, roster))
            watch = KeyWatch(told=wanted)
        if watch != KeyWatch():
            after[upstream] = watch
    return after, tuple(told)


def _watched(before: KeyWatch, wanted: FailureKind | None, now: datetime) -> KeyWatch:
    if wanted is before.told:
        return replace(before, pending_since=None)
    return replace(before, pending_since=before.pending_since or now)


def _is_due(watch: KeyWatch, now: datetime, rules: Rules, *, is_whole: bool) -> bool:
    # With all services of the upstream in the same state there is nothing to wait for.
    began = watch.pending_since
    return began is not None and (is_whole or now - began >= rules.group_wait)


def _message(
    before: KeyWatch,
    kind: FailureKind | None,
    services: tuple[ServiceId, ...],
    now: datetime,
    roster: Mapping[ServiceId, Member],
) -> Notification:
    member = roster[services[0]]
    return Notification(
        kind=Kind.KEY_ACCEPTED if kind is None else Kind.KEY_BLOCKED,
        at=now,
        services=services,
        provider=member.provider,
        facts={"upstream": member.upstream, "failure": kind or before.told or ""},
    )
