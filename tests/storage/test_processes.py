"""Who is alive: on PostgreSQL by counters, on SQLite by locks of real processes."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tallylight.clock import VirtualClock
from tallylight.errors import StorageError
from tallylight.model.ids import ServiceId
from tallylight.storage.database_clock import DatabaseClock
from tallylight.storage.engine import Connections, LockId, connect
from tallylight.storage.migration import upgrade_schema
from tallylight.storage.processes import Liveness, Sighting, open_liveness, sightings
from tallylight.storage.types import DAY, to_microseconds
from tests.storage.rows import NOON, insert_video

FILM = ServiceId("film")
BEATS = 4

_OTHER_PROCESS = """
import asyncio, sys
from tallylight.clock import SystemClock
from tallylight.storage.database_clock import DatabaseClock
from tallylight.storage.engine import connect
from tallylight.storage.processes import open_liveness

async def main():
    connections = connect(sys.argv[1])
    clock = DatabaseClock(SystemClock(), None)

    async def nothing():
        pass

    liveness = open_liveness(connections, clock, lambda: True, nothing)
    await liveness.register(["film"])
    print(liveness.name, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def connections(address: str) -> AsyncIterator[Connections]:
    connections = connect(address, pool_size=3)
    await upgrade_schema(connections)
    yield connections
    await connections.close()


@pytest.fixture
async def on_postgres(
    new_postgres: Callable[[str | None], str],
) -> AsyncIterator[Connections]:
    connections = connect(new_postgres(None), pool_size=3)
    await upgrade_schema(connections)
    yield connections
    await connections.close()


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Connections]:
    connections = connect(f"sqlite:///{tmp_path}/history.db")
    await upgrade_schema(connections)
    yield connections
    await connections.close()


async def _nothing() -> None:
    pass


@asynccontextmanager
async def alive(
    connections: Connections,
    *,
    is_well: Callable[[], bool] = lambda: True,
    check_identity: Callable[[], object] = lambda: None,
) -> AsyncIterator[Liveness]:
    """Give a registered process that is closed at the end."""

    async def notice() -> None:
        check_identity()

    clock = DatabaseClock(VirtualClock(NOON), None)
    liveness = open_liveness(connections, clock, is_well, notice)
    await liveness.register([FILM])
    yield liveness
    await liveness.close()


async def execute(connections: Connections, statement: str, **values: object) -> None:
    async with connections.durable_transaction(LockId.PROCESS) as connection:
        await connection.execute(text(statement), values)


async def processes(connections: Connections) -> Mapping[str, tuple[int, str, bool]]:
    """Return counter, services and whether it lives, of each process in the table."""
    async with connections.read_transaction() as connection:
        rows = await connection.execute(text("SELECT * FROM processes"))
        return {row.name: (row.beat, row.services, row.dead_at_us is None) for row in rows}


async def living(connections: Connections) -> set[str]:
    return {name for name, (_, _, lives) in (await processes(connections)).items() if lives}


async def add_process(connections: Connections, name: str, beat: int = 7) -> None:
    await execute(
        connections,
        "INSERT INTO processes (name, beat, services, started_at_us)"
        " VALUES (:name, :beat, '[]', 0)",
        name=name,
        beat=beat,
    )


async def test_a_process_says_which_services_it_can_ask(connections: Connections) -> None:
    async with alive(connections) as process:
        first = await processes(connections)
        await process.register([ServiceId("b"), ServiceId("a")])
        second = await processes(connections)

    assert first == {process.name: (1, '["film"]', True)}
    assert second == {process.name: (1, '["a", "b"]', True)}


async def test_a_process_that_ends_says_so_at_once(connections: Connections) -> None:
    async with alive(connections) as one, alive(connections) as two:
        both = await living(connections)
        await two.close()
        rest = await living(connections)

    assert both == {one.name, two.name}
    assert rest == {one.name}


