"""Time limits of every connection to PostgreSQL.

A process that is stopped, or whose machine vanishes, keeps its locks for as long as the server
believes in its connection: by default for hours. With these limits no process blocks the others
for more than some seconds.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from sqlalchemy import URL, Engine, TextClause, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

_KEEPALIVE = {"idle": 5, "interval": 2, "count": 2}  # seconds, seconds, probes: 9 s in all
_SILENCE_MS = 10_000  # how long data may stay unacknowledged

#: The client's side of a connection: libpq's parameters, in seconds but for the last.
_CLIENT_PARAMETERS: Mapping[str, int] = {
    "connect_timeout": 10,
    **{f"keepalives_{name}": value for name, value in _KEEPALIVE.items()},
    "tcp_user_timeout": _SILENCE_MS,
}


class StatementLimit(StrEnum):
    """How long PostgreSQL lets one statement run."""

    SHORT = "10s"
    #: For reads, whose windows may be long, and for rollups and retention: nobody waits for them.
    LONG = "5min"


#: For migrations, which may take longer than any limit; it holds until the transaction ends.
NO_LIMITS: TextClause = text(
    "SELECT set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true),"
    " set_config('idle_in_transaction_session_timeout', '0', true)"
)


def client_parameters(url: URL) -> Mapping[str, int]:
    """Return the parameters of libpq for connections to an address, but not those that it sets."""
    return {name: value for name, value in _CLIENT_PARAMETERS.items() if name not in url.query}


def limit_sessions(engine: Engine, limit: StatementLimit) -> None:
    """Give each new connection of an engine the limits of the server's side."""
    event.listen(engine, "connect", _setter(limit))


def _setter(limit: StatementLimit) -> Callable[[DBAPIConnection, ConnectionPoolEntry], None]:
    values = {
        "idle_in_transaction_session_timeout": "5s",
        "lock_timeout": "5s",
        "statement_timeout": limit.value,
        **{f"tcp_keepalives_{name}": str(value) for name, value in _KEEPALIVE.items()},
        "tcp_user_timeout": str(_SILENCE_MS),
    }
    # Statements, not startup parameters: a pooler of connections refuses those that it lacks.
    calls = (f"set_config('{name}', '{value}', false)" for name, value in values.items())
    statement = f"SELECT {', '.join(calls)}"

    def set_limits(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()  # or they would end with the transaction

    return set_limits
