"""Connections to either database, and what each kind of transaction promises.

*Writing* is durable once it has returned, also over a power cut: money, attempts, transitions.
*Noting* survives the death of the process but may lose its last moments in a power cut: evidence
and what is folded from it. SQLite calls the two `synchronous` FULL and NORMAL, PostgreSQL
`synchronous_commit` on and off.

Writers take turns. On SQLite all do (`BEGIN IMMEDIATE`), on PostgreSQL those of the same `Turn`
do, over all replicas.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from tallylight.errors import StorageError, UnwritableError
from tallylight.storage.address import database_url

_LOCK_SPACE = 0x7A11  # of our advisory locks, so that another program's do not meet them
_BUSY_MS = 5000
_WAL_ATTEMPTS = 10
_SYNCHRONOUS_OPTION = "tallylight_writes"
_RELAXED_COMMIT = text("SET LOCAL synchronous_commit = off")
_PING_TIMEOUT_SECONDS = 5
# A machine that vanishes closes no connection, and neither does a process that hangs: without these
# its claim would outlive it.
_SHORT_TIMEOUTS = text(
    "SELECT set_config('idle_session_timeout', '10s', false),"
    " set_config('tcp_keepalives_idle', '5', false),"
    " set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)
_PERMANENT_ERRORS = (DataError, IntegrityError, ProgrammingError)  # what no waiting mends
_ACQUIRE_LOCK = text("SELECT pg_advisory_xact_lock(:space, :turn)")

_T = TypeVar("_T")


class LockId(IntEnum):
    """What writers of different processes wait for one another about."""

    MIGRATION = 1
    EVIDENCE = 2  # evidence, standings, transitions
    ROLLUP = 3
    LEDGER = 4
    ATTEMPT = 5
    LEADER = 6  # one process judges at a time
    VIDEO = 7  # callers' videos, their attempts and their money
    KEY = 8
    WEBHOOK = 9


class Connections:
    """The ways into one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        # Without the user and the password.
        self._label = f"{engine.url.host or ''}/{engine.url.database}"
        if self._is_sqlite:
            self._label = str(engine.url.database)
        # PostgreSQL would otherwise show each statement another state.
        one_state = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._read_engine = engine.execution_options(**one_state)
        self._durable_engine = engine.execution_options(**{_SYNCHRONOUS_OPTION: "FULL"})
        self._relaxed_engine = engine.execution_options(**{_SYNCHRONOUS_OPTION: "NORMAL"})
        self._thread_engine = _thread_engine_for(engine.url)
        self._thread_durable_engine = self._thread_engine.execution_options(
            **{_SYNCHRONOUS_OPTION: "FULL"}
        )
        self._thread_relaxed_engine = self._thread_engine.execution_options(
            **{_SYNCHRONOUS_OPTION: "NORMAL"}
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        # SQLite's own waiting polls; a queue inside the process is fair and wakes at once.
        self._writer_lock: AbstractAsyncContextManager[None] = (
            asyncio.Lock() if self._is_sqlite else nullcontext()
        )

    @asynccontextmanager
    async def read_transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that sees one state of the database and changes nothing."""
        with _storage_errors(self._label):
            async with self._read_engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def durable_transaction(self, lock: LockId) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that is durable once this returns."""
        async with self._write_transaction(self._durable_engine, lock) as connection:
            yield connection

    @asynccontextmanager
    async def relaxed_transaction(self, lock: LockId) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that a power cut, but no crash of ours, may undo."""
        async with self._write_transaction(self._relaxed_engine, lock) as connection:
            if not self._is_sqlite:
                await connection.execute(_RELAXED_COMMIT)
            yield connection

    @asynccontextmanager
    async def _write_transaction(
        self, engine: AsyncEngine, lock: LockId
    ) -> AsyncIterator[AsyncConnection]:
        with _storage_errors(self._label):
            async with self._writer_lock, engine.begin() as connection:
                if not self._is_sqlite:
                    names = {"space": _LOCK_SPACE, "turn": int(lock)}
                    await connection.execute(_ACQUIRE_LOCK, names)
                yield connection

    async def run_durable_in_thread(self, work: Callable[[Connection], _T]) -> _T:
        """Do work in a durable transaction of the driver's own, in a thread.

        For many rows at once: it costs a fraction of what the same statements cost here. On
        PostgreSQL it waits for nobody's turn, unless the work itself calls `take_turn`.
        """
        return await self._in_thread(self._thread_durable_engine, work)

    async def run_relaxed_in_thread(self, work: Callable[[Connection], _T]) -> _T:
        """Do the same in a transaction that a power cut, but no crash of ours, may undo."""
        return await self._in_thread(self._thread_relaxed_engine, work)

    async def _in_thread(self, engine: Engine, work: Callable[[Connection], _T]) -> _T:
        is_lax = engine is self._thread_relaxed_engine and not self._is_sqlite

        def transact() -> _T:
            with engine.begin() as connection:
                if is_lax:
                    connection.execute(_RELAXED_COMMIT)
                return work(connection)

        with _storage_errors(self._label):
            async with self._writer_lock:
                # A thread cannot be called back: its turn ends when it ends.
                loop = asyncio.get_running_loop()
                return await run_to_completion(loop.run_in_executor(self._thread, transact))

    @asynccontextmanager
    async def try_lock(self, lock_id: LockId) -> AsyncIterator["HeldLock | None"]:
        """Try to hold a turn of PostgreSQL as long as the block lasts; yield None in vain.

        The claim dies with the process, with its connection, and where nobody asks for ten
        seconds whether it is alive.
        """
        names = {"space": _LOCK_SPACE, "turn": int(lock_id)}
        outright = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with _storage_errors(self._label):
            async with outright.connect() as connection:
                lock = text("SELECT pg_try_advisory_lock(:space, :turn)")
                if not await connection.scalar(lock, names):
                    yield None
                    return
                try:
                    await connection.execute(_SHORT_TIMEOUTS)
                    yield HeldLock(connection)
                finally:
                    # Closed and not given back: what is held goes with the connection.
                    await connection.invalidate()

    async def close(self) -> None:
        """Give all connections back, though cancelled: one that is half closed stays open."""
        await run_to_completion(self._engine.dispose())
        self._thread.shutdown()
        self._thread_engine.dispose()


class HeldLock:
    """A turn that is held as long as its connection lives."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def is_alive(self) -> bool:
        """Tell whether the connection, and with it the claim, is still there."""
        try:
            async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                await self._connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, TimeoutError):
            return False
        return True


