"""Writes a calendar as iCalendar (RFC 5545), which calendar programs subscribe to; pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

_MAX_LINE_BYTES = 75
_MAX_TEXT = 1000
_UNPRINTABLE: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SPECIAL: Final = re.compile(r"[\\;,]")
_UNSAFE_URI: Final = re.compile("[\x00-\x20\x7f-\U0010ffff]+")


@dataclass(frozen=True, slots=True)
class IcalendarEvent:
    """One event.

    Args:
        uid: The same for the same event, whatever else changes.
        revised_at: When what is told of it was last changed; the same until it changes again.
        start: When it begins; a day, in UTC, takes the whole day.
        end: When it ends; None for an event of a day, or if it is not known.
    """

    uid: str
    revised_at: datetime
    start: date | datetime
    end: datetime | None
    summary: str
    description: str
    url: str


def icalendar_text(name: str, events: Sequence[IcalendarEvent]) -> str:
    """Return the calendar of this name. Texts are escaped and bounded, whoever wrote them."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//tallylight//status page//EN",
        "CALSCALE:GREGORIAN",
        f"NAME:{_text(name)}",
        f"X-WR-CALNAME:{_text(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
    ]
    for event in events:
        lines += _event_lines(event)
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _event_lines(event: IcalendarEvent) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{_text(event.uid)}"
    yield f"DTSTAMP:{_moment(event.revised_at)}"
    if isinstance(event.start, datetime):
        yield f"DTSTART:{_moment(event.start)}"
        if event.end is not None and event.end > event.start:
            yield f"DTEND:{_moment(event.end)}"
    else:
        yield f"DTSTART;VALUE=DATE:{_day(event.start)}"
    yield f"SUMMARY:{_text(event.summary)}"
    yield f"DESCRIPTION:{_text(event.description)}"
    yield f"URL:{_UNSAFE_URI.sub('', event.url)}"
    yield "TRANSP:TRANSPARENT"  # nobody is busy because of it
    yield "END:VEVENT"


def _text(text: str) -> str:
    """Return a text as a value (RFC 5545, section 3.3.11)."""
    clean = _UNPRINTABLE.sub(" ", text.replace("\r\n", "\n"))
    bounded = clean if len(clean) <= _MAX_TEXT else f"{clean[: _MAX_TEXT - 1]}…"
    return _SPECIAL.sub(r"\\\g<0>", bounded).replace("\n", r"\n")


def _folded(line: str) -> str:
    """Return a line in pieces of 75 bytes (section 3.1), none of which ends inside a letter."""
    pieces, piece, size = [], "", 0
    for letter in line:
        length = len(letter.encode())
        if size + length > _MAX_LINE_BYTES:
            pieces.append(piece)
            piece, size = " ", 1
        piece += letter
        size += length
    return "\r\n".join((*pieces, piece))


def _moment(at: datetime) -> str:
    in_utc = at.astimezone(UTC)
    return f"{_day(in_utc)}T{in_utc:%H%M%S}Z"


def _day(day: date) -> str:
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"
