"""Reads the gateway's tables, which the checks compare with the simulator's ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class GatewayRecords:
    """The rows of the gateway's tables."""

    videos: Sequence[Row]
    attempts: Sequence[Row]
    entries: Sequence[Row]
    webhooks: Sequence[Row]


def gateway_records(url: str) -> GatewayRecords:
    """Return the rows of callers' videos in a database."""
    return GatewayRecords(
        videos=_rows(url, "SELECT * FROM videos"),
        attempts=_rows(url, "SELECT * FROM attempts WHERE video <> '' ORDER BY video, number"),
        entries=_rows(url, "SELECT * FROM ledger WHERE purpose = 'traffic'"),
        webhooks=_rows(url, "SELECT * FROM outbox"),
    )


def unfinished(url: str) -> int:
    """Return the number of videos without an end; an unreachable database has one."""
    try:
        return len(_rows(url, "SELECT id FROM videos WHERE ended_at_us IS NULL"))
    except SQLAlchemyError:
        return 1


def _rows(url: str, query: str) -> list[Row]:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]
    finally:
        engine.dispose()
