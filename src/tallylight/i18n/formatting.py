"""Formats times, durations, shares and counts."""

from datetime import date, datetime, timedelta

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal

from tallylight.i18n import Language, Translator


def format_moment(at: datetime, to: Translator) -> str:
    """Return a time with its date and zone: "22 Nov 2026 at 19:03 UTC"."""
    pattern = "d MMM y 'at' HH:mm" if to.language is Language.EN else "y年M月d日 HH:mm"
    return _format_zoned(at, pattern, to)


def format_moment_short(at: datetime, to: Translator) -> str:
    """Return a time without its year: "22 Nov at 19:03 UTC"."""
    pattern = "d MMM 'at' HH:mm" if to.language is Language.EN else "M月d日 HH:mm"
    return _format_zoned(at, pattern, to)


def format_moment_near(at: datetime, now: datetime, to: Translator) -> str:
    """Return a time without today's date, or with this year's date but without the year."""
    if at.date() == now.date():
        return format_time(at, "HH:mm 'UTC'", locale=to.locale)
    return format_moment_short(at, to) if at.year == now.year else format_moment(at, to)


def _format_zoned(at: datetime, pattern: str, to: Translator) -> str:
    local = at.astimezone(to.zone)
    text = format_datetime(local.replace(tzinfo=None), pattern, locale=to.locale)
    return f"{text} {_zone_name(local)}"


def _zone_name(at: datetime) -> str:
    """Return the offset from UTC: "UTC", "UTC+8", "UTC-3:30"."""
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


def format_day(at: date, to: Translator) -> str:
    """Return a day: "24 September 2026", "2026年9月24日"."""
    pattern = "d MMMM y" if to.language is Language.EN else "y年M月d日"
    return format_date(at, pattern, locale=to.locale)


def format_month(at: date, to: Translator) -> str:
    """Return a month: "November 2026", "2026年11月"."""
    pattern = "MMMM y" if to.language is Language.EN else "y年M月"
    return format_date(at, pattern, locale=to.locale)


def format_duration(length: timedelta, to: Translator) -> str:
    """Return a duration in its two largest units at most: "3 h 20 min"."""
    seconds = length.total_seconds()
    if seconds < 1:
        return to.gettext("%d ms") % round(seconds * 1000)
    if seconds < 10:  # noqa: PLR2004  # below 10 s, a tenth matters
        return to.gettext("%s s") % format_decimal(
            round(seconds, 1), format="0.#", locale=to.locale
        )
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes == 0:
        return to.gettext("%s s") % whole
    if hours == 0:
        return _join_units(
            to.gettext("%d min") % minutes, to.gettext("%s s") % (whole % 60), whole % 60
        )
    if days == 0:
        rest = minutes % 60
        return _join_units(to.gettext("%d h") % hours, to.gettext("%d min") % rest, rest)
    rest = hours % 24
    return _join_units(
        to.ngettext("%d day", "%d days", days) % days, to.gettext("%d h") % rest, rest
    )


def format_relative(at: datetime, now: datetime, to: Translator) -> str:
    """Return a time relative to now: "5 h ago", "in 40 s"."""
    if at > now:
        return to.gettext("in %s") % _largest_unit(at - now, to)
    if now - at < timedelta(seconds=5):
        return to.gettext("just now")
    return to.gettext("%s ago") % _largest_unit(now - at, to)


def format_age(at: datetime, now: datetime, to: Translator) -> str:
    """Return how long ago a time is in its largest unit: "35 days", "40 s"."""
    return _largest_unit(max(now - at, timedelta()), to)


def format_percent(ratio: float, to: Translator, *, digits: int = 1) -> str:
    """Return a share (0.0 to 1.0) in percent; only 1.0 is shown as 100%, and only 0.0 as 0%.

    With one decimal place 99.97% is shown as ">99.9%".
    """
    percent = ratio * 100
    step = 10.0**-digits
    pattern = "0." + "#" * digits if digits else "0"
    if 100 - step < percent < 100 and round(percent, digits) >= 100:  # noqa: PLR2004
        return f">{format_decimal(100 - step, pattern, to.locale)}%"
    if 0 < percent < step and round(percent, digits) <= 0:
        return f"<{format_decimal(step, pattern, to.locale)}%"
    return f"{format_decimal(round(percent, digits), pattern, to.locale)}%"


def format_uptime(uptime: str, coverage: float, so_far: timedelta | None, to: Translator) -> str:
    """Return an uptime with its coverage: "99.2% uptime (monitored 87% of the time)".

    Args:
        uptime: In percent ("99.2 %"), or "" if nothing was monitored.
        coverage: Monitored share of the time, 0.0 to 1.0.
        so_far: The monitored time, if monitoring is younger than the window.
        to: The reader's language.
    """
    if not uptime:
        return to.gettext("not monitored")
    percent = uptime.replace(" ", "")
    if so_far is not None:
        return to.gettext("%(uptime)s of the %(time)s monitored so far") % {
            "uptime": percent,
            "time": format_duration(so_far, to),
        }
    if round(coverage, 3) >= 1:
        return to.gettext("%s uptime") % percent
    return to.gettext("%(uptime)s uptime (monitored %(coverage)s of the time)") % {
        "uptime": percent,
        "coverage": format_percent(coverage, to, digits=0),
    }


def format_number(value: float, to: Translator) -> str:
    """Return a number with its thousands grouped."""
    return format_decimal(value, locale=to.locale)


def _join_units(large: str, small: str, rest: int) -> str:
    return f"{large} {small}" if rest else large


def _largest_unit(length: timedelta, to: Translator) -> str:
    # One unit is precise enough for a relative time.
    seconds = max(1, round(length.total_seconds()))
    for unit in (86400, 3600, 60):
        if seconds >= unit:
            return format_duration(timedelta(seconds=seconds // unit * unit), to)
    return format_duration(timedelta(seconds=seconds), to)
