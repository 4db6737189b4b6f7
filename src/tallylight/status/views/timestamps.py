"""A time as the pages show it: for machines, as text, and relative to now."""

from dataclasses import dataclass
from datetime import datetime

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_age, format_moment_near, format_relative


@dataclass(frozen=True, slots=True)
class Timestamp:
    """One time.

    Args:
        iso: RFC 3339, for `<time datetime>`.
        text: As text, in UTC.
        ago: Relative to the time at which the page was made: "5 h ago".
        age: The same as a duration: "5 h".
    """

    iso: str
    text: str
    ago: str
    age: str


def timestamp(at: datetime, now: datetime, to: Translator) -> Timestamp:
    """Return a time as the pages show it."""
    return Timestamp(
        iso=rfc3339(at),
        text=format_moment_near(at, now, to),
        ago=format_relative(at, now, to),
        age=format_age(at, now, to),
    )


def rfc3339(at: datetime) -> str:
    """Return a time as Statuspage writes it: "2026-11-20T10:02:11.000Z"."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
