"""The time of the database: instants that a step of the machine's clock does not move.

An instant is read once and carried on by the boot time, which nobody can set. Without this, a wall
clock that is set forward by an hour would end every video under way.

PostgreSQL's clock is the reference of all its processes. With SQLite it is the machine's clock as
it was at the first opening since the machine started; the database keeps that pair of times.
"""

import json
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, delete, exists, func, insert, select

from tallylight.clock import Clock, SystemClock
from tallylight.storage.engine import Connections
from tallylight.storage.host_clocks import HostClocks
from tallylight.storage.machine import boot_id
from tallylight.storage.tables import component_state_table, videos_table
from tallylight.storage.types import from_microseconds, to_microseconds

log = structlog.get_logger()

_STATE_NAME = "clock_anchor"
_STEP = timedelta(seconds=5)  # a smaller difference is the network's, or the start's
_LEAST_CORRECTION = timedelta(minutes=1)  # what is less is not worth opening anew
_SLEW = 0.05  # seconds of correction per second: time stays monotonic
_LONGEST_ROUND_TRIP = 1.0  # seconds; what took longer says too little about the time


class DatabaseClock:
    """A clock whose instants follow the database and whose durations are the process's.

    Args:
        clock: The clock of the process.
        anchor: The time that it is now; None if the process's clock is its own reference.

        host_clocks: What this process has heard from other hosts; None for nothing yet.

    Attributes:
        step: By how much its reference was ahead of it when they were compared last.
    """

    def __init__(
        self, clock: Clock, anchor: datetime | None, host_clocks: HostClocks | None = None
    ) -> None:
        self._clock = clock
        self._anchor = anchor
        self._anchored_at = clock.boottime()
        self._error = timedelta()
        self._is_stepped = False
        self.step = timedelta()
        self.host_clocks = host_clocks or HostClocks(clock)

    @property
    def is_own_reference(self) -> bool:
        """Tell whether this is no machine's clock, so that nothing can be set."""
        return self._anchor is None

    def now(self) -> datetime:
        """Return the current time, aware, in UTC; it never goes back."""
        return self._clock.now() if self._anchor is None else self._time_at(self._anchor)

    def monotonic(self) -> float:
        """Return the process's monotonic seconds."""
        return self._clock.monotonic()

    def boottime(self) -> float:
        """Return the process's seconds since the machine started."""
        return self._clock.boottime()

    async def sleep(self, duration: timedelta) -> None:
        """Sleep on the process's clock."""
        await self._clock.sleep(duration)

    def adjust(self, reference: datetime, asked_at: float, answered_at: float) -> None:
        """Approach the time of PostgreSQL, by at most 3 seconds a minute.

        Args:
            reference: The time that it told.
            asked_at: The boot time before it was asked.
            answered_at: The boot time at its answer.
        """
        if self._anchor is None or answered_at - asked_at > _LONGEST_ROUND_TRIP:
            return
        self._anchor, self._anchored_at = self._time_at(self._anchor), self._clock.boottime()
        age = timedelta(seconds=self._anchored_at - (asked_at + answered_at) / 2)
        self._error = reference + age - self._anchor
        self._log_step(self._error, "approached slowly")

    def compare_wall_clock(self) -> None:
        """Log if the machine's clock was set since the start; this clock ignores it."""
        if self._anchor is not None:
            self._log_step(self._clock.now() - self.now(), "ignored")

    def _time_at(self, anchor: datetime) -> datetime:
        elapsed = timedelta(seconds=self._clock.boottime() - self._anchored_at)
        if not self._error:
            return anchor + elapsed
        most = elapsed * _SLEW
        return anchor + elapsed + max(-most, min(most, self._error))

    def _log_step(self, difference: timedelta, effect: str) -> None:
        self.step = difference
        is_stepped = abs(difference) > _STEP
        if is_stepped and not self._is_stepped:
            log.warning("clock.stepped", by_s=difference.total_seconds(), effect=effect)
        self._is_stepped = is_stepped


async def open_database_clock(
    connections: Connections, clock: Clock, host_clocks: HostClocks
) -> DatabaseClock:
    """Return the clock of an opened database.

    Args:
        connections: The database, with its tables up to date.
        clock: The process's clock. One that is not the machine's is its own reference.
        host_clocks: What this process has heard from other hosts.

    Raises:
        StorageError: if the database cannot be read or written.
    """
    if not isinstance(clock, SystemClock):
        return DatabaseClock(clock, None, host_clocks)
    if connections.file is None:
        return DatabaseClock(clock, await _server_time(connections, clock), host_clocks)
    async with connections.read_transaction() as connection:
        kept = await connection.run_sync(lambda each: _kept_time(each, clock, host_clocks))
    if kept is not None:
        return DatabaseClock(clock, kept, host_clocks)
    anchor = await connections.run_in_thread(
        lambda each: _store_pair(each, clock), is_durable=False
    )
    return DatabaseClock(clock, anchor, host_clocks)


async def is_correction_due(connections: Connections, clock: DatabaseClock) -> bool:
    """Tell whether a clock's reference was set by so much that the process has to open anew.

    Raises:
        StorageError: if the database cannot be read.
    """
    step = clock.step
    if clock.is_own_reference or abs(step) < _LEAST_CORRECTION:
        return False
    async with connections.read_transaction() as connection:
        return await connection.run_sync(
            lambda each: _is_accepted(each, clock.now(), step, clock.host_clocks)
        )


async def _server_time(connections: Connections, clock: Clock) -> datetime:
    async with connections.read_transaction() as connection:
        await connection.scalar(select(1))  # the next statement is not delayed by connecting
        asked_at = clock.boottime()
        told: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return told.astimezone(UTC) + timedelta(seconds=(clock.boottime() - asked_at) / 2)


def _kept_time(connection: Connection, clock: Clock, host_clocks: HostClocks) -> datetime | None:
    """Return the present time by the stored pair of times, None if a new pair is due."""
    kept = _time_since_stored(connection, clock)
    if kept is None:
        return None
    step = clock.now() - kept
    if abs(step) <= _STEP:
        return kept
    is_accepted = _is_accepted(connection, kept, step, host_clocks)
    effect = "accepted" if is_accepted else "ignored"
    log.warning("clock.stepped", by_s=step.total_seconds(), effect=effect)
    return None if is_accepted else kept


def _is_accepted(
    connection: Connection, kept: datetime, step: timedelta, host_clocks: HostClocks
) -> bool:
    """Tell whether the time steps as its reference did, or goes on as it was kept."""
    agree = host_clocks.agree(kept + step)
    if agree is False:
        return False  # the reference was set to a wrong time
    if agree and not host_clocks.agree(kept):
        return True  # ours was the wrong one, and its videos are shifted with it (`clock_ahead`)
    # Times in the rows of a video under way must stay comparable with the present.
    return not connection.scalar(select(exists().where(videos_table.c.ended_at_us.is_(None))))


def _store_pair(connection: Connection, clock: Clock) -> datetime:
    """Store what the two clocks of the machine say now; return the time."""
    wall, table = clock.now(), component_state_table
    pair = {"boot": boot_id(), "boottime": clock.boottime(), "wall_us": to_microseconds(wall)}
    connection.execute(delete(table).where(table.c.name == _STATE_NAME))
    connection.execute(insert(table).values(name=_STATE_NAME, state=json.dumps(pair)))
    return wall


def _time_since_stored(connection: Connection, clock: Clock) -> datetime | None:
    """Return the present time by the stored pair, None if the machine has started since."""
    table = component_state_table
    state = connection.scalar(select(table.c.state).where(table.c.name == _STATE_NAME))
    if state is None:
        return None
    pair = json.loads(state)
    elapsed = clock.boottime() - pair["boottime"]
    if pair["boot"] != boot_id() or not pair["boot"] or elapsed < 0:
        return None
    return from_microseconds(pair["wall_us"]) + timedelta(seconds=elapsed)
