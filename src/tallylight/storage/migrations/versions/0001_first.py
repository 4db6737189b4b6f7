"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _evidence_and_standings()
    _transitions_and_incidents()
    _money_and_attempts()
    _sums()


def _failure() -> list[sa.Column[object]]:
    columns: list[sa.Column[object]] = [
        sa.Column("failure_kind", sa.Text),
        sa.Column("fault", sa.Text),
        sa.Column("rule", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("named", sa.Boolean),
        sa.Column("http_status", sa.Integer),
        sa.Column("retry_after_us", sa.BigInteger),
    ]
    return columns


def _evidence_and_standings() -> None:
    op.create_table(
        "evidence",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("latency_us", sa.BigInteger),
        *_failure(),
        sa.Column("says", sa.Text),
        sa.Column("until_us", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("vantage", sa.Text, nullable=False),
    )
    op.create_table(
        "standings",
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("standing", sa.LargeBinary, nullable=False),
        sa.Column("folded", sa.BigInteger, nullable=False),
    )


def _transitions_and_incidents() -> None:
    op.create_table(
        "transitions",
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("recorded_at_us", sa.BigInteger, nullable=False),
        sa.Column("before_status", sa.Text, nullable=False),
        sa.Column("before_since_us", sa.BigInteger, nullable=False),
        sa.Column("before_confidence", sa.Float, nullable=False),
        sa.Column("before_blocked", sa.Text),
        sa.Column("before_reasons", sa.Text, nullable=False),
        sa.Column("after_status", sa.Text, nullable=False),
        sa.Column("after_since_us", sa.BigInteger, nullable=False),
        sa.Column("after_confidence", sa.Float, nullable=False),
        sa.Column("after_blocked", sa.Text),
        sa.Column("after_reasons", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("service", "id"),
    )
    op.create_index("transitions_at", "transitions", ["at_us"])
    op.create_table(
        "incidents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("worst", sa.Text, nullable=False),
    )
    op.create_index("incidents_started", "incidents", ["started_at_us"])
    op.create_table(
        "incident_updates",
        sa.Column("incident", sa.Text, sa.ForeignKey("incidents.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("incident", "number"),
    )


def _money_and_attempts() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("estimate_micro_usd", sa.BigInteger, nullable=False),
        sa.Column("amount_micro_usd", sa.BigInteger, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ledger_at", "ledger", ["at_us"])
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("size", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("intended_at_us", sa.BigInteger, nullable=False),
        sa.Column("accepted_at_us", sa.BigInteger),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("doubt", sa.Text, nullable=False),
        *_failure(),
    )
    unfinished = sa.text("ended_at_us IS NULL")
    op.create_index(
        "attempts_unfinished",
        "attempts",
        ["intended_at_us"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )


def _sums() -> None:
    op.create_table(
        "rollups",
        sa.Column("grain", sa.Text, nullable=False),
        sa.Column("bucket_us", sa.BigInteger, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("good", sa.BigInteger, nullable=False),
        sa.Column("bad", sa.BigInteger, nullable=False),
        sa.Column("neutral", sa.BigInteger, nullable=False),
        sa.Column("latency_sum_us", sa.BigInteger, nullable=False),
        sa.Column("latency_bins", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("grain", "bucket_us", "service", "source"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "day_status",
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("day_us", sa.BigInteger, nullable=False),
        sa.Column("operational_us", sa.BigInteger, nullable=False),
        sa.Column("degraded_us", sa.BigInteger, nullable=False),
        sa.Column("risk_control_us", sa.BigInteger, nullable=False),
        sa.Column("suspended_us", sa.BigInteger, nullable=False),
        sa.Column("maintenance_us", sa.BigInteger, nullable=False),
        sa.Column("retired_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("service", "day_us"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "memos",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
