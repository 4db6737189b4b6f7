"""Fills a gateway's database with 30 days of ended videos, ten a minute, of one key.

    python bench/gateway/month_of_rows.py URL KEY_ID [--days 30] [--per-minute 10]

The tables must exist and the key must be in them. A column that this program does not know gets its
default, NULL, or a neutral value of its type.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import Column, Integer, Table, Text, create_engine, make_url

from tallylight.storage.tables import attempts_table, ledger_table, videos_table
from tallylight.storage.types import MicrosecondTimestamp

_BATCH = 5000
_TIMES_OF_ENDED = ("created", "intended", "accepted", "started", "rendered", "ended", "at_us")
"""Columns of a time that an ended video has, by their beginnings; other times are NULL."""

_PRICE_MICRO_USD = 10_000

_SUMS = """INSERT INTO spent (scope, grain, bucket, micro_usd)
    SELECT {scope}, {grain}, at_us / ({grain} * {us}), sum(amount_micro_usd) FROM ledger
    GROUP BY {scope}, at_us / ({grain} * {us})"""
"""The running sums of the entries (`storage.spending`)."""

_ValueOf = Callable[[int, str, datetime], object]

_VALUES: Mapping[str, _ValueOf] = {
    "purpose": lambda _n, _key, _at: "traffic",
    "service": lambda _n, _key, _at: "sora-2",
    "model": lambda _n, _key, _at: "sora-2",
    "prompt": lambda n, _key, _at: f"boat {n}",
    "seconds": lambda _n, _key, _at: 4,
    "size": lambda _n, _key, _at: "1280x720",
    "params": lambda _n, _key, _at: "{}",
    "key": lambda _n, key, _at: key,
    "payer": lambda _n, key, _at: key,
    "video": lambda n, _key, _at: f"video_{n:032x}",
    "number": lambda _n, _key, _at: 1,
    "attempts": lambda _n, _key, _at: 1,
    "entry": lambda n, _key, _at: f"entry_{n:032x}",
    "job": lambda n, _key, _at: f"job_{n:032x}",
    "fingerprint": lambda n, _key, _at: hashlib.sha256(str(n).encode()).hexdigest(),
    "status": lambda _n, _key, _at: "completed",
    "progress": lambda _n, _key, _at: 100,
    "estimate_micro_usd": lambda _n, _key, _at: _PRICE_MICRO_USD,
    "amount_micro_usd": lambda _n, _key, _at: _PRICE_MICRO_USD,
    "cost_micro_usd": lambda _n, _key, _at: _PRICE_MICRO_USD,
}
"""Values by the name of the column: of the row's number, the key and the moment."""

_OWN_VALUES: Mapping[str, Mapping[str, _ValueOf]] = {
    "videos": {"id": lambda n, _key, _at: f"video_{n:032x}"},
    "attempts": {
        "id": lambda n, _key, _at: f"attempt_{n:032x}",
        "state": lambda _n, _key, _at: "delivered",
    },
    "ledger": {
        "id": lambda n, _key, _at: f"entry_{n:032x}",
        "state": lambda _n, _key, _at: "settled",
    },
}
"""Values of columns that differ between the tables."""


def main() -> None:
    """Fill the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--per-minute", type=int, default=10)
    args = parser.parse_args()
    url = make_url(args.url)
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    count = args.days * 24 * 60 * args.per_minute
    step = timedelta(minutes=1) / args.per_minute
    with engine.begin() as connection:
        for table in (ledger_table, videos_table, attempts_table):
            rows = _rows(table, args.key, count, step)
            while batch := list(islice(rows, _BATCH)):
                connection.execute(table.insert(), batch)
        for scope in ("'all'", "'payer:' || payer"):
            for grain in (60, 3600):
                connection.exec_driver_sql(_SUMS.format(scope=scope, grain=grain, us=1_000_000))
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def _rows(table: Table, key: str, count: int, step: timedelta) -> Iterator[dict[str, object]]:
    """Yield the rows of a table, oldest first, the last one now."""
    known = {**_VALUES, **_OWN_VALUES[table.name]}
    values = {
        column: known.get(column.name) or _neutral(column)
        for column in table.columns
        if column.name in known or column.server_default is None
    }
    now = datetime.now(UTC)  # noqa: TID251  # the rows are of the last 30 days
    for number in range(count):
        at = now - step * (count - number)
        yield {column.name: value(number, key, at) for column, value in values.items()}


def _neutral(column: Column[object]) -> _ValueOf:
    """Return the value of a column that has no name here."""
    if isinstance(column.type, MicrosecondTimestamp):
        is_set = not column.nullable or column.name.startswith(_TIMES_OF_ENDED)
        return lambda _n, _key, at: at if is_set else None
    if column.nullable:
        return lambda _n, _key, _at: None
    if isinstance(column.type, Text):
        return lambda _n, _key, _at: ""
    assert isinstance(column.type, Integer), f"what is neutral for {column}?"
    return lambda _n, _key, _at: 0


if __name__ == "__main__":
    main()
