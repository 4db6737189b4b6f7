"""How connections to SQLite are opened, and how their transactions begin."""

import sqlite3

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

_BUSY_MS = 5000
_WAL_ATTEMPTS = 10

#: The execution option that makes a transaction a write: "FULL" for a durable one, or "NORMAL".
SYNCHRONOUS_OPTION = "tallylight_writes"


def configure_sqlite(engine: Engine) -> None:
    """Let an engine open each connection and transaction of SQLite as ours."""
    event.listen(engine, "connect", _set_sqlite_pragmas)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "invalidate", _roll_back_sqlite)


def _set_sqlite_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins transactions
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    _enable_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _enable_wal(cursor: DBAPICursor) -> None:
    for _ in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")  # a file keeps this mode
        except sqlite3.OperationalError:
            # Changing the mode fails while another process uses the file; a transaction waits.
            cursor.execute("BEGIN EXCLUSIVE")
            cursor.execute("COMMIT")
        else:
            return
    cursor.execute("PRAGMA journal_mode=WAL")


def _roll_back_sqlite(
    connection: DBAPIConnection, _entry: ConnectionPoolEntry, _error: BaseException | None
) -> None:
    # A cancelled task leaves cursors that keep a closed connection alive, and with it the lock on
    # the file, until garbage is collected. All other writers would wait until then.
    connection.rollback()


def _begin_sqlite(connection: Connection) -> None:
    synchronous = connection.get_execution_options().get(SYNCHRONOUS_OPTION)
    if synchronous is None:
        connection.exec_driver_sql("BEGIN")
        return
    if connection.info.get(SYNCHRONOUS_OPTION, "FULL") != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.info[SYNCHRONOUS_OPTION] = synchronous
    connection.exec_driver_sql("BEGIN IMMEDIATE")
