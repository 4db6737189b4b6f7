"""Decides which announced shutdowns are notified today."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.state import AlertRules
from tallylight.catalogue.services import Service
from tallylight.model.ids import ProviderId, ServiceId


def update_shutdowns(
    notified: Mapping[ServiceId, tuple[date, int]],
    now: datetime,
    rules: AlertRules,
    members: Mapping[ServiceId, Service],
) -> tuple[Mapping[ServiceId, tuple[date, int]], tuple[Notification, ...]]:
    """Return the notified shutdowns after this call, and one notification per provider and date.

    A shutdown is notified once for each configured number of days before it. A process that starts
    late notifies it once, not once for each number that has passed. A new date starts anew.
    """
    due: dict[tuple[ProviderId, date], dict[ServiceId, int]] = defaultdict(dict)
    for id_, member in members.items():
        shutdown = member.sheet.shutdown_at
        if shutdown is None:
            continue
        threshold = _days_threshold(shutdown, now.date(), rules)
        if threshold is not None and _is_new(notified.get(id_), shutdown, threshold):
            due[member.upstream.provider, shutdown][id_] = threshold
    after = {id_: last for id_, last in notified.items() if id_ in members}
    for (_, day), group in due.items():
        after |= {id_: (day, threshold) for id_, threshold in group.items()}
    return after, tuple(
        _shutdown_notification(day, tuple(group), now, members) for (_, day), group in due.items()
    )


def _days_threshold(shutdown: date, today: date, rules: AlertRules) -> int | None:
    """Return the smallest configured number of days that is not less than the days left."""
    left = (shutdown - today).days
    if left <= 0:
        return None  # the date has passed; the verdict says so
    return min((days for days in rules.shutdown_days if days >= left), default=None)


def _is_new(notified: tuple[date, int] | None, shutdown: date, threshold: int) -> bool:
    return notified is None or notified[0] != shutdown or threshold < notified[1]


def _shutdown_notification(
    day: date,
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
            "date": day.isoformat(),
            "days": (day - now.date()).days,
            "replacement": ", ".join(replacements),
        },
    )
