"""One job engine: versions of videos, their owners, running sums, and keys that outlive videos.

A paid probe becomes a video of kind `probe`, so that one engine follows both.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_HOUR = 3600
_MINUTE = 60
_PAGE_SIZE = 500


def upgrade() -> None:
    """Add tables and columns, move what is kept, then drop what has no reader."""
    _tables()
    _columns()
    _substitutions()
    _keys()
    _probes()
    _running_sums()
    _indexes()
    _unknown_amounts()


def _tables() -> None:
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("video", sa.Text, nullable=False),
        sa.Column("until_us", sa.BigInteger),
        sa.PrimaryKeyConstraint("key", "idempotency_key"),
    )
    op.create_table(
        "processes",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("services", sa.Text, nullable=False),
        sa.Column("started_at_us", sa.BigInteger, nullable=False),
        sa.Column("dead_at_us", sa.BigInteger),
    )
    op.create_table(
        "spent",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("grain", sa.Integer, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("micro_usd", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("scope", "grain", "bucket"),
    )
    op.create_table("scopes", sa.Column("scope", sa.Text, primary_key=True))


def _columns() -> None:
    for name, default in (("kind", "video"), ("written_by", ""), ("open_service", "")):
        op.add_column("videos", sa.Column(name, sa.Text, nullable=False, server_default=default))
    for name in ("epoch", "revision"):
        op.add_column("videos", sa.Column(name, sa.BigInteger, nullable=False, server_default="1"))
    for table in ("videos", "attempts"):
        op.add_column(table, sa.Column("made_seconds", sa.Integer))
        op.add_column(table, sa.Column("made_size", sa.Text))
        op.add_column(table, sa.Column("made_model", sa.Text))
    for name in ("send_within_us", "answer_within_us"):
        op.add_column(
            "attempts", sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
        )
    op.add_column("attempts", sa.Column("doubt_rule", sa.Text, nullable=False, server_default=""))
    op.add_column("attempts", sa.Column("cost_micro_usd", sa.BigInteger))
    op.execute(
        "UPDATE attempts SET state = 'given_up'"
        " WHERE given_up_at_us IS NOT NULL AND ended_at_us IS NULL"
    )
    op.execute(
        "UPDATE attempts SET state = 'unresolved'"
        " WHERE state = 'failed' AND rule = 'doubt:unresolved'"
    )
    op.execute(
        "UPDATE videos SET owner = '', open_service = COALESCE((SELECT max(service) FROM attempts"
        " WHERE attempts.video = videos.id AND attempts.ended_at_us IS NULL), '')"
        " WHERE ended_at_us IS NULL"
    )
    op.drop_column("attempts", "given_up_at_us")


def _substitutions() -> None:
    """Keep what was asked apart from what was ordered instead of it: {"seconds": "12→8"}."""
    connection = op.get_bind()
    page_query = sa.text(
        "SELECT id, seconds, size, params, substitutions FROM videos"
        " WHERE substitutions != '{}' AND id > :after ORDER BY id LIMIT :size"
    )
    change = sa.text(
        "UPDATE videos SET seconds = :seconds, size = :size, made_seconds = :made_seconds,"
        " made_size = :made_size, made_model = '' WHERE id = :id"
    )
    after = ""
    while page := connection.execute(page_query, {"after": after, "size": _PAGE_SIZE}).all():
        connection.execute(change, [_asked(row) for row in page])
        after = page[-1].id
    op.drop_column("videos", "substitutions")


def _asked(row: sa.Row[*tuple[object, ...]]) -> dict[str, object]:
    asked = {name: text.split("→")[0] for name, text in json.loads(str(row.substitutions)).items()}
    base = json.loads(str(row.params)).get("base_seconds", 0)
    return {
        "id": row.id,
        "seconds": int(asked["seconds"]) + base if "seconds" in asked else row.seconds,
        "size": asked.get("size", row.size),
        "made_seconds": row.seconds,
        "made_size": row.size,
    }


def _keys() -> None:
    op.execute(
        "INSERT INTO idempotency (key, idempotency_key, fingerprint, video)"
        " SELECT key, idempotency_key, fingerprint, id FROM videos WHERE idempotency_key != ''"
    )
    op.drop_index("videos_idempotency_key", "videos")
    op.drop_index("videos_unfinished", "videos")
    op.drop_column("videos", "leased_until_us")


def _probes() -> None:
    op.drop_index("attempts_of_video", "attempts")
    op.drop_index("attempts_job", "attempts")
    op.execute("UPDATE attempts SET video = 'probe_' || id, number = 1 WHERE video = ''")
    op.execute(
        "INSERT INTO videos (id, key, model, prompt, seconds, size, params, idempotency_key,"
        " fingerprint, created_at_us, deadline_us, kind, owner, status, progress, service,"
        " attempts, cost_micro_usd, error_code, error_message, started_at_us, ended_at_us,"
        " asset, open_service)"
        " SELECT a.video, '', a.service, a.prompt, a.seconds, a.size, '{}', '', '',"
        " a.intended_at_us, a.intended_at_us + 3600000000, 'probe', '',"
        " CASE WHEN a.ended_at_us IS NULL THEN 'queued' WHEN a.state = 'delivered'"
        " THEN 'completed' ELSE 'failed' END,"
        " CASE WHEN a.state = 'delivered' THEN 100 ELSE 0 END, a.service, 1,"
        " COALESCE(l.amount_micro_usd, 0), COALESCE(a.rule, ''), COALESCE(a.text, ''),"
        " a.started_at_us, a.ended_at_us, '',"
        " CASE WHEN a.ended_at_us IS NULL THEN a.service ELSE '' END"
        " FROM attempts a LEFT JOIN ledger l ON l.id = a.entry WHERE a.video LIKE 'probe\\_%'"
        " ESCAPE '\\'"
    )
    op.execute("UPDATE attempts SET prompt = '' WHERE purpose != 'traffic'")


def _running_sums() -> None:
    for grain in (_MINUTE, _HOUR):
        for scope, where in (
            ("'all'", "purpose = 'traffic'"),
            ("'payer:' || payer", "purpose = 'traffic'"),
            ("'probes'", "purpose != 'traffic'"),
            ("'probe:' || service", "purpose != 'traffic'"),
        ):
            op.execute(
                "INSERT INTO spent (scope, grain, bucket, micro_usd)"  # noqa: S608  # our own constants
                f" SELECT {scope}, {grain}, at_us / {grain * 1_000_000},"
                f" sum(amount_micro_usd) FROM ledger WHERE {where} AND amount_micro_usd != 0"
                " GROUP BY 1, 2, 3"
            )


def _indexes() -> None:
    op.drop_index("ledger_payer", "ledger")
    op.create_index("attempts_once", "attempts", ["video", "number"], unique=True)
    op.create_index("attempts_job", "attempts", ["service", "job"])
    op.create_index("attempts_purpose", "attempts", ["purpose", "service", "intended_at_us"])
    op.create_index("attempts_entry", "attempts", ["entry"])
    _partial("ledger_unexpected", "ledger", ["service"], "purpose = 'unexpected_charge'")
    op.create_index("outbox_video", "outbox", ["video"])
    op.create_index("spent_grain", "spent", ["grain", "bucket"])
    op.create_index("videos_created", "videos", ["created_at_us", "id"])
    op.create_index("idempotency_video", "idempotency", ["video"])
    _partial("idempotency_until", "idempotency", ["until_us"], "until_us IS NOT NULL")
    _partial("processes_alive", "processes", ["name"], "dead_at_us IS NULL")
    _partial("videos_under_way", "videos", ["owner", "id"], "ended_at_us IS NULL")
    _partial("videos_stored", "videos", ["expires_at_us"], "asset != ''")


def _unknown_amounts() -> None:
    """Tell unknown amounts from amounts of zero.

    An attempt at a price that was not known reserved 0. So did one at a free service, which the
    rows do not tell apart; probes have always had a price.
    """
    with op.batch_alter_table("ledger") as ledger:
        ledger.alter_column("estimate_micro_usd", existing_type=sa.BigInteger, nullable=True)
        ledger.alter_column("amount_micro_usd", existing_type=sa.BigInteger, nullable=True)
    with op.batch_alter_table("videos") as videos:
        videos.alter_column("cost_micro_usd", existing_type=sa.BigInteger, nullable=True)
    op.execute(
        "UPDATE ledger SET estimate_micro_usd = NULL, amount_micro_usd = NULL"
        " WHERE estimate_micro_usd = 0 AND amount_micro_usd = 0"
        " AND state != 'released' AND purpose != 'probe'"
    )
    op.execute(
        "UPDATE videos SET cost_micro_usd = NULL WHERE id IN (SELECT a.video FROM attempts a"
        " JOIN ledger l ON l.id = a.entry WHERE l.amount_micro_usd IS NULL)"
    )


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    """Make an index of the rows that a condition holds for."""
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
