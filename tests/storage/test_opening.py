"""Addresses, and the upgrade of tables on opening."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from tallylight.clock import VirtualClock
from tallylight.errors import ConfigurationError, StorageError
from tallylight.storage.database import open_storage
from tallylight.storage.database_address import database_url, require_database
from tallylight.storage.engine import LockId, connect
from tallylight.storage.migration import HEAD, stored_revision
from tallylight.storage.tables import metadata


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("sqlite:///here/history.db", "sqlite+aiosqlite:///here/history.db"),
        ("sqlite:////var/lib/history.db", "sqlite+aiosqlite:////var/lib/history.db"),
        ("postgresql://me@db:5433/tallylight", "postgresql+psycopg://me@db:5433/tallylight"),
    ],
)
def test_an_address_names_no_driver(address: str, url: str) -> None:
    assert database_url(address).render_as_string() == url


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("mysql://me:hunter2@db/tallylight", 'unknown scheme "mysql"'),
        ("sqlite+pysqlite:///x.db", 'unknown scheme "sqlite\\+pysqlite"'),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("history.db", "not an address"),
        ("me:hunter2@db", "not an address"),
    ],
)
def test_a_refused_address_is_not_shown(address: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        database_url(address)

    assert "sqlite:///relative/path" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_missing_directory_is_named(tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(StorageError, match=f"{tmp_path}/absent does not exist"):
        async with open_storage(f"sqlite:///{tmp_path}/absent/history.db", clock):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "history.db").write_text("Dear diary, " * 1000)

    with pytest.raises(StorageError, match="not a database"):
        async with open_storage(f"sqlite:///{tmp_path}/history.db", clock):
            pass


@pytest.mark.parametrize("is_hidden", [False, True])
async def test_a_file_that_this_user_may_not_use_is_refused_in_one_sentence(
    tmp_path: Path,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    is_hidden: bool,
) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    address = f"sqlite:///{directory}/history.db"
    async with open_storage(address, clock):
        pass
    if is_hidden:
        monkeypatch.setattr(Path, "is_dir", _forbidden)
        monkeypatch.setattr(Path, "exists", _forbidden)
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may read all files

    with pytest.raises(StorageError, match="may not read and write it") as caught:
        connect(address)

    assert "\n" not in str(caught.value)
    if is_hidden:
        with pytest.raises(StorageError, match="may not read and write it"):
            require_database(address)


def _forbidden(*_: object) -> bool:
    raise PermissionError


async def test_another_process_leaves_the_log_of_a_file_that_was_opened_twice(
    tmp_path: Path, clock: VirtualClock
) -> None:
    file = tmp_path / "history.db"
    program = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
connection.close()
"""
    async with open_storage(f"sqlite:///{file}", clock):
        await connect(f"sqlite:///{file}").close()

        # The process that is the last to use a file removes its log.
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", program, str(file)], check=True
        )

        assert file.with_name("history.db-wal").exists()


async def test_the_tables_are_those_that_the_code_expects(
    empty_address: str, clock: VirtualClock
) -> None:
    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with (
        open_storage(empty_address, clock) as history,
        history.connections.read_transaction() as connection,
    ):
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(stored_revision) == HEAD


def test_the_newest_migration_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", "tallylight.storage:migrations")

    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_processes_that_open_an_empty_database_at_once_share_it(
    empty_address: str, clock: VirtualClock
) -> None:
    async def opens() -> str | None:
        async with (
            open_storage(empty_address, clock) as history,
            history.connections.read_transaction() as connection,
        ):
            return await connection.run_sync(stored_revision)

    assert set(await asyncio.gather(*(opens() for _ in range(4)))) == {HEAD}


async def test_a_newer_database_is_left_alone(address: str, clock: VirtualClock) -> None:
    async with open_storage(address, clock):
        pass
    connections = connect(address)
    async with connections.durable_transaction(LockId.MIGRATION) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await connections.close()

    with pytest.raises(StorageError, match="does not know revision 9999"):
        async with open_storage(address, clock):
            pass


async def test_opening_an_up_to_date_database_needs_no_migration_tool(
    tmp_path: Path, clock: VirtualClock
) -> None:
    address = f"sqlite:///{tmp_path}/history.db"
    async with open_storage(address, clock):
        pass
    program = f"""
import asyncio, sys
from tallylight.clock import SystemClock
from tallylight.storage.database import open_storage

async def main():
    async with open_storage({address!r}, SystemClock()) as history:
        print(sorted({{"alembic", "duckdb", "psycopg"}} & set(sys.modules)))

asyncio.run(main())
"""

    found = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert found.stdout == "[]\n"


async def test_a_durable_transaction_waits_for_the_disk(address: str, clock: VirtualClock) -> None:
    async with open_storage(address, clock) as history:
        connections = history.connections
        is_sqlite = address.startswith("sqlite")
        asked = text("PRAGMA synchronous" if is_sqlite else "SHOW synchronous_commit")

        for _ in range(2):  # in turn on the same connection
            async with connections.relaxed_transaction(LockId.EVIDENCE) as connection:
                passing = await connection.scalar(asked)
            async with connections.durable_transaction(LockId.LEDGER) as connection:
                durable = await connection.scalar(asked)

            assert (passing, durable) == ((1, 2) if is_sqlite else ("off", "on"))


async def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path, clock: VirtualClock) -> None:
    async with open_storage(f"sqlite:///{tmp_path}/history.db", clock):
        pass

    with create_engine(f"sqlite:///{tmp_path}/history.db").connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
