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
_SWITCHES = 10
_OPTION = "tallylight_writes"
_LAXLY = text("SET LOCAL synchronous_commit = off")
_ANSWER_SECONDS = 5
# A machine that vanishes closes no connection, and neither does a process that hangs: without these
# its claim would outlive it.
_MISS_SOON = text(
    "SELECT set_config('idle_session_timeout', '10s', false),"
    " set_config('tcp_keepalives_idle', '5', false),"
    " set_config('tcp_keepalives_interval', '2', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)
_UNWRITABLE = (DataError, IntegrityError, ProgrammingError)  # what no waiting mends
_TAKE_TURN = text("SELECT pg_advisory_xact_lock(:space, :turn)")

T = TypeVar("T")


class Turn(IntEnum):
    """What writers of different processes wait for one another about."""

    MIGRATION = 1
    EVIDENCE = 2  # evidence, standings, transitions
    FOLD = 3
    LEDGER = 4
    ATTEMPT = 5
    JUDGE = 6  # one process judges at a time
    VIDEO = 7  # callers' videos, their attempts and their money
    KEY = 8
    WEBHOOK = 9


class Connections:
    """The ways into one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        # Without the user and the password.
        self._place = f"{engine.url.host or ''}/{engine.url.database}"
        if self._is_sqlite:
            self._place = str(engine.url.database)
        # PostgreSQL would otherwise show each statement another state.
        one_state = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reading = engine.execution_options(**one_state)
        self._durable = engine.execution_options(**{_OPTION: "FULL"})
        self._passing = engine.execution_options(**{_OPTION: "NORMAL"})
        self._sync = _in_step(engine.url)
        self._sync_durable = self._sync.execution_options(**{_OPTION: "FULL"})
        self._sync_passing = self._sync.execution_options(**{_OPTION: "NORMAL"})
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        # SQLite's own waiting polls; a queue inside the process is fair and wakes at once.
        self._one_writer: AbstractAsyncContextManager[None] = (
            asyncio.Lock() if self._is_sqlite else nullcontext()
        )

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that sees one state of the database and changes nothing."""
        with _storage_errors(self._place):
            async with self._reading.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, turn: Turn) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that is durable once this returns."""
        async with self._writer(self._durable, turn) as connection:
            yield connection

    @asynccontextmanager
    async def noting(self, turn: Turn) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that a power cut, but no crash of ours, may undo."""
        async with self._writer(self._passing, turn) as connection:
            if not self._is_sqlite:
                await connection.execute(_LAXLY)
            yield connection

    @asynccontextmanager
    async def _writer(self, engine: AsyncEngine, turn: Turn) -> AsyncIterator[AsyncConnection]:
        with _storage_errors(self._place):
            async with self._one_writer, engine.begin() as connection:
                if not self._is_sqlite:
                    names = {"space": _LOCK_SPACE, "turn": int(turn)}
                    await connection.execute(_TAKE_TURN, names)
                yield connection

    async def write_in_thread(self, work: Callable[[Connection], T]) -> T:
        """Do work in a durable transaction of the driver's own, in a thread.

        For many rows at once: it costs a fraction of what the same statements cost here. On
        PostgreSQL it waits for nobody's turn, unless the work itself calls `take_turn`.
        """
        return await self._in_thread(self._sync_durable, work)

    async def note_in_thread(self, work: Callable[[Connection], T]) -> T:
        """Do the same in a transaction that a power cut, but no crash of ours, may undo."""
        return await self._in_thread(self._sync_passing, work)

    async def _in_thread(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        is_lax = engine is self._sync_passing and not self._is_sqlite

        def transact() -> T:
            with engine.begin() as connection:
                if is_lax:
                    connection.execute(_LAXLY)
                return work(connection)

        with _storage_errors(self._place):
            async with self._one_writer:
                # A thread cannot be called back: its turn ends when it ends.
                loop = asyncio.get_running_loop()
                return await unbroken(loop.run_in_executor(self._thread, transact))

    @asynccontextmanager
    async def claim(self, turn: Turn) -> AsyncIterator["Held | None"]:
        """Try to hold a turn of PostgreSQL as long as the block lasts; yield None in vain.

        The claim dies with the process, with its connection, and where nobody asks for ten
        seconds whether it is alive.
        """
        names = {"space": _LOCK_SPACE, "turn": int(turn)}
        outright = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with _storage_errors(self._place):
            async with outright.connect() as connection:
                lock = text("SELECT pg_try_advisory_lock(:space, :turn)")
                if not await connection.scalar(lock, names):
                    yield None
                    return
                try:
                    await connection.execute(_MISS_SOON)
                    yield Held(connection)
                finally:
                    # Closed and not given back: what is held goes with the connection.
                    await connection.invalidate()

    async def close(self) -> None:
        """Give all connections back, though cancelled: one that is half closed stays open."""
        await unbroken(self._engine.dispose())
        self._thread.shutdown()
        self._sync.dispose()


class Held:
    """A turn that is held as long as its connection lives."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def is_alive(self) -> bool:
        """Tell whether the connection, and with it the claim, is still there."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, TimeoutError):
            return False
        return True


async def unbroken(work: Awaitable[T]) -> T:
    """Return what work leads to; a cancellation takes effect once it has ended."""
    done = asyncio.ensure_future(work)
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
    _teach_sqlite(engine.sync_engine)
    return Connections(engine)


def _in_step(url: URL) -> Engine:
    """Return an engine for the same database that is used by one thread and waits for it."""
    if url.get_backend_name() == "postgresql":
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=1)
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"), hide_parameters=True, pool_size=1, max_overflow=0
    )
    _teach_sqlite(engine)
    return engine


def _teach_sqlite(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "invalidate", _roll_back_sqlite)


def take_turn(connection: Connection, turn: Turn) -> None:
    """Wait for a turn and hold it to the end of the transaction; SQLite's always has all turns."""
    if connection.dialect.name == "postgresql":
        connection.execute(_TAKE_TURN, {"space": _LOCK_SPACE, "turn": int(turn)})


def upsert(connection: AsyncConnection, table: Table) -> Insert:
    """Return an insert into a table that, where the key exists, replaces all other columns."""
    keys = [column.name for column in table.primary_key]
    # The two dialects spell it alike, but in classes of their own.
    insert: sqlite.Insert | postgresql.Insert = (
        sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    )
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=others)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by us, below
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    _keep_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _keep_write_ahead_log(cursor: DBAPICursor) -> None:
    for _ in range(_SWITCHES):
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
    synchronous = connection.get_execution_options().get(_OPTION)
    if synchronous is None:
        connection.exec_driver_sql("BEGIN")
        return
    if connection.info.get(_OPTION, "FULL") != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.info[_OPTION] = synchronous
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _storage_errors(place: str) -> Iterator[None]:
    """Turn what the driver raises into our own errors, without the statement's values."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        told = " ".join(str(cause).split())
        kind = UnwritableError if isinstance(error, _UNWRITABLE) else StorageError
        raise kind(f"database {place}: {type(cause).__name__}: {told}") from error
