"""Connections to SQLite and PostgreSQL, and the guarantees of each kind of transaction.

A *durable* transaction survives a power cut once it has returned: money, attempts, transitions. A
*relaxed* one survives the death of the process, but a power cut may undo the last of them:
evidence and what is computed from it. SQLite calls the two `synchronous` FULL and NORMAL,
PostgreSQL `synchronous_commit` on and off.

Writers exclude one another: on SQLite all of them (`BEGIN IMMEDIATE`), on PostgreSQL those with
the same `LockId`, over all replicas. `session_settings` limits how long they may wait and work.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tallylight.errors import (
    LockTimeoutError,
    StorageError,
    UncertainCommitError,
    UnwritableError,
)
from tallylight.storage.database_address import (
    OpenedFile,
    database_url,
    file_errors,
    prepare_file,
)
from tallylight.storage.options import DEFAULT_POOL_SIZE
from tallylight.storage.session_settings import (
    NO_LIMITS,
    StatementLimit,
    client_parameters,
    limit_sessions,
)
from tallylight.storage.sqlite_settings import SYNCHRONOUS_OPTION, configure_sqlite

_LOCK_SPACE = 0x7A11  # keeps our advisory locks apart from those of other programs
_RELAXED_COMMIT = text("SET LOCAL synchronous_commit = off")
_PING_TIMEOUT_SECONDS = 5
# A process that hangs closes no connection. Without this, its lock would outlive it.
_SHORT_SESSION = text("SELECT set_config('idle_session_timeout', '10s', false)")
_PERMANENT_ERRORS = (DataError, IntegrityError, ProgrammingError)  # a retry would fail as well
_LOCK_STATES = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected
_ACQUIRE_LOCK = text("SELECT pg_advisory_xact_lock(:space, :lock)")
_BEGIN_WRITING = text(
    "SELECT set_config('statement_timeout', :limit, true), pg_advisory_xact_lock(:space, :lock)"
)

_IDLE_CONNECTIONS = 5  # of these stay open while nothing uses them

#: With more services than this, a query reads the rows of all and the caller filters them: that
#: is faster than a long IN.
MAX_IN_LIST = 500

_T = TypeVar("_T")


class LockId(IntEnum):
    """The advisory locks that make writers of different processes wait for one another."""

    MIGRATION = 1
    EVIDENCE = 2  # evidence, snapshots, transitions
    ROLLUP = 3
    LEDGER = 4
    ATTEMPT = 5
    LEADER = 6  # held for as long as a process is the leader
    VIDEO = 7  # callers' videos, their attempts and their money
    KEY = 8
    WEBHOOK = 9
    PROCESS = 10  # who is alive, where the database lives, what time it is


class Connections:
    """Opens transactions on one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        #: The file of SQLite, the same by whatever path it was opened; None on PostgreSQL.
        self.file = Path(str(engine.url.database)).resolve() if self._is_sqlite else None
        # Errors show this label: it leaves out the user and the password.
        self._label = f"{engine.url.host or ''}/{engine.url.database}"
        if self._is_sqlite:
            self._label = str(engine.url.database)
        # By default, PostgreSQL shows each statement of a transaction a newer state.
        one_state = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._read_engine = engine.execution_options(**one_state)
        self._durable_engine = engine.execution_options(**{SYNCHRONOUS_OPTION: "FULL"})
        self._relaxed_engine = engine.execution_options(**{SYNCHRONOUS_OPTION: "NORMAL"})
        self._thread_engine = _thread_engine_for(engine.url)
        self._engines_in_thread = {
            is_durable: self._thread_engine.execution_options(**{SYNCHRONOUS_OPTION: level})
            for is_durable, level in ((True, "FULL"), (False, "NORMAL"))
        }
        #: Which file of SQLite was opened; None on PostgreSQL.
        self.opened_file = None if self.file is None else OpenedFile(self.file)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-commit")
        # SQLite waits for a lock by polling; a lock inside the process is fair and wakes at once.
        self._writer_lock: AbstractAsyncContextManager[None] = (
            asyncio.Lock() if self._is_sqlite else nullcontext()
        )

    @asynccontextmanager
    async def read_transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that reads one state of the database."""
        with _storage_errors(self._label):
            async with self._read_engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def durable_transaction(self, lock: LockId) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that survives a power cut once it is committed."""
        async with self._write_transaction(self._durable_engine, lock) as connection:
            yield connection

    @asynccontextmanager
    async def relaxed_transaction(self, lock: LockId) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that a power cut may undo, but no crash of the process."""
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
                    await _begin_writing(connection, lock)
                yield connection

    async def run_in_thread(self, work: Callable[[Connection], _T], *, is_durable: bool) -> _T:
        """Run work in a transaction of the synchronous driver, in a thread.

        Many rows at once cost a fraction of what they cost through asyncio. On PostgreSQL the
        transaction takes no lock, unless the work calls `acquire_lock`.

        Raises:
            UncertainCommitError: if the commit failed, and may have succeeded nevertheless.
            StorageError: if the database is unavailable; nothing was written.
        """

        def transact() -> _T:
            with self._engines_in_thread[is_durable].connect() as connection:
                with connection.begin() as transaction:
                    if not (is_durable or self._is_sqlite):
                        connection.execute(_RELAXED_COMMIT)
                    result = work(connection)
                    try:
                        transaction.commit()
                    except DBAPIError as error:
                        raise self._uncertain(error) from error
                return result

        with _storage_errors(self._label):
            async with self._writer_lock:
                # A thread cannot be cancelled: the lock is held until it has finished.
                loop = asyncio.get_running_loop()
                return await run_to_completion(loop.run_in_executor(self._thread, transact))

    def _uncertain(self, error: DBAPIError) -> UncertainCommitError:
        reason = " ".join(str(error.orig or error).split())
        return UncertainCommitError(f"database {self._label}: during a commit: {reason}")

    @asynccontextmanager
    async def try_lock(self, lock_id: LockId) -> AsyncIterator["HeldLock | None"]:
        """Try to hold a lock of PostgreSQL for the block; yield None if another process has it.

        The lock is lost with the process, with its connection, and if `is_alive` is not called
        for ten seconds.
        """
        names = {"space": _LOCK_SPACE, "lock": int(lock_id)}
        autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with _storage_errors(self._label):
            async with autocommit.connect() as connection:
                acquire = text("SELECT pg_try_advisory_lock(:space, :lock)")
                if not await connection.scalar(acquire, names):
                    yield None
                    return
                try:
                    await connection.execute(_SHORT_SESSION)
                    yield HeldLock(connection)
                finally:
                    # Closed, not returned to the pool: the lock belongs to the connection.
                    await connection.invalidate()

    def separate_engine(self) -> AsyncEngine:
        """Return an engine with one connection to the same PostgreSQL, which commits by itself.

        It does not wait for the connections that all others share. The caller disposes of it.
        """
        engine = _postgres_engine(self._engine.url, pool_size=1, limit=StatementLimit.SHORT)
        return engine.execution_options(isolation_level="AUTOCOMMIT")

    def storage_errors(self) -> AbstractContextManager[None]:
        """Return a block that turns errors of the driver into our own."""
        return _storage_errors(self._label)

    async def close(self) -> None:
        """Close all connections, even if cancelled: one that is half closed would stay open."""
        await run_to_completion(self._engine.dispose())
        self._thread.shutdown()
        self._thread_engine.dispose()


class HeldLock:
    """A lock that is held for as long as its connection lives."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def is_alive(self) -> bool:
        """Return whether the connection still lives, and with it the lock."""
        try:
            async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                await self._connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, TimeoutError):
            return False
        return True


