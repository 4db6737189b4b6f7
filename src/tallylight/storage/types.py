"""How our words lie in columns: moments and spans as whole microseconds, failures side by side.

Whole microseconds keep a `datetime` exact, compare as integers on every database, and make sums
of times exact too.
"""

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Row, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.verdict import Reason, ReasonCode

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)


def to_microseconds(moment: datetime) -> int:
    """Return the whole microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the moment that lies so many microseconds after 1970."""
    return EPOCH + value * MICROSECOND


def bucket_start(moment: datetime, width: timedelta) -> datetime:
    """Return the start of the bucket of that width, counted from 1970, that holds the moment."""
    return EPOCH + (moment - EPOCH) // width * width


class MicrosecondTimestamp(TypeDecorator[datetime]):
    """An aware datetime as microseconds since 1970; its columns are named `…_us`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn our word into a number."""
        del dialect
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Turn a number into our word."""
        del dialect
        return None if value is None else EPOCH + timedelta(microseconds=value)


class CompressedText(TypeDecorator[str]):
    """Long text that no query looks into, deflated to a third or less."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Pack it."""
        del dialect
        return None if value is None else zlib.compress(value.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Unpack it."""
        del dialect
        return None if value is None else zlib.decompress(value).decode()


class MicrosecondInterval(TypeDecorator[timedelta]):
    """A timedelta as microseconds; its columns are named `…_us`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        """Turn our word into a number."""
        del dialect
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        """Turn a number into our word."""
        del dialect
        return None if value is None else timedelta(microseconds=value)


def failure_columns() -> tuple[Column[object], ...]:
    """Return the columns of a failure; all empty where nothing failed."""
    columns: tuple[Column[object], ...] = (
        Column("failure_kind", Text),
        Column("fault", Text),
        Column("rule", Text),
        Column("text", Text),
        Column("names_state", Boolean),
        Column("http_status", Integer),
        Column("retry_after_us", MicrosecondInterval),
    )
    return columns


def failure_values(failure: Failure | None) -> dict[str, object]:
    """Return what those columns hold for a failure."""
    if failure is None:
        return _NO_FAILURE
    return {
        "failure_kind": failure.kind.value,
        "fault": failure.fault.value,
        "rule": failure.rule,
        "text": failure.text,
        "names_state": failure.names_state,
        "http_status": failure.http_status,
        "retry_after_us": failure.retry_after,
    }


_NO_FAILURE: dict[str, object] = dict.fromkeys(
    ("failure_kind", "fault", "rule", "text", "names_state", "http_status", "retry_after_us")
)


def failure_from_row(row: Row[*tuple[object, ...]]) -> Failure | None:
    """Return the failure that a row holds, None for none."""
    if row.failure_kind is None:
        return None
    return Failure(
        kind=FailureKind(row.failure_kind),
        fault=Fault(row.fault),
        rule=row.rule,
        text=row.text,
        names_state=row.names_state,
        http_status=row.http_status,
        retry_after=row.retry_after_us,
    )


def reasons_to_json(reasons: Sequence[Reason]) -> str:
    """Return reasons as JSON: a list of [code, microseconds, facts]."""
    return json.dumps(
        [[reason.code, to_microseconds(reason.at), dict(reason.facts)] for reason in reasons],
        ensure_ascii=False,
        separators=(",", ":"),
    )


def reasons_from_json(text: str) -> tuple[Reason, ...]:
    """Return the reasons that `reasons_text` wrote."""
    return tuple(
        Reason(code=ReasonCode(code), at=from_microseconds(at), facts=facts)
        for code, at, facts in json.loads(text)
    )
