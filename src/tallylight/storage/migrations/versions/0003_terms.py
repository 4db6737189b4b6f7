"""Rename tables, columns, and the keys and values of stored JSON to the terms of the field.

All rows are kept. Statements are plain `RENAME`s, which copy no table on either database. Texts
that hold renamed keys are rewritten a page of rows at a time.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_PAGE_SIZE = 500

_TABLES = {
    "hearsay": "forwarded_evidence",
    "standings": "state_snapshots",
    "marks": "cursors",
    "memos": "component_state",
}
_COLUMNS = {
    "evidence": {"named": "names_state", "says": "claimed_status"},
    "forwarded_evidence": {"named": "names_state", "says": "claimed_status"},
    "state_snapshots": {"standing": "state", "folded": "cursor"},
    "component_state": {"text": "state"},
    "attempts": {"named": "names_state"},
    "videos": {
        "wish": "params",
        "idempotency": "idempotency_key",
        "substituted": "substitutions",
    },
    "outbox": {"tries": "attempt_number", "answer": "response"},
}

_CURSOR_NAMES = {"judge": "leader_epoch", "days": "day_status"}
_PURPOSES = {"accident": "unexpected_charge"}
_RULES = {
    "content:nothing": "content:empty",
    "delivery:unstored": "asset:not_stored",
    "inspection:other_medium": "inspection:wrong_medium",
    "inspection:unjudged": "inspection:not_checked",
    "job:nameless": "job:no_id",
    "list:endless": "list:no_end",
    "list:unclear": "list:ambiguous",
    "order:wordless": "order:unsupported",
    "service:left": "service:removed",
    "stream:broken_off": "stream:disconnected",
    "words:gone": "words:retired",
    "words:key": "words:key-refused",
    "words:key-off": "words:key-disabled",
    "words:own-trouble": "words:service-failure",
    "words:pace": "words:rate-limit",
    "words:pool-empty": "words:no-account-available",
    "words:suspicion": "words:suspicious-activity",
    "words:switched-off": "words:service-disabled",
    "words:wallet-empty": "words:balance-empty",
}
_CODES = {
    "door_closed": "api_down",
    "door_open": "api_responding",
    "door_partly_closed": "api_partly_failing",
    "door_reopened": "api_recovered",
    "feed_reports": "feed_not_operational",
    "gone_repeatedly": "retirement_reported",
    "jobs_unwatched": "no_recent_jobs",
    "maintenance_named": "maintenance_reported",
    "maintenance_planned": "maintenance_scheduled",
    "risk_control_named": "risk_control_reported",
    "risk_control_signs": "risk_control_suspected",
    "suspension_named": "suspension_reported",
    "wallet_empty": "balance_empty",
}

_Convert = Callable[[object], object]


def upgrade() -> None:
    """Rename tables and columns first, then rewrite what lies in the rows."""
    for old, new in _TABLES.items():
        op.rename_table(old, new)
    op.drop_index("videos_idempotency", "videos")
    for table, columns in _COLUMNS.items():
        for old, new in columns.items():
            op.alter_column(table, old, new_column_name=new)
    is_given = sa.text("idempotency_key != ''")
    op.create_index(
        "videos_idempotency_key",
        "videos",
        ["key", "idempotency_key"],
        unique=True,
        sqlite_where=is_given,
        postgresql_where=is_given,
    )
    if op.get_bind().dialect.name == "postgresql":
        for old, new in _TABLES.items():
            op.execute(f"ALTER INDEX {old}_pkey RENAME TO {new}_pkey")

    _replace_values("cursors", "name", _CURSOR_NAMES)
    for table in ("ledger", "attempts"):
        _replace_values(table, "purpose", _PURPOSES)
    for table in ("evidence", "forwarded_evidence", "attempts"):
        _replace_values(table, "rule", _RULES)

    _rewrite_json("transitions", ("service", "id"), "before_reasons", _stored_reasons)
    _rewrite_json("transitions", ("service", "id"), "after_reasons", _stored_reasons)
    _rewrite_json("incident_updates", ("incident", "number"), "reasons", _stored_reasons)
    _rewrite_json("videos", ("id",), "params", _PARAMS)
    _rewrite_json("component_state", ("name",), "state", _ALERT_STATE)
    _rewrite_json("state_snapshots", ("service",), "state", _SERVICE_STATE, is_packed=True)


def _replace_values(table: str, column: str, names: Mapping[str, str]) -> None:
    value = sa.column(column, sa.Text)
    op.execute(
        sa.update(sa.table(table, value))
        .where(value.in_(names))
        .values({column: sa.case(names, value=value)})
    )


def _rewrite_json(
    table: str, keys: Sequence[str], column: str, convert: _Convert, *, is_packed: bool = False
) -> None:
    """Rewrite the JSON text in a column of every row.

    Args:
        table: The table.
        keys: The columns of its primary key.
        column: The column that holds JSON.
        convert: Returns the new value of a text's old value.
        is_packed: Whether the text is stored deflated.
    """
    connection = op.get_bind()
    key: list[sa.ColumnClause[object]] = [sa.column(name) for name in keys]
    content: sa.ColumnClause[object] = sa.column(column)
    rows = sa.table(table, *key, content)
    page_query = sa.select(*key, content).order_by(*key).limit(_PAGE_SIZE)
    change = (
        sa.update(rows)
        .where(*(each == sa.bindparam(f"key_{each.name}") for each in key))
        .values({column: sa.bindparam("new")})
    )
    page = connection.execute(page_query).all()
    while page:
        changes = []
        for *row_key, old in page:
            text = zlib.decompress(old).decode() if is_packed else old
            new = _converted(text, convert)
            if new != text:
                names = {f"key_{name}": value for name, value in zip(keys, row_key, strict=True)}
                changes.append({**names, "new": zlib.compress(new.encode()) if is_packed else new})
        if changes:
            connection.execute(change, changes)
        after = sa.tuple_(*key) > sa.tuple_(*map(sa.literal, page[-1][: len(keys)]))
        page = connection.execute(page_query.where(after)).all()


def _converted(text: str, convert: _Convert) -> str:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text  # not ours to read: a component may keep any text
    return json.dumps(convert(value), ensure_ascii=False, separators=(",", ":"))


def _renamed(names: Mapping[str, str], **parts: _Convert) -> _Convert:
    """Return a conversion of JSON objects, alone or in a list.

    Args:
        names: New names by old ones; all other keys stay.
        parts: How the values of some keys are converted, by the old key.
    """

    def convert(value: object) -> object:
        if isinstance(value, list):
            return [convert(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            names.get(name, name): parts[name](part) if name in parts else part
            for name, part in value.items()
        }

    return convert


def _each(convert: _Convert) -> _Convert:
    """Return a conversion of all values of a JSON object."""
    return lambda value: (
        {name: convert(each) for name, each in value.items()} if isinstance(value, dict) else value
    )


def _value_of(names: Mapping[str, str]) -> _Convert:
    return lambda value: names.get(value, value) if isinstance(value, str) else value


def _stored_reasons(value: object) -> object:
    """Convert the reasons of a transition: a list of [code, microseconds, facts]."""
    if not isinstance(value, list):
        return value
    return [[_value_of(_CODES)(code), at, _FACTS(facts)] for code, at, facts in value]


_FACTS = _renamed({}, rule=_value_of(_RULES), first_rule=_value_of(_RULES))
_REASONS = _renamed({}, code=_value_of(_CODES), facts=_FACTS)
_PARAMS = _renamed(
    {
        "stored": "reference_asset",
        "pinned": "pinned_service",
        "chosen": "defaulted_fields",
        "onto": "base_seconds",
    }
)
_FAILURE = _renamed({"named": "names_state"}, rule=_value_of(_RULES))
_LAYER = _renamed(
    {
        "state": "status",
        "bad_from": "first_bad_at",
        "good_from": "first_good_at",
        "broken_good": "outage_good",
        "broken_bad": "outage_bad",
        "noise": "false_alarms",
        "seen": "recent_results",
        "answer": "last_failure",
    },
    noise=_renamed({"of": "total", "pending_of": "pending_total"}),
    answer=_FAILURE,
)
_SERVICE_STATE = _renamed(
    {
        "wake_at": "next_change_at",
        "door": "api",
        "record": "job_history",
        "plans": "calendar",
        "marks": "named_failures",
        "gone": "retirement",
    },
    door=_LAYER,
    jobs=_LAYER,
    record=_renamed(
        {
            "delivery": "last_delivery",
            "recent": "recent_deliveries",
            "days": "daily_sketches",
            "median": "median_seconds",
            "partly_since": "partial_failure_since",
            "allowance": "minute_cap",
            "life": "outage_history",
            "normal": "failure_baseline",
        }
    ),
    feed=_renamed({"says": "claimed_status", "lag": "lag_seconds"}),
    plans=_renamed({"windows": "maintenance_windows", "is_certain": "shutdown_is_certain"}),
    marks=_FAILURE,
    gone=_renamed({"last": "last_at", "counted_at": "listing_counted_at"}, first=_FAILURE),
    blocked=_FAILURE,
    cleared_by_probe=_FAILURE,
    verdict=_renamed({}, reasons=_REASONS),
)
_ALERT_STATE = _renamed(
    {
        "watches": "service_alerts",
        "keys": "key_alerts",
        "network_told": "network_notified",
        "shutdowns_told": "shutdowns_notified",
    },
    watches=_each(
        _renamed(
            {
                "is_sure": "is_confirmed",
                "is_unwatched": "is_unknown",
                "told": "notified_status",
                "told_at": "notified_at",
                "told_statuses": "notified_statuses",
                "flapping_told": "flapping_notified",
            },
            reasons=_REASONS,
        )
    ),
    keys=_each(_renamed({"told": "notified_failure"})),
)