async def run_to_completion(awaitable: Awaitable[_T]) -> _T:
    """Return the result of an awaitable; a cancellation takes effect once it has ended."""
    done = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait((done,))
        raise


def connect(address: str, pool_size: int = DEFAULT_POOL_SIZE) -> Connections:
    """Return the connections to the database at an address; none is opened yet.

    Args:
        address: "sqlite:///relative/path", "sqlite:////absolute/path" or "postgresql://…".
        pool_size: Connections to PostgreSQL that transactions use at most.

    Raises:
        ConfigurationError: if the address has another form.
        StorageError: if the directory of a SQLite file does not exist, or this user may not
            write the file.
    """
    url = database_url(address)
    if url.get_backend_name() == "postgresql":
        return Connections(_postgres_engine(url, pool_size, StatementLimit.LONG))
    path = Path(url.database or "")
    directory = path.absolute().parent
    with file_errors(path):
        if not directory.is_dir():
            raise StorageError(f"database: the directory {directory} does not exist; create it")
        prepare_file(path)
    engine = create_async_engine(url, hide_parameters=True, pool_size=3, max_overflow=7)
    configure_sqlite(engine.sync_engine)
    return Connections(engine)


def _postgres_engine(url: URL, pool_size: int, limit: StatementLimit) -> AsyncEngine:
    idle = min(pool_size, _IDLE_CONNECTIONS)
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=idle,
        max_overflow=pool_size - idle,
        connect_args=client_parameters(url),
    )
    limit_sessions(engine.sync_engine, limit)
    return engine


