"""Decides when the report on a month is due to a receiver."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.options import ReceiverOptions, ReportOptions
from tallylight.model.months import ended_month, month_before, month_bounds

LATEST_REPORT = timedelta(days=7)
"""How long after its time a report is still sent, if no server ran at that time."""


def update_reports(
    sent: Mapping[str, date],
    options: ReportOptions,
    receivers: Mapping[str, ReceiverOptions],
    now: datetime,
) -> tuple[Mapping[str, date], tuple[Notification, ...]]:
    """Return the months that need no report any more after this call, and the reports that are due.

    A receiver that is new to the schedule is sent the report at the next time.
    """
    after: dict[str, date] = {}
    due = []
    for name in options.receivers:
        zone = receivers[name].zone
        at = _latest_time(options, zone, now)
        month, known = ended_month(at, zone), sent.get(name)
        after[name] = month if known is None else max(month, known)
        if known is not None and known < month and now - at <= LATEST_REPORT:
            due.append(report_notification(month, name, zone, now))
    return after, tuple(due)


def report_notification(month: date, receiver: str, zone: tzinfo, now: datetime) -> Notification:
    """Return the notification that brings a receiver the report on a month in its zone."""
    start, end = (at.isoformat() for at in month_bounds(month, zone))
    facts = {"month": month.isoformat(), "start": start, "end": end}
    return Notification(NotificationKind.REPORT, now, facts=facts, receiver=receiver)


def _latest_time(options: ReportOptions, zone: tzinfo, now: datetime) -> datetime:
    """Return the latest time of the schedule that has come."""
    day = now.astimezone(zone).date().replace(day=options.day)
    at = datetime.combine(day, time.fromisoformat(options.at), zone)
    if at > now:
        earlier = month_before(day.replace(day=1)).replace(day=options.day)
        at = datetime.combine(earlier, time.fromisoformat(options.at), zone)
    return at
