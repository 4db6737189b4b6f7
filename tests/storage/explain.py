"""Asks a database how it would execute a statement, and finds tables that it would read whole."""

import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import psycopg


class SentStatement(NamedTuple):
    """A statement with the parameters of its first execution."""

    text: str
    parameters: Any


_EXPLAINABLE = r"SELECT|INSERT|UPDATE|DELETE|WITH"


def full_scans(
    address: str, statements: Iterable[SentStatement], tables: Collection[str]
) -> dict[str, list[str]]:
    """Return by statement which parts of its plan read one of some tables whole.

    The rows of a partial index are few by its condition, and a limit ends the walk along an index.
    """
    wanted = [each for each in statements if re.match(_EXPLAINABLE, each.text)]
    if address.startswith("sqlite"):
        found = _sqlite_scans(address.removeprefix("sqlite:///"), wanted, tables)
    else:
        found = _postgres_scans(address, wanted, tables)
    return {statement: scans for statement, scans in found if scans}


def _sqlite_scans(
    path: str, statements: Sequence[SentStatement], tables: Collection[str]
) -> Iterator[tuple[str, list[str]]]:
    with closing(sqlite3.connect(path)) as file:
        partial = _partial_indexes(file)
        for statement in statements:
            plan = file.execute(f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters)
            steps = [row[3] for row in plan]
            yield (
                statement.text,
                [
                    step
                    for step in steps
                    if _is_full_in_sqlite(step, statement.text, partial, tables)
                ],
            )


def _is_full_in_sqlite(
    step: str, statement: str, partial: Collection[str], tables: Collection[str]
) -> bool:
    found = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?$", step)
    if found is None:
        return False
    aliases = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", statement)}
    name, index = aliases.get(found[1], found[1]), found[2]
    # The ids of evidence are its rowids: it lies in the order of its ids.
    is_ordered = index is not None or name == "evidence"
    is_short = index in partial or (is_ordered and "LIMIT" in statement)
    return name in tables and not is_short


def _postgres_scans(
    address: str, statements: Sequence[SentStatement], tables: Collection[str]
) -> Iterator[tuple[str, list[str]]]:
    with psycopg.connect(address, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET enable_seqscan = off")
        query = "SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL"
        partial = {name for (name,) in connection.execute(query)}
        for statement in statements:
            explain = f"EXPLAIN (FORMAT JSON) {statement.text}".encode()
            row = connection.execute(explain, statement.parameters or None).fetchone()
            assert row is not None
            yield statement.text, list(_full_nodes(row[0][0]["Plan"], partial, tables))


def _full_nodes(
    node: Mapping[str, Any],
    partial: Collection[str],
    tables: Collection[str],
    *,
    table: str = "",
    is_limited: bool = False,
) -> Iterator[str]:
    kind, table = node["Node Type"], node.get("Relation Name", table)
    is_limited = is_limited or kind == "Limit"
    index = node.get("Index Name")
    if table in tables and kind == "Seq Scan":
        yield f"Seq Scan on {table}"
    is_short = index in partial or is_limited
    if table in tables and index and "Index Cond" not in node and not is_short:
        yield f"{kind} on {table} by all of {index}"
    for inner in node.get("Plans", ()):
        is_within = is_limited and kind not in {"Sort", "Aggregate", "Hash"}
        yield from _full_nodes(inner, partial, tables, table=table, is_limited=is_within)


def unused_indexes(path: str, statements: Iterable[SentStatement]) -> set[str]:
    """Return the partial indexes of a SQLite file that no statement uses."""
    with closing(sqlite3.connect(path)) as file:
        steps = [
            row[3]
            for each in statements
            if re.match(_EXPLAINABLE, each.text)
            for row in file.execute(f"EXPLAIN QUERY PLAN {each.text}", each.parameters)
        ]
        found = re.findall(r"INDEX (\w+)", "\n".join(steps))
        return _partial_indexes(file) - set(found)


def _partial_indexes(file: sqlite3.Connection) -> set[str]:
    rows = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > ''")
    return {name for name, sql in rows if " WHERE " in sql}
