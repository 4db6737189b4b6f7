"""The delay that an answer requests: from its headers, then from its body.

Sources: RFC 9110 section 10.2.3 (Retry-After as seconds or date), openai-python `_base_client`
(retry-after-ms before retry-after), google.rpc.RetryInfo ("34s").
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tallylight.upstreams.classify.answer import ParsedReply

_MAX_DELAY = timedelta(days=31)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_UNIT = r"ms|milliseconds?|s|secs?|seconds?|秒|m|mins?|minutes?|分钟?|h|hours?|小时"
_DELAY_AFTER_WORD = re.compile(
    rf"(?:try again|retry|wait|reset\w{{0,20}}|重试|再试|恢复|重置)\D{{0,20}}?"
    rf"(\d{{1,6}}(?:\.\d{{1,6}})?) ?({_UNIT})(?![a-z])"
)
_DELAY_BEFORE_WORD = re.compile(r"(\d{1,6}) ?(秒|分钟?|小时)(?:后|之后|以后)")
_UNITS = {"s": 1.0, "秒": 1.0, "m": 60.0, "分": 60.0, "h": 3600.0, "小": 3600.0}


def retry_after(headers: Mapping[str, str], answer: ParsedReply) -> timedelta | None:
    """Return the delay that an answer requests, None if it requests no plausible one."""
    return (
        as_delay(_seconds(headers.get("retry-after-ms", ""), 0.001))
        or as_delay(_header_seconds(headers))
        or answer.retry_after
        or as_delay(_text_seconds(answer.normalized_text))
    )


def as_delay(seconds: float | None) -> timedelta | None:
    """Return a number of seconds as a delay, None if it is implausible."""
    if seconds is None or not 0 < seconds <= _MAX_DELAY.total_seconds():
        return None
    return timedelta(seconds=seconds)


def _header_seconds(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    until = None if _seconds(value, 1.0) is not None else _date(value)
    if until is None:
        return _seconds(value, 1.0)
    # The date of the answer, so that a difference between the clocks does not matter.
    now = _date(headers.get("date", ""))
    return (until - now).total_seconds() if now else None


def _seconds(value: str, unit: float) -> float | None:
    return float(value) * unit if _NUMBER.fullmatch(value.strip()) else None


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _text_seconds(text: str) -> float | None:
    match = _DELAY_BEFORE_WORD.search(text) or _DELAY_AFTER_WORD.search(text)
    if match is None:
        return None
    unit = match[2]
    is_milliseconds = unit == "ms" or unit.startswith("milli")
    return float(match[1]) * (0.001 if is_milliseconds else _UNITS[unit[:1]])
