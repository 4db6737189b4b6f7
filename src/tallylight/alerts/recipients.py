"""Selects the notifications that a receiver wants, and the services in them."""

from dataclasses import replace

from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.options import ReceiverOptions


def for_receiver(notification: Notification, receiver: ReceiverOptions) -> Notification | None:
    """Return the part of a notification that a receiver wants, None if there is none.

    Every receiver gets notifications about our own network. Keys and shutdowns have no status, and
    flapping has several, so only the receiver's `services` filter these.
    """
    if not notification.services:
        return notification
    wanted = receiver.services
    services = tuple(id_ for id_ in notification.services if wanted is None or id_ in wanted)
    has_many_statuses = notification.kind in {
        NotificationKind.FLAPPING,
        NotificationKind.FLAPPING_ENDED,
        NotificationKind.REMOVED,
    }
    if notification.changes:
        changes = tuple(
            change
            for change in notification.changes
            if change.service in services and (has_many_statuses or _is_wanted(change, receiver))
        )
        services = tuple(change.service for change in changes)
        notification = replace(notification, changes=changes)
    return replace(notification, services=services) if services else None


def _is_wanted(change: ServiceChange, receiver: ReceiverOptions) -> bool:
    if receiver.statuses is None:
        return True
    return not receiver.statuses.isdisjoint(
        {change.before, change.after, *change.notified_statuses}
    )