async def test_a_process_that_was_declared_dead_goes_on_under_another_name(
    connections: Connections,
) -> None:
    checks: list[str] = []
    async with alive(connections, check_identity=lambda: checks.append(process.name)) as process:
        before = process.name
        await execute(connections, "UPDATE processes SET dead_at_us = 1")

        found = await process.beat()
        assert checks == [before]

        assert (found, await process.beat()) == (False, True)
        assert process.name != before
        assert await living(connections) == {process.name}
        assert (await processes(connections))[process.name][1] == json.dumps([FILM])


async def test_the_dead_are_forgotten_a_day_later_unless_a_video_names_them(
    connections: Connections,
) -> None:
    for name in ("old", "named", "fresh"):
        await add_process(connections, name)
    long_ago = to_microseconds(NOON - DAY - timedelta(seconds=1))
    await execute(connections, "UPDATE processes SET dead_at_us = :at", at=long_ago)
    await execute(
        connections,
        "UPDATE processes SET dead_at_us = :at WHERE name = 'fresh'",
        at=to_microseconds(NOON - timedelta(hours=23)),
    )
    await insert_video(connections, "video_1", owner="named")
    await insert_video(connections, "video_2", owner="old", ended_at=NOON)

    async with alive(connections) as process:
        assert set(await processes(connections)) == {"named", "fresh", process.name}


async def test_closing_a_process_never_fails(connections: Connections) -> None:
    async with alive(connections) as process:
        await execute(connections, "DROP TABLE processes")
        await process.close()


def test_a_counter_that_moves_starts_the_count_again() -> None:
    seen: Mapping[str, Sighting] = {}
    for beat in (1, 1, 1, 2, 2):
        seen = sightings(seen, {"other": beat})

    assert seen == {"other": Sighting(2, 1)}
    assert sightings(seen, {}) == {}


class TestHeartbeat:
    async def test_a_counter_that_stands_still_for_four_own_beats_is_a_death(
        self, on_postgres: Connections
    ) -> None:
        await add_process(on_postgres, "stopped")

        async with alive(on_postgres) as process:
            for _ in range(BEATS):
                await process.beat()
            before = await living(on_postgres)
            await process.beat()

            assert before == {process.name, "stopped"}
            assert await living(on_postgres) == {process.name}

    async def test_a_counter_that_moves_is_a_life(self, on_postgres: Connections) -> None:
        await add_process(on_postgres, "slow")

        async with alive(on_postgres) as process:
            for number in range(3 * BEATS):
                if number % BEATS == 0:
                    await execute(
                        on_postgres, "UPDATE processes SET beat = beat + 1 WHERE name = 'slow'"
                    )
                await process.beat()

            assert await living(on_postgres) == {process.name, "slow"}

    async def test_only_own_beats_that_got_through_count(self, on_postgres: Connections) -> None:
        await add_process(on_postgres, "stopped")

        async with alive(on_postgres) as process:
            for _ in range(BEATS):
                await process.beat()
            await execute(on_postgres, "ALTER TABLE processes RENAME TO away")
            for _ in range(BEATS):
                with pytest.raises(StorageError):
                    await process.beat()
            await execute(on_postgres, "ALTER TABLE away RENAME TO processes")

            assert await living(on_postgres) == {process.name, "stopped"}

    async def test_a_process_that_is_not_well_does_not_beat(self, on_postgres: Connections) -> None:
        await add_process(on_postgres, "stopped")
        health = {"is_well": True}

        async with alive(on_postgres, is_well=lambda: health["is_well"]) as process:
            await process.beat()
            health["is_well"] = False
            for _ in range(2 * BEATS):
                assert await process.beat()

            assert (await processes(on_postgres))[process.name][0] == 2
            assert await living(on_postgres) == {process.name, "stopped"}

    async def test_it_needs_none_of_the_connections_that_the_rest_uses(
        self, on_postgres: Connections
    ) -> None:
        async with (
            alive(on_postgres) as process,
            on_postgres.read_transaction() as one,
            on_postgres.read_transaction() as two,
            on_postgres.read_transaction() as three,
        ):
            for connection in (one, two, three):
                await connection.execute(text("SELECT 1"))

            assert await process.beat()

    async def test_a_server_that_does_not_answer_fails_one_beat(
        self, on_postgres: Connections
    ) -> None:
        async with alive(on_postgres) as process:
            async with on_postgres.durable_transaction(LockId.PROCESS) as connection:
                # Ours would not hold a lock while it does nothing.
                await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                await connection.execute(text("SELECT 1 FROM processes FOR UPDATE"))
                with pytest.raises(StorageError):
                    await process.beat()

            assert await process.beat()

    async def test_it_connects_again(self, on_postgres: Connections) -> None:
        async with alive(on_postgres) as process:
            await process.beat()
            await execute(
                on_postgres,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid != pg_backend_pid()",
            )

            assert await process.beat()
            assert (await processes(on_postgres))[process.name][0] == 3

    async def test_a_new_timeline_is_looked_at_before_anyone_is_judged(
        self, on_postgres: Connections
    ) -> None:
        await add_process(on_postgres, "stopped")
        looks: list[int] = []

        def look() -> None:
            looks.append(len(looks))
            if len(looks) <= BEATS + 1:
                raise StorageError("away")

        async with alive(on_postgres, check_identity=look) as process:
            for _ in range(BEATS + 1):
                with pytest.raises(StorageError, match="away"):
                    await process.beat()
            before = await living(on_postgres)
            for _ in range(BEATS + 1):
                await process.beat()

            assert before == {process.name, "stopped"}
            assert await living(on_postgres) == {process.name}
            assert len(looks) == BEATS + 2


