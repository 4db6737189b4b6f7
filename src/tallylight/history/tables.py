"""The one set of tables, for SQLite and PostgreSQL alike.

`migrations/` builds them; a test holds the two together. Why evidence has no second index:
`docs/decisions/0001-evidence-lies-in-the-order-of-its-noting.md`.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from tallylight.history.columns import Moment, Packed, Span, failure_columns

metadata = MetaData()

evidence = Table(
    "evidence",
    metadata,
    # When it was noted, in microseconds since 1970, made unique: rises with every commit.
    # On SQLite it must be INTEGER to be the row's own address and need no index of its own.
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    Column("service", Text, nullable=False),
    Column("at_us", Moment, nullable=False),
    Column("source", Text, nullable=False),
    Column("latency_us", Span),
    *failure_columns(),
    Column("says", Text),
    Column("until_us", Moment),
    Column("note", Text, nullable=False),
    Column("vantage", Text, nullable=False),
)

standings = Table(
    "standings",
    metadata,
    Column("service", Text, primary_key=True),
    Column("standing", Packed, nullable=False),
    Column("folded", BigInteger, nullable=False),  # id of the last evidence that is in it
)

transitions = Table(
    "transitions",
    metadata,
    Column("service", Text, nullable=False),
    # When it was recorded, in microseconds since 1970, made to rise within the service.
    Column("id", BigInteger, nullable=False),
    Column("at_us", Moment, nullable=False),
    Column("recorded_at_us", Moment, nullable=False),
    Column("before_status", Text, nullable=False),
    Column("before_since_us", Moment, nullable=False),
    Column("before_confidence", Float, nullable=False),
    Column("before_blocked", Text),
    Column("before_reasons", Text, nullable=False),
    Column("after_status", Text, nullable=False),
    Column("after_since_us", Moment, nullable=False),
    Column("after_confidence", Float, nullable=False),
    Column("after_blocked", Text),
    Column("after_reasons", Text, nullable=False),
    PrimaryKeyConstraint("service", "id"),
)
Index("transitions_at", transitions.c.at_us)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("started_at_us", Moment, nullable=False),
    Column("ended_at_us", Moment),
    Column("worst", Text, nullable=False),
)
Index("incidents_started", incidents.c.started_at_us)

incident_updates = Table(
    "incident_updates",
    metadata,
    Column("incident", Text, ForeignKey("incidents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("at_us", Moment, nullable=False),
    Column("status", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    PrimaryKeyConstraint("incident", "number"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("estimate_micro_usd", BigInteger, nullable=False),
    # What counts now: the estimate while reserved, the price once settled, 0 once released.
    Column("amount_micro_usd", BigInteger, nullable=False),
    Column("at_us", Moment, nullable=False),
)
Index("ledger_at", ledger.c.at_us)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("size", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("entry", Text, nullable=False),  # of the ledger
    Column("state", Text, nullable=False),
    Column("intended_at_us", Moment, nullable=False),
    Column("accepted_at_us", Moment),
    Column("ended_at_us", Moment),
    Column("job", Text, nullable=False),
    Column("doubt", Text, nullable=False),
    *failure_columns(),
)
Index(
    "attempts_unfinished",
    attempts.c.intended_at_us,
    sqlite_where=attempts.c.ended_at_us.is_(None),
    postgresql_where=attempts.c.ended_at_us.is_(None),
)

rollups = Table(
    "rollups",
    metadata,
    Column("grain", Text, nullable=False),
    Column("bucket_us", Moment, nullable=False),
    Column("service", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("good", BigInteger, nullable=False),
    Column("bad", BigInteger, nullable=False),
    Column("neutral", BigInteger, nullable=False),
    Column("latency_sum_us", BigInteger, nullable=False),
    Column("latency_bins", Text, nullable=False),  # `histogram.bins_text`
    PrimaryKeyConstraint("grain", "bucket_us", "service", "source"),
    sqlite_with_rowid=False,  # one bucket's rows lie side by side
)

day_status = Table(
    "day_status",
    metadata,
    Column("service", Text, nullable=False),
    Column("day_us", Moment, nullable=False),
    # How long it was what; UNKNOWN is what remains of the day.
    Column("operational_us", BigInteger, nullable=False),
    Column("degraded_us", BigInteger, nullable=False),
    Column("risk_control_us", BigInteger, nullable=False),
    Column("suspended_us", BigInteger, nullable=False),
    Column("maintenance_us", BigInteger, nullable=False),
    Column("retired_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("service", "day_us"),
    sqlite_with_rowid=False,
)

marks = Table(  # how far each fold has come
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

memos = Table(  # what a room has to remember over a restart, by the room's name
    "memos",
    metadata,
    Column("name", Text, primary_key=True),
    Column("text", Text, nullable=False),
)
