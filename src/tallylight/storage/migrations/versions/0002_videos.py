"""Callers' videos: their rows, what belongs to them, and who pays."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables, and add to the ledger and the attempts."""
    _ledger_and_attempts()
    _videos()
    _around_videos()
    _hearsay()


def _ledger_and_attempts() -> None:
    op.add_column("ledger", sa.Column("payer", sa.Text, nullable=False, server_default=""))
    _partial("ledger_payer", "ledger", ["payer", "at_us"], "payer != ''")
    op.add_column("attempts", sa.Column("video", sa.Text, nullable=False, server_default=""))
    op.add_column("attempts", sa.Column("number", sa.Integer, nullable=False, server_default="0"))
    for name in ("started_at_us", "rendered_at_us", "given_up_at_us"):
        op.add_column("attempts", sa.Column(name, sa.BigInteger))
    _partial("attempts_of_video", "attempts", ["video", "number"], "video != ''", unique=True)
    _partial("attempts_job", "attempts", ["service", "job"], "job != ''")


def _videos() -> None:
    op.create_table(
        "videos",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.Column("size", sa.Text, nullable=False),
        sa.Column("wish", sa.Text, nullable=False),
        sa.Column("idempotency", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("deadline_us", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("leased_until_us", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("progress", sa.Integer, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger, nullable=False),
        sa.Column("substituted", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text, nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("started_at_us", sa.BigInteger),
        sa.Column("ended_at_us", sa.BigInteger),
        sa.Column("expires_at_us", sa.BigInteger),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("deleted_at_us", sa.BigInteger),
    )
    op.create_index("videos_of_key", "videos", ["key", "created_at_us", "id"])
    op.create_index("videos_fingerprint", "videos", ["fingerprint", "created_at_us"])
    _partial(
        "videos_idempotency", "videos", ["key", "idempotency"], "idempotency != ''", unique=True
    )
    _partial("videos_unfinished", "videos", ["leased_until_us"], "ended_at_us IS NULL")


def _around_videos() -> None:
    op.create_table(
        "characters",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("upstream_id", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "gateway_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("routes", sa.Text, nullable=False),
        sa.Column("per_minute", sa.Integer),
        sa.Column("limits", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_us", sa.BigInteger),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("video", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at_us", sa.BigInteger, nullable=False),
        sa.Column("due_at_us", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("delivered_at_us", sa.BigInteger),
        sa.Column("answer", sa.Text, nullable=False),
    )
    _partial("outbox_due", "outbox", ["due_at_us"], "due_at_us IS NOT NULL")
    _partial("outbox_done", "outbox", ["created_at_us"], "due_at_us IS NULL")


def _hearsay() -> None:
    op.create_table(
        "hearsay",
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
        sa.Column("failure_kind", sa.Text),
        sa.Column("fault", sa.Text),
        sa.Column("rule", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("named", sa.Boolean),
        sa.Column("http_status", sa.Integer),
        sa.Column("retry_after_us", sa.BigInteger),
        sa.Column("says", sa.Text),
        sa.Column("until_us", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("vantage", sa.Text, nullable=False),
    )


def _partial(
    name: str, table: str, columns: list[str], where: str, *, unique: bool = False
) -> None:
    """Make an index of the rows that a condition holds for."""
    condition = sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )
