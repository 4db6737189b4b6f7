"""The database's time is not moved by the machine's wall clock."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from structlog.testing import capture_logs

from tallylight.clock import Clock, SystemClock, VirtualClock
from tallylight.storage.database_clock import (
    DatabaseClock,
    is_correction_due,
    open_database_clock,
)
from tallylight.storage.engine import Connections, LockId, connect
from tallylight.storage.host_clocks import HostClocks
from tallylight.storage.migration import upgrade_schema
from tallylight.storage.tables import component_state_table
from tests.storage.rows import NOON, insert_video

HOUR, YEAR = timedelta(hours=1), timedelta(days=365)

NewDatabase = Callable[[str | None], str]


class MachineClock(SystemClock):
    """A machine whose wall clock can be set, and whose time passes by hand."""

    def __init__(self, wall: datetime = NOON) -> None:
        self.wall = wall
        self.passed = 1000.0

    def now(self) -> datetime:
        return self.wall + timedelta(seconds=self.passed - 1000)

    def boottime(self) -> float:
        return self.passed


@pytest.fixture
async def connections(address: str) -> AsyncIterator[Connections]:
    connections = connect(address)
    await upgrade_schema(connections)
    yield connections
    await connections.close()


@pytest.fixture
async def on_sqlite(new_sqlite: NewDatabase) -> AsyncIterator[Connections]:
    connections = connect(new_sqlite(None))
    await upgrade_schema(connections)
    yield connections
    await connections.close()


async def opened_clock(
    connections: Connections, clock: Clock, told: datetime | None = None
) -> DatabaseClock:
    """Open the clock of a process that another host has told the time, or none."""
    host_clocks = HostClocks(clock)
    if told is not None:
        host_clocks.observe("api.example.com", format_datetime(told))
    return await open_database_clock(connections, clock, host_clocks)


async def server_time(connections: Connections) -> datetime:
    async with connections.read_transaction() as connection:
        told: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return told


async def test_a_step_of_the_wall_clock_changes_nothing(connections: Connections) -> None:
    machine = MachineClock()
    clock = await opened_clock(connections, machine)
    before = clock.now()

    machine.wall += HOUR
    machine.passed += 10

    assert clock.now() - before == timedelta(seconds=10)


async def test_a_clock_of_its_own_is_its_own_reference(
    connections: Connections, clock: VirtualClock
) -> None:
    opened = await opened_clock(connections, clock)
    await clock.advance(HOUR)
    opened.adjust(NOON + 9 * HOUR, 0, 0)
    opened.compare_wall_clock()

    assert opened.now() == NOON + HOUR
    assert opened.monotonic() == opened.boottime() == HOUR.total_seconds()


async def test_a_sleep_is_the_processs(clock: VirtualClock) -> None:
    await DatabaseClock(clock, None).sleep(timedelta())


class TestPostgres:
    async def test_the_time_is_the_servers(self, new_postgres: NewDatabase) -> None:
        connections = connect(new_postgres(None))

        before = await server_time(connections)
        clock = await opened_clock(connections, MachineClock(NOON - 1000 * HOUR))
        after = await server_time(connections)

        await connections.close()
        assert before <= clock.now() <= after
        assert clock.now().tzinfo is UTC

    def test_it_approaches_another_time_slowly(self) -> None:
        machine = MachineClock()
        clock = DatabaseClock(machine, NOON)
        clock.adjust(NOON + timedelta(seconds=1), 1000, 1000)

        machine.passed += 10
        half_way = clock.now()
        machine.passed += 90

        assert half_way == NOON + timedelta(seconds=10.5)
        assert clock.now() == NOON + timedelta(seconds=101)

    def test_an_answer_that_took_long_says_nothing(self) -> None:
        machine = MachineClock()
        clock = DatabaseClock(machine, NOON)

        machine.passed += 10
        clock.adjust(NOON + HOUR, 1000, 1010)
        machine.passed += 10

        assert clock.now() == NOON + timedelta(seconds=20)

    def test_a_step_of_the_server_is_logged_once(self) -> None:
        machine = MachineClock()
        clock = DatabaseClock(machine, NOON)

        with capture_logs() as logs:
            for _ in range(3):
                machine.passed += 4
                clock.adjust(machine.now() + HOUR, machine.passed, machine.passed)

        assert [(each["event"], each["by_s"]) for each in logs] == [("clock.stepped", 3600)]

    async def test_a_step_of_the_server_is_followed_while_no_video_is_under_way(
        self, new_postgres: NewDatabase
    ) -> None:
        connections = connect(new_postgres(None))
        await upgrade_schema(connections)
        machine = MachineClock()
        clock = DatabaseClock(machine, NOON)

        clock.adjust(machine.now() - YEAR, machine.passed, machine.passed)
        alone = await is_correction_due(connections, clock)
        await insert_video(connections, "video_1")
        beside_a_video = await is_correction_due(connections, clock)
        await connections.close()

        assert (alone, beside_a_video) == (True, False)

    @given(
        st.lists(st.tuples(st.floats(0, 100), st.floats(-1e5, 1e5), st.floats(0, 2)), max_size=9)
    )
    def test_it_never_goes_back(self, beats: list[tuple[float, float, float]]) -> None:
        machine = MachineClock()
        clock = DatabaseClock(machine, NOON)
        last = clock.now()
        for seconds, error, round_trip in beats:
            asked_at = machine.passed
            machine.passed += round_trip
            clock.adjust(machine.now() + timedelta(seconds=error), asked_at, machine.passed)
            assert clock.now() >= last
            machine.passed += seconds
            assert clock.now() >= last
            last = clock.now()


class TestSqlite:
    async def test_the_time_goes_on_over_a_restart_of_the_process(
        self, on_sqlite: Connections
    ) -> None:
        await insert_video(on_sqlite, "video_1")
        machine = MachineClock()
        await opened_clock(on_sqlite, machine)

        machine.wall += HOUR
        machine.passed += 60
        with capture_logs() as logs:
            clock = await opened_clock(on_sqlite, machine)

        assert clock.now() == NOON + timedelta(seconds=60)
        assert [(each["by_s"], each["effect"]) for each in logs] == [(3600, "ignored")]

    async def test_opening_needs_no_writer_once_the_time_is_kept(
        self, on_sqlite: Connections
    ) -> None:
        machine = MachineClock()
        await opened_clock(on_sqlite, machine)
        machine.passed += 60

        async with on_sqlite.durable_transaction(LockId.VIDEO):  # excludes all other writers
            clock = await opened_clock(on_sqlite, machine)

        assert clock.now() == NOON + timedelta(seconds=60)

    async def test_a_corrected_wall_clock_is_accepted_where_no_video_is_under_way(
        self, on_sqlite: Connections
    ) -> None:
        await insert_video(on_sqlite, "video_1", ended_at=NOON)
        machine = MachineClock()
        await opened_clock(on_sqlite, machine)

        machine.wall -= HOUR
        with capture_logs() as logs:
            clock = await opened_clock(on_sqlite, machine)
            await opened_clock(on_sqlite, machine)

        assert clock.now() == NOON - HOUR
        assert [(each["by_s"], each["effect"]) for each in logs] == [(-3600, "accepted")]

    async def test_a_clock_that_others_contradict_is_corrected_also_beside_a_video(
        self, on_sqlite: Connections
    ) -> None:
        await insert_video(on_sqlite, "video_1")
        machine = MachineClock(NOON + YEAR)
        await opened_clock(on_sqlite, machine)

        machine.wall -= YEAR
        clock = await opened_clock(on_sqlite, machine, told=machine.now())

        assert clock.now() == NOON

    async def test_a_step_to_a_time_that_others_contradict_is_ignored(
        self, on_sqlite: Connections
    ) -> None:
        machine = MachineClock()
        await opened_clock(on_sqlite, machine)

        machine.wall -= YEAR
        clock = await opened_clock(on_sqlite, machine, told=machine.now() + YEAR)

        assert clock.now() == NOON

    @pytest.mark.parametrize(
        ("step", "told", "has_video", "is_due"),
        [
            (timedelta(0), None, False, False),
            (timedelta(seconds=30), None, False, False),  # not worth it
            (HOUR, None, False, True),
            (HOUR, timedelta(0), True, False),  # the video's times are compared with the present
            (-YEAR, -YEAR, True, True),
            (-YEAR, timedelta(0), False, False),  # the machine's clock was set wrong
            (-YEAR, None, False, True),
        ],
    )
    async def test_a_step_while_it_runs_is_followed_by_the_same_rule(
        self,
        on_sqlite: Connections,
        step: timedelta,
        told: timedelta | None,
        has_video: bool,
        is_due: bool,
    ) -> None:
        if has_video:
            await insert_video(on_sqlite, "video_1")
        machine = MachineClock()
        clock = await opened_clock(
            on_sqlite, machine, None if told is None else machine.now() + told
        )

        machine.wall += step
        clock.compare_wall_clock()

        assert await is_correction_due(on_sqlite, clock) is is_due

    async def test_another_start_of_the_machine_takes_its_wall_clock(
        self, on_sqlite: Connections
    ) -> None:
        await insert_video(on_sqlite, "video_1")
        await opened_clock(on_sqlite, MachineClock())
        await _start_machine_anew(on_sqlite)

        clock = await opened_clock(on_sqlite, MachineClock(NOON + HOUR))

        assert clock.now() == NOON + HOUR

    async def test_a_machine_whose_boot_time_went_back_was_started(
        self, on_sqlite: Connections
    ) -> None:
        await insert_video(on_sqlite, "video_1")
        await opened_clock(on_sqlite, MachineClock())
        started = MachineClock(NOON + HOUR)
        started.passed = 5

        clock = await opened_clock(on_sqlite, started)

        assert clock.now() == started.now()

    async def test_a_wall_clock_that_is_set_meanwhile_is_logged_once(
        self, on_sqlite: Connections
    ) -> None:
        machine = MachineClock()
        clock = await opened_clock(on_sqlite, machine)

        with capture_logs() as logs:
            clock.compare_wall_clock()
            machine.wall += HOUR
            clock.compare_wall_clock()
            clock.compare_wall_clock()

        assert [(each["event"], each["by_s"]) for each in logs] == [("clock.stepped", 3600)]


async def _start_machine_anew(connections: Connections) -> None:
    table = component_state_table
    async with connections.durable_transaction(LockId.PROCESS) as connection:
        state = (await connection.execute(select(table.c.state))).scalar_one()
        other = json.dumps(json.loads(state) | {"boot": "another"})
        await connection.execute(update(table).values(state=other))