async def _start(connections: Connections) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _OTHER_PROCESS,
        f"sqlite:///{connections.file}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


class TestLocks:
    async def test_only_a_process_that_has_ended_is_dead(self, on_sqlite: Connections) -> None:
        child, name = await _start(on_sqlite)
        try:
            async with alive(on_sqlite) as process:
                await process.beat()
                running = await living(on_sqlite)
                child.send_signal(signal.SIGSTOP)
                for _ in range(2 * BEATS):
                    await process.beat()
                stopped = await living(on_sqlite)
                child.kill()
                await child.wait()
                await process.beat()

                assert running == stopped == {process.name, name}
                assert await living(on_sqlite) == {process.name}
                assert [path.stem for path in files(on_sqlite)] == [process.name]
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def test_a_process_without_its_file_is_dead(self, on_sqlite: Connections) -> None:
        await add_process(on_sqlite, "gone")

        async with alive(on_sqlite) as process:
            await process.beat()

            assert await living(on_sqlite) == {process.name}

    async def test_files_that_a_crash_left_are_removed(self, on_sqlite: Connections) -> None:
        async with alive(on_sqlite) as one:
            (lock,) = files(on_sqlite)
            lock.with_name("crashed.lock").touch()

            async with alive(on_sqlite) as two:
                assert {path.stem for path in files(on_sqlite)} == {one.name, two.name}
        assert files(on_sqlite) == []

    async def test_only_the_owner_may_read_the_files(self, on_sqlite: Connections) -> None:
        async with alive(on_sqlite):
            (lock,) = files(on_sqlite)

            assert stat.S_IMODE(lock.stat().st_mode) == 0o600
            assert stat.S_IMODE(lock.parent.stat().st_mode) == 0o700

    async def test_a_child_does_not_inherit_the_lock(self, on_sqlite: Connections) -> None:
        async with alive(on_sqlite) as process:
            lock = process._lock  # type: ignore[attr-defined]  # of FileLiveness

            assert not os.get_inheritable(lock)


def files(connections: Connections) -> list[Path]:
    return sorted(Path(f"{connections.file}.processes").glob("*.lock"))
