"""Calendar months, each given by its first day."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

MONTH_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
_MONTH = re.compile(MONTH_PATTERN)


def parse_month(text: str) -> date:
    """Return the month of a text of `MONTH_PATTERN`.

    Raises:
        ValueError: if it is none.
    """
    if _MONTH.fullmatch(text) is None:
        raise ValueError("a month is written as 2026-11")
    return date.fromisoformat(f"{text}-01")


def format_month_key(month: date) -> str:
    """Return a month as `parse_month` reads it: 2026-11."""
    return f"{month:%Y-%m}"


def month_before(month: date) -> date:
    """Return the month before one."""
    return (month - timedelta(days=1)).replace(day=1)


def ended_month(at: datetime, zone: tzinfo = UTC) -> date:
    """Return the month that ended last before a time in a zone."""
    return month_before(at.astimezone(zone).date().replace(day=1))


def month_bounds(month: date, zone: tzinfo = UTC) -> tuple[datetime, datetime]:
    """Return the start and the end of a month in a zone, as times in UTC."""
    following = (month + timedelta(days=31)).replace(day=1)
    start, end = (datetime.combine(day, time(), zone) for day in (month, following))
    return start.astimezone(UTC), end.astimezone(UTC)