def _thread_engine_for(url: URL) -> Engine:
    """Return a synchronous engine for the same database, for use by one thread."""
    if url.get_backend_name() == "postgresql":
        thread_engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=1,
            connect_args=client_parameters(url),
        )
        limit_sessions(thread_engine, StatementLimit.SHORT)
        return thread_engine
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"), hide_parameters=True, pool_size=1, max_overflow=0
    )
    configure_sqlite(engine)
    return engine


async def _begin_writing(connection: AsyncConnection, lock: LockId) -> None:
    """Wait for a lock of PostgreSQL, and limit the statements that follow."""
    names = {"space": _LOCK_SPACE, "lock": int(lock)}
    if lock is LockId.MIGRATION:
        await connection.execute(NO_LIMITS)
        await connection.execute(_ACQUIRE_LOCK, names)
    else:
        limit = StatementLimit.LONG if lock is LockId.ROLLUP else StatementLimit.SHORT
        await connection.execute(_BEGIN_WRITING, {**names, "limit": limit.value})


def acquire_lock(connection: Connection, lock: LockId) -> None:
    """Wait for a lock and hold it until the transaction ends; on SQLite, `BEGIN` has done so."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ACQUIRE_LOCK, {"space": _LOCK_SPACE, "lock": int(lock)})


def upsert(connection: AsyncConnection, table: Table) -> Insert:
    """Return an insert that replaces all other columns of rows whose key exists."""
    keys = [column.name for column in table.primary_key]
    insert = _dialect_insert(connection, table)
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=others)


def insert_or_ignore(connection: Connection, table: Table) -> Insert:
    """Return an insert into a table that skips rows whose key exists."""
    return _dialect_insert(connection, table).on_conflict_do_nothing()


def _dialect_insert(
    connection: Connection | AsyncConnection, table: Table
) -> sqlite.Insert | postgresql.Insert:
    # Both databases have ON CONFLICT, but SQLAlchemy has a class of its own for each.
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


@contextmanager
def _storage_errors(label: str) -> Iterator[None]:
    """Turn errors of the driver into our own, which show no values of the statement."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        reason = " ".join(str(cause).split())
        raise _kind_of(error)(f"database {label}: {reason}") from error


def _kind_of(error: SQLAlchemyError) -> type[StorageError]:
    is_value = isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    if is_value or isinstance(error, _PERMANENT_ERRORS):
        return UnwritableError
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return LockTimeoutError if state in _LOCK_STATES else StorageError
