"""Notifications as rows of the outbox: one for each receiver that wants it. Pure.

A recovery names the notifications that told of the trouble. A receiver that got none of them, since
they were dropped, is not told of the recovery either.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from pydantic import TypeAdapter, ValidationError

from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.options import ReceiverOptions
from tallylight.alerts.recipients import for_receiver
from tallylight.model.ids import ServiceId
from tallylight.model.outbox import Fate, OutboxMessage
from tallylight.model.status import Status

ENDPOINT_PREFIX = "alert:"
"""Before a receiver's name in the outbox; the names of webhook endpoints have no colon."""

ALERT_RETRY_PERIOD = timedelta(hours=24)
"""How long the delivery of a notification is tried."""

_FIRST_PAUSE = timedelta(seconds=5)
_BACKOFF_FACTOR = 3
_LONGEST_PAUSE = timedelta(minutes=10)
_MAX_EXPONENT = 10  # beyond it every pause is the longest

_RECOVERIES = frozenset(
    {NotificationKind.RESOLVED, NotificationKind.RETRACTED, NotificationKind.FLAPPING_ENDED}
)
_WELL = frozenset({Status.OPERATIONAL, Status.UNKNOWN})
_NOTIFICATION = TypeAdapter(Notification)

Fates = Mapping[str, Fate]
"""What became of rows of the outbox, by id."""


def alert_messages(
    notifications: Iterable[Notification], receivers: Mapping[str, ReceiverOptions]
) -> tuple[OutboxMessage, ...]:
    """Return a row for each notification and receiver that wants it."""
    messages = []
    for notification in notifications:
        for name, options in receivers.items():
            if notification.receiver not in {"", name}:
                continue
            wanted = for_receiver(notification, options)
            if wanted is not None:
                id_ = message_id(notification.id, name)
                body = dump_notification(wanted)
                due = due_at(notification, options)
                messages.append(
                    OutboxMessage(id_, ENDPOINT_PREFIX + name, "", body, notification.at, due)
                )
    return tuple(messages)


def due_at(notification: Notification, receiver: ReceiverOptions) -> datetime:
    """Return when a receiver may be notified: after its delay, outside its quiet hours."""
    at = notification.at
    if receiver.after is not None and notification.kind is NotificationKind.FIRING:
        at += receiver.after
    hours = receiver.quiet_hours
    if hours is None:
        return at
    local = at.astimezone(receiver.zone)
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    now = local.time()
    is_quiet = start <= now < end if start <= end else now >= start or now < end
    if not is_quiet:
        return at
    day = local.date() + timedelta(days=now >= end)
    return datetime.combine(day, end, receiver.zone).astimezone(UTC)


def message_id(notification_id: str, receiver: str) -> str:
    """Return the id of the row of one notification to one receiver."""
    return f"{notification_id}:{receiver}"


def dump_notification(notification: Notification) -> str:
    """Return a notification as JSON."""
    return _NOTIFICATION.dump_json(notification).decode()


def load_notification(text: str) -> Notification | None:
    """Return the notification of a JSON text; None if another version of tallylight wrote it."""
    try:
        return _NOTIFICATION.validate_json(text)
    except ValidationError:
        return None


def pause_after(failures: int) -> timedelta:
    """Return the pause after so many failed attempts in a row, at least 1."""
    factor: int = _BACKOFF_FACTOR ** min(failures - 1, _MAX_EXPONENT)
    return min(_FIRST_PAUSE * factor, _LONGEST_PAUSE)


def followed_rows(notification: Notification, receiver: str) -> tuple[str, ...]:
    """Return the rows whose fates decide whether a recovery is sent to a receiver."""
    changes = (id_ for change in _recoveries(notification) for id_ in change.notified_in)
    return tuple(message_id(id_, receiver) for id_ in (*notification.follows, *changes))


def must_wait(notification: Notification, receiver: str, fates: Fates) -> bool:
    """Tell whether what a recovery follows is still to be delivered."""
    return any(
        _outcome(ids, receiver, fates) is Fate.WAITING
        for ids in (notification.follows, *(each.notified_in for each in _recoveries(notification)))
    )


def without_undelivered(
    notification: Notification, receiver: str, fates: Fates
) -> Notification | None:
    """Return a notification without recoveries of what the receiver never got; None if all are."""
    if _outcome(notification.follows, receiver, fates) is Fate.GIVEN_UP:
        return None
    untold = {
        change.service
        for change in _recoveries(notification)
        if _outcome(change.notified_in, receiver, fates) is Fate.GIVEN_UP
    }
    return _without(notification, untold)


def beginnings(notification: Notification) -> frozenset[tuple[ServiceId, datetime]]:
    """Return the beginnings of trouble that a notification tells of, and that may be taken back."""
    if notification.kind is not NotificationKind.FIRING:
        return frozenset()
    return frozenset((change.service, change.since) for change in notification.changes)


def without_retracted(
    notification: Notification, retracted: Collection[tuple[ServiceId, datetime]]
) -> Notification | None:
    """Return a notification without trouble that was taken back; None if all of it was."""
    return _without(notification, {service for service, _ in retracted})


def _without(notification: Notification, left_out: Collection[ServiceId]) -> Notification | None:
    if not left_out:
        return notification
    changes = tuple(each for each in notification.changes if each.service not in left_out)
    services = tuple(each for each in notification.services if each not in left_out)
    return replace(notification, changes=changes, services=services) if services else None


def _recoveries(notification: Notification) -> tuple[ServiceChange, ...]:
    if notification.kind not in _RECOVERIES:
        return ()
    return tuple(change for change in notification.changes if change.after in _WELL)


def _outcome(ids: Iterable[str], receiver: str, fates: Fates) -> Fate:
    """Return the best fate of several notifications to a receiver.

    Those that it did not want do not count. If none is known, its rows are old.
    """
    rows = (message_id(id_, receiver) for id_ in ids)
    found = {fates[row] for row in rows if row in fates}
    best_first = (Fate.DELIVERED, Fate.WAITING, Fate.GIVEN_UP)
    return next((each for each in best_first if each in found), Fate.DELIVERED)