async def run_to_completion(awaitable: Awaitable[_T]) -> _T:
    """Return what work leads to; a cancellation takes effect once it has ended."""
    done = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait((done,))
        raise


def connect(address: str) -> Connections:
    """Return the ways into the database at an address; nothing is opened yet.

    Raises:
        ConfigurationError: if the address is not one of ours.
        StorageError: if the directory of a SQLite file does not exist.
    """
    url = database_url(address)
    if url.get_backend_name() == "postgresql":
        return Connections(create_async_engine(url, hide_parameters=True, pool_pre_ping=True))
    directory = Path(url.database or "").absolute().parent
    if not directory.is_dir():
        raise StorageError(f"database: the directory {directory} does not exist; create it")
    engine = create_async_engine(url, hide_parameters=True, pool_size=3, max_overflow=7)
    _configure_sqlite(engine.sync_engine)
    return Connections(engine)


def _thread_engine_for(url: URL) -> Engine:
    """Return an engine for the same database that is used by one thread and waits for it."""
    if url.get_backend_name() == "postgresql":
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=1)
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"), hide_parameters=True, pool_size=1, max_overflow=0
    )
    _configure_sqlite(engine)
    return engine


def _configure_sqlite(engine: Engine) -> None:
    event.listen(engine, "connect", _set_sqlite_pragmas)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "invalidate", _roll_back_sqlite)


def acquire_lock(connection: Connection, lock: LockId) -> None:
    """Wait for a turn and hold it to the end of the transaction; SQLite's always has all turns."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ACQUIRE_LOCK, {"space": _LOCK_SPACE, "turn": int(lock)})


def upsert(connection: AsyncConnection, table: Table) -> Insert:
    """Return an insert into a table that, where the key exists, replaces all other columns."""
    keys = [column.name for column in table.primary_key]
    # The two dialects spell it alike, but in classes of their own.
    insert: sqlite.Insert | postgresql.Insert = (
        sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    )
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=others)


def _set_sqlite_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by us, below
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    _enable_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _enable_wal(cursor: DBAPICursor) -> None:
    for _ in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")  # stays for good once it is set
        except sqlite3.OperationalError:
            # It never waits for others that are at the new file, as a transaction does.
            cursor.execute("BEGIN EXCLUSIVE")
            cursor.execute("COMMIT")
        else:
            return
    cursor.execute("PRAGMA journal_mode=WAL")


def _roll_back_sqlite(
    connection: DBAPIConnection, _entry: ConnectionPoolEntry, _error: BaseException | None
) -> None:
    # A cancelled task leaves cursors behind that keep a closed connection, and with it its lock on
    # the file, until the garbage is collected: every other writer would wait in vain.
    connection.rollback()


def _begin_sqlite(connection: Connection) -> None:
    synchronous = connection.get_execution_options().get(_SYNCHRONOUS_OPTION)
    if synchronous is None:
        connection.exec_driver_sql("BEGIN")
        return
    if connection.info.get(_SYNCHRONOUS_OPTION, "FULL") != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.info[_SYNCHRONOUS_OPTION] = synchronous
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _storage_errors(label: str) -> Iterator[None]:
    """Turn what the driver raises into our own errors, without the statement's values."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        told = " ".join(str(cause).split())
        kind = UnwritableError if isinstance(error, _PERMANENT_ERRORS) else StorageError
        raise kind(f"database {label}: {told}") from error
