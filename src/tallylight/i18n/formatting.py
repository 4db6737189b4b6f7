"""How times, durations, shares and counts are written in a language."""

from datetime import date, datetime, timedelta

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal

from tallylight.i18n import Language, Translator

_NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"


def format_moment(at: datetime, to: Translator) -> str:
    """Return a moment with its date, in UTC: "22 Nov 2026, 19:03 UTC"."""
    if to.language is Language.EN:
        return format_datetime(at, "d MMM y, HH:mm 'UTC'", locale=to.locale)
    return format_datetime(at, "y年M月d日 HH:mm 'UTC'", locale=to.locale)


def format_moment_short(at: datetime, to: Translator) -> str:
    """Return a moment without its year: "22 Nov, 19:03 UTC"."""
    if to.language is Language.EN:
        return format_datetime(at, "d MMM, HH:mm 'UTC'", locale=to.locale)
    return format_datetime(at, "M月d日 HH:mm 'UTC'", locale=to.locale)


def format_moment_near(at: datetime, now: datetime, to: Translator) -> str:
    """Return a moment without what a reader knows at `now`: the date of today, this year."""
    if at.date() == now.date():
        return format_time(at, "HH:mm 'UTC'", locale=to.locale)
    return format_moment_short(at, to) if at.year == now.year else format_moment(at, to)


def format_day(at: date, to: Translator) -> str:
    """Return a day: "24 September 2026", "2026年9月24日"."""
    pattern = "d MMMM y" if to.language is Language.EN else "y年M月d日"
    return format_date(at, pattern, locale=to.locale)


def format_duration(length: timedelta, to: Translator) -> str:
    """Return a length of time, with its two largest units at most: "3 h 20 min"."""
    seconds = length.total_seconds()
    if seconds < 1:
        return to.gettext("%d ms") % round(seconds * 1000)
    if seconds < 10:  # noqa: PLR2004  # a tenth still tells something
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
    """Return how long ago a moment was, or how far ahead it lies."""
    if at > now:
        return to.gettext("in %s") % _largest_unit(at - now, to)
    if now - at < timedelta(seconds=5):
        return to.gettext("just now")
    return to.gettext("%s ago") % _largest_unit(now - at, to)


def format_percent(ratio: float, to: Translator, *, digits: int = 1) -> str:
    """Return a share in percent, never rounded up to all nor down to nothing.

    Args:
        ratio: From 0.0 to 1.0.
        to: The language.
        digits: After the point; 99.97 % is "> 99.9 %" with one.
    """
    percent = ratio * 100
    step = 10.0**-digits
    pattern = "0." + "#" * digits if digits else "0"
    if 100 - step < percent < 100 and round(percent, digits) >= 100:  # noqa: PLR2004
        return (
            ">"
            + _NARROW_SPACE
            + format_decimal(100 - step, pattern, to.locale)
            + _NARROW_SPACE
            + "%"
        )
    if 0 < percent < step and round(percent, digits) <= 0:
        return "<" + _NARROW_SPACE + format_decimal(step, pattern, to.locale) + _NARROW_SPACE + "%"
    return format_decimal(round(percent, digits), pattern, to.locale) + _NARROW_SPACE + "%"


def format_uptime(uptime: str, coverage: float, to: Translator) -> str:
    """Return an uptime beside the share of time it is known for: "99.2 % of the 87 % watched".

    Args:
        uptime: In percent, with as many digits as can be told; "" where none can.
        coverage: From 0.0 to 1.0.
        to: The language.
    """
    if coverage <= 0:
        return to.gettext("not watched")
    if not uptime:
        return to.gettext("only %s watched") % format_percent(coverage, to, digits=0)
    told = uptime.replace(" ", _NARROW_SPACE)
    if round(coverage, 3) >= 1:
        return told
    return to.gettext("%(uptime)s of the %(coverage)s watched") % {
        "uptime": told,
        "coverage": format_percent(coverage, to, digits=0),
    }


def format_number(value: float, to: Translator) -> str:
    """Return a count with its thousands grouped."""
    return format_decimal(value, locale=to.locale)


def _join_units(large: str, small: str, rest: int) -> str:
    return f"{large} {small}" if rest else large


def _largest_unit(length: timedelta, to: Translator) -> str:
    # One unit is enough to say how long ago something was.
    seconds = max(1, round(length.total_seconds()))
    for unit in (86400, 3600, 60):
        if seconds >= unit:
            return format_duration(timedelta(seconds=seconds // unit * unit), to)
    return format_duration(timedelta(seconds=seconds), to)
