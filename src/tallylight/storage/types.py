"""Column types, and the columns of failures and reasons.

Times are whole microseconds: a `datetime` stays exact, integers compare alike on both databases,
and sums of durations are exact too.
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
    """Return a moment as whole microseconds since the start of 1970."""
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the moment so many microseconds after the start of 1970."""
    return EPOCH + value * MICROSECOND


def bucket_start(moment: datetime, width: timedelta) -> datetime:
    """Return the start of the bucket that holds a moment; buckets are counted from 1970."""
    return EPOCH + (moment - EPOCH) // width * width


class MicrosecondTimestamp(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 in columns named `…_us`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """Convert the value to a number."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """Convert a number to the value."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class CompressedText(TypeDecorator[str]):
    """Long text that no query searches, deflated to a third of its size or less."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> bytes | None:
        """Compress the text."""
        return None if value is None else zlib.compress(value.encode())

    def process_result_value(self, value: bytes | None, _dialect: Dialect) -> str | None:
        """Decompress the text."""
        return None if value is None else zlib.decompress(value).decode()


class MicrosecondInterval(TypeDecorator[timedelta]):
    """A timedelta, stored as microseconds in columns named `…_us`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, _dialect: Dialect) -> int | None:
        """Convert the value to a number."""
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> timedelta | None:
        """Convert a number to the value."""
        return None if value is None else timedelta(microseconds=value)


def failure_columns() -> tuple[Column[object], ...]:
    """Return the columns of a failure; all are NULL where nothing failed."""
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
    """Return the values of these columns for a failure."""
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


_NO_FAILURE: dict[str, object] = dict.fromkeys(column.name for column in failure_columns())


def failure_from_row(row: Row[*tuple[object, ...]]) -> Failure | None:
    """Return the failure in a row, None if it has none."""
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
    """Return the reasons that `reasons_to_json` wrote."""
    return tuple(
        Reason(code=ReasonCode(code), at=from_microseconds(at), facts=facts)
        for code, at, facts in json.loads(text)
    )
