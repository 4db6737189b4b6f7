"""The tables, the same on SQLite and PostgreSQL.

`migrations/` creates them; a test compares the two. Why evidence has no second index is in
`docs/decisions/0001-evidence-lies-in-the-order-of-its-noting.md`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    and_,
    false,
    literal_column,
)

from tallylight.model.ledger import Purpose
from tallylight.storage.types import (
    CompressedText,
    MicrosecondInterval,
    MicrosecondTimestamp,
    failure_columns,
)

metadata = MetaData()


def _partial_index(
    name: str, where: ColumnElement[bool], *columns: Column[object], unique: bool = False
) -> None:
    """Add an index of the rows that a condition holds for."""
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _evidence_columns() -> tuple[Column[object], ...]:
    return (
        # The moment of recording in microseconds since 1970, raised until it is unique. SQLite uses
        # the column as the rowid, without an index of its own, only if its type is INTEGER.
        Column(
            "id",
            BigInteger().with_variant(Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("service", Text, nullable=False),
        Column("at_us", MicrosecondTimestamp, nullable=False),
        Column("source", Text, nullable=False),
        Column("latency_us", MicrosecondInterval),
        *failure_columns(),
        Column("claimed_status", Text),
        Column("until_us", MicrosecondTimestamp),
        Column("note", Text, nullable=False),
        Column("vantage", Text, nullable=False),
    )


evidence_table = Table("evidence", metadata, *_evidence_columns())

#: Evidence of followers, until the leader has consumed it.
forwarded_evidence_table = Table("forwarded_evidence", metadata, *_evidence_columns())

state_snapshots_table = Table(
    "state_snapshots",
    metadata,
    Column("service", Text, primary_key=True),
    Column("state", CompressedText, nullable=False),
    Column("cursor", BigInteger, nullable=False),  # id of the last evidence in the state
)

transitions_table = Table(
    "transitions",
    metadata,
    Column("service", Text, nullable=False),
    # The moment of recording in microseconds since 1970, raised until it is the service's highest.
    Column("id", BigInteger, nullable=False),
    Column("at_us", MicrosecondTimestamp, nullable=False),
    Column("recorded_at_us", MicrosecondTimestamp, nullable=False),
    Column("before_status", Text, nullable=False),
    Column("before_since_us", MicrosecondTimestamp, nullable=False),
    Column("before_confidence", Float, nullable=False),
    Column("before_blocked", Text),
    Column("before_reasons", Text, nullable=False),
    Column("after_status", Text, nullable=False),
    Column("after_since_us", MicrosecondTimestamp, nullable=False),
    Column("after_confidence", Float, nullable=False),
    Column("after_blocked", Text),
    Column("after_reasons", Text, nullable=False),
    # When it turned out to be our own network's fault; all reads pass over it then.
    Column("retracted_at_us", MicrosecondTimestamp),
    PrimaryKeyConstraint("service", "id"),
)
Index("transitions_at", transitions_table.c.at_us)

incidents_table = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("started_at_us", MicrosecondTimestamp, nullable=False),
    Column("ended_at_us", MicrosecondTimestamp),
    Column("worst", Text, nullable=False),
)
Index("incidents_started", incidents_table.c.started_at_us)

incident_updates_table = Table(
    "incident_updates",
    metadata,
    Column("incident", Text, ForeignKey("incidents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("at_us", MicrosecondTimestamp, nullable=False),
    Column("status", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    PrimaryKeyConstraint("incident", "number"),
)

ledger_table = Table(
    "ledger",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("state", Text, nullable=False),
    # NULL where the price is not known.
    Column("estimate_micro_usd", BigInteger),
    # Counts against budgets: the estimate while reserved, the cost once settled, 0 once released.
    Column("amount_micro_usd", BigInteger),
    Column("at_us", MicrosecondTimestamp, nullable=False),
    Column("payer", Text, nullable=False, server_default=""),  # the caller's gateway key
)
Index("ledger_at", ledger_table.c.at_us)
_partial_index(
    "ledger_unexpected",
    ledger_table.c.purpose == literal_column(f"'{Purpose.UNEXPECTED_CHARGE.value}'"),
    ledger_table.c.service,
)

attempts_table = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("size", Text, nullable=False),  # in pixels, "" if it has none
    Column("model", Text, nullable=False),
    Column("ordered", Text, nullable=False, server_default="{}"),  # the rest (`order_rows`)
    Column("entry", Text, nullable=False),  # the id of its ledger entry
    Column("state", Text, nullable=False),
    Column("intended_at_us", MicrosecondTimestamp, nullable=False),
    Column("accepted_at_us", MicrosecondTimestamp),
    Column("ended_at_us", MicrosecondTimestamp),
    Column("job", Text, nullable=False),
    Column("job_extra", Text, nullable=False, server_default="{}"),  # JSON
    Column("doubt", Text, nullable=False),
    *failure_columns(),
    Column("video", Text, nullable=False, server_default=""),
    Column("number", Integer, nullable=False, server_default="0"),  # at its video, from 1
    Column("started_at_us", MicrosecondTimestamp),
    Column("rendered_at_us", MicrosecondTimestamp),
    # Both from `intended_at_us`: until when the first byte is sent, and the response awaited.
    Column("send_within_us", MicrosecondInterval, nullable=False, server_default="0"),
    Column("answer_within_us", MicrosecondInterval, nullable=False, server_default="0"),
    Column("doubt_rule", Text, nullable=False, server_default=""),
    # What the service says it made, and what that cost; NULL if it did not say.
    Column("made_seconds", Integer),
    Column("made_size", Text),
    Column("made_model", Text),
    Column("cost_micro_usd", BigInteger),
    Column("results", Text, nullable=False, server_default="[]"),  # addresses, a JSON list
)
_partial_index(
    "attempts_unfinished", attempts_table.c.ended_at_us.is_(None), attempts_table.c.intended_at_us
)
# Only the process that inserts an attempt sends it: two never send the same one.
Index("attempts_once", attempts_table.c.video, attempts_table.c.number, unique=True)
Index("attempts_entry", attempts_table.c.entry)
Index("attempts_job", attempts_table.c.service, attempts_table.c.job)
Index(
    "attempts_purpose",
    attempts_table.c.purpose,
    attempts_table.c.service,
    attempts_table.c.intended_at_us,
)
# SQLite uses a partial index only if the query has the same constant: no parameter, hence a text.
WAS_IN_DOUBT = attempts_table.c.doubt_rule != literal_column("''")
_partial_index("attempts_in_doubt", WAS_IN_DOUBT, attempts_table.c.intended_at_us)

videos_table = Table(
    "videos",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),  # the caller's gateway key, "" if none is needed
    Column("model", Text, nullable=False),  # the route
    Column("prompt", Text, nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("size", Text, nullable=False),
    Column("params", Text, nullable=False),  # all other parameters, as JSON (`storage.video_rows`)
    Column("idempotency_key", Text, nullable=False),  # `idempotency` makes it unique
    Column("fingerprint", Text, nullable=False),
    Column("created_at_us", MicrosecondTimestamp, nullable=False),
    Column("deadline_us", MicrosecondTimestamp, nullable=False),
    Column("kind", Text, nullable=False, server_default="video"),
    # The version of the row: a decision is written only to the one that it was made from.
    Column("owner", Text, nullable=False),  # the process that follows it, "" if none does
    Column("epoch", BigInteger, nullable=False, server_default="1"),  # rises with each owner
    Column("revision", BigInteger, nullable=False, server_default="1"),  # rises with each write
    Column("written_by", Text, nullable=False, server_default=""),  # the last decision's token
    Column("open_service", Text, nullable=False, server_default=""),  # of its open attempt
    # Nothing is sent for it: the database may have forgotten what was (`storage.identity`).
    Column("is_barred", Boolean, nullable=False, server_default=false()),
    Column("status", Text, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("service", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("cost_micro_usd", BigInteger),  # NULL if that of an attempt is not known
    Column("made_seconds", Integer),
    Column("made_size", Text),
    Column("made_model", Text),
    Column("error_code", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("started_at_us", MicrosecondTimestamp),
    Column("ended_at_us", MicrosecondTimestamp),
    Column("expires_at_us", MicrosecondTimestamp),
    Column("asset", Text, nullable=False),
    Column("deleted_at_us", MicrosecondTimestamp),
)
Index(
    "videos_of_key",
    videos_table.c.key,
    videos_table.c.kind,
    videos_table.c.created_at_us,
    videos_table.c.id,
)
Index("videos_fingerprint", videos_table.c.fingerprint, videos_table.c.created_at_us)
_partial_index(
    "videos_under_way",
    videos_table.c.ended_at_us.is_(None),
    videos_table.c.owner,
    videos_table.c.id,
)
Index("videos_created", videos_table.c.created_at_us, videos_table.c.id)
_partial_index(
    "videos_stored", videos_table.c.asset != literal_column("''"), videos_table.c.expires_at_us
)

# SQLite uses a partial index only for the same constants: no parameters, hence texts.
IS_WITHOUT_CONTENT = and_(
    videos_table.c.status == literal_column("'completed'"),
    videos_table.c.asset == literal_column("''"),
)
_partial_index("videos_without_content", IS_WITHOUT_CONTENT, videos_table.c.ended_at_us)

#: Which request made which video. A row outlives the deletion of its video, so that a late
#: repetition is not paid again.
idempotency_table = Table(
    "idempotency",
    metadata,
    Column("key", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("video", Text, nullable=False),
    Column("until_us", MicrosecondTimestamp),  # None while the video is there
    PrimaryKeyConstraint("key", "idempotency_key"),
)
_partial_index(
    "idempotency_until", idempotency_table.c.until_us.is_not(None), idempotency_table.c.until_us
)
Index("idempotency_video", idempotency_table.c.video)

#: The processes that follow videos; who is dead is said once, for good.
processes_table = Table(
    "processes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False),
    Column("services", Text, nullable=False),  # a JSON list of those it can ask
    Column("started_at_us", MicrosecondTimestamp, nullable=False),
    Column("dead_at_us", MicrosecondTimestamp),
)
_partial_index("processes_alive", processes_table.c.dead_at_us.is_(None), processes_table.c.name)

#: Running sums of the ledger: what each scope spent or reserved in each bucket of time.
spent_table = Table(
    "spent",
    metadata,
    Column("scope", Text, nullable=False),
    Column("grain", Integer, nullable=False),  # the width of the bucket in seconds
    Column("bucket", BigInteger, nullable=False),  # number of the bucket since 1970
    Column("micro_usd", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "grain", "bucket"),
)
Index("spent_grain", spent_table.c.grain, spent_table.c.bucket)

#: One row for each scope that has a limit: a reservation locks it, so that two processes cannot
#: both take the remainder.
scopes_table = Table("scopes", metadata, Column("scope", Text, primary_key=True))

characters_table = Table(
    "characters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("upstream_id", Text, nullable=False),
    Column("created_at_us", MicrosecondTimestamp, nullable=False),
)

gateway_keys_table = Table(
    "gateway_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),  # SHA-256; the key itself is not stored
    Column("hint", Text, nullable=False),  # its last four characters
    Column("routes", Text, nullable=False),  # a JSON list; empty allows all
    Column("per_minute", Integer),  # requests
    Column("limits", Text, nullable=False),  # a JSON object: USD by window
    Column("created_at_us", MicrosecondTimestamp, nullable=False),
    Column("revoked_at_us", MicrosecondTimestamp),
)

outbox_table = Table(  # webhooks and alerts
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),  # its name; after "alert:" that of a receiver
    Column("video", Text, nullable=False),  # "" for an alert
    Column("body", Text, nullable=False),
    Column("created_at_us", MicrosecondTimestamp, nullable=False),
    Column("due_at_us", MicrosecondTimestamp),  # None once delivered or given up
    Column("attempt_number", Integer, nullable=False),
    Column("delivered_at_us", MicrosecondTimestamp),
    Column("response", Text, nullable=False),  # the response to the latest attempt
)
Index("outbox_video", outbox_table.c.video)
_partial_index("outbox_due", outbox_table.c.due_at_us.is_not(None), outbox_table.c.due_at_us)
_partial_index("outbox_done", outbox_table.c.due_at_us.is_(None), outbox_table.c.created_at_us)

rollups_table = Table(
    "rollups",
    metadata,
    Column("grain", Text, nullable=False),
    Column("bucket_us", MicrosecondTimestamp, nullable=False),
    Column("service", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("good", BigInteger, nullable=False),
    Column("bad", BigInteger, nullable=False),
    Column("neutral", BigInteger, nullable=False),
    Column("latency_sum_us", BigInteger, nullable=False),
    Column("latency_bins", Text, nullable=False),  # `rollups.format_bins`
    PrimaryKeyConstraint("grain", "bucket_us", "service", "source"),
    sqlite_with_rowid=False,  # rows are stored in the order of the key
)

day_status_table = Table(
    "day_status",
    metadata,
    Column("service", Text, nullable=False),
    Column("day_us", MicrosecondTimestamp, nullable=False),
    # The time in each status; the rest of the day is UNKNOWN.
    Column("operational_us", BigInteger, nullable=False),
    Column("degraded_us", BigInteger, nullable=False),
    Column("risk_control_us", BigInteger, nullable=False),
    Column("suspended_us", BigInteger, nullable=False),
    Column("maintenance_us", BigInteger, nullable=False),
    Column("retired_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("service", "day_us"),
    sqlite_with_rowid=False,
)

cursors_table = Table(  # named numbers, see `storage.cursors`
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

component_state_table = Table(  # what a component keeps over a restart
    "component_state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
)
