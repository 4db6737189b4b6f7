"""Decides which announced shutdowns are notified today."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.state import AlertRules
from tallylight.catalogue.services import FactSheet, Service, ShutdownPrecision
from tallylight.model.ids import ProviderId, ServiceId


class _Announced(NamedTuple):
    """What is notified together: one provider's services of one day that is known alike."""

    provider: ProviderId
    day: date
    precision: ShutdownPrecision


def update_shutdowns(
    notified: Mapping[ServiceId, tuple[date, int]],
    now: datetime,
    rules: AlertRules,
    members: Mapping[ServiceId, Service],
) -> tuple[Mapping[ServiceId, tuple[date, int]], tuple[Notification, ...]]:
    """Return the notified shutdowns after this call, and one notification per provider and date.

    A shutdown is notified once for each configured number of days before it, whether the service is
    probed or not. A process that starts late notifies it once, not once for each number that has
    passed. A new date starts anew. Where sources disagree, the earlier date comes first.
    """
    due: dict[_Announced, dict[ServiceId, int]] = defaultdict(dict)
    for id_, member in members.items():
        shutdown = _next_shutdown(member.sheet, now.date())
        if shutdown is None:
            continue
        threshold = _days_threshold(shutdown, now.date(), rules)
        if threshold is not None and _is_new(notified.get(id_), shutdown, threshold):
            precision = member.sheet.shutdown_precision
            due[_Announced(member.upstream.provider, shutdown, precision)][id_] = threshold
    after = {id_: last for id_, last in notified.items() if id_ in members}
    for announced, group in due.items():
        after |= {id_: (announced.day, threshold) for id_, threshold in group.items()}
    return after, tuple(
        _shutdown_notification(announced, tuple(group), now, members)
        for announced, group in due.items()
    )


def _next_shutdown(sheet: FactSheet, today: date) -> date | None:
    """Return the next day on which a service may shut down; None if there is none ahead."""
    days = (sheet.earlier_shutdown_at, sheet.shutdown_at)
    return min((day for day in days if day is not None and day > today), default=None)


def _days_threshold(shutdown: date, today: date, rules: AlertRules) -> int | None:
    """Return the smallest configured number of days that is not less than the days left."""
    left = (shutdown - today).days
    return min((days for days in rules.shutdown_days if days >= left), default=None)


def _is_new(notified: tuple[date, int] | None, shutdown: date, threshold: int) -> bool:
    return notified is None or notified[0] != shutdown or threshold < notified[1]


def _shutdown_notification(
    announced: _Announced,
    services: tuple[ServiceId, ...],
    now: datetime,
    members: Mapping[ServiceId, Service],
) -> Notification:
    today = now.date()
    successors = (members[id_].sheet.replacement_on(today) for id_ in services)
    live = (each for each in successors if each is not None and not each.is_retired(today))
    replacements = dict.fromkeys(each.model for each in live)
    return Notification(
        kind=NotificationKind.SHUTDOWN_AHEAD,
        at=now,
        services=services,
        facts={
            "date": announced.day.isoformat(),
            "days": (announced.day - today).days,
            "precision": announced.precision.value,
            "replacement": ", ".join(replacements),
        },
    )
