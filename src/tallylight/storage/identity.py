"""Where a database lives, and what happens once it is found elsewhere.

A copied, restored or promoted database may have forgotten what was sent before. Every video then
under way is barred: nothing is sent for it until the operator says that this database counts
(`storage.adoption`).

SQLite's file is known by its machine, file system and inode. An older copy that is put back into
the same file is known by a token, kept in the database and in a file beside it and renewed every
minute. PostgreSQL is known by the identifier of its cluster, its timeline (a promotion begins a
new one), and the numbers of the database and of a table (`pg_restore --clean` makes new tables).
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, text, update

from tallylight.errors import StorageError
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.machine import boot_id, machine_id
from tallylight.storage.process_files import ProcessFiles
from tallylight.storage.tables import component_state_table, videos_table

log = structlog.get_logger()

#: How often a process that serves calls `IdentityGuard.check`.
IDENTITY_INTERVAL = timedelta(minutes=1)

#: SQL for the timeline of PostgreSQL, as eight hexadecimal digits. The control file would show a
#: promotion only after its first checkpoint.
TIMELINE = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"

#: Videos that have not ended, and those of them for which nothing is sent.
UNDER_WAY = videos_table.c.ended_at_us.is_(None)
BARRED = UNDER_WAY & videos_table.c.is_barred

_STATE_NAME = "identity"
_BOOT = "boot"
_POSTGRES_IDENTITY = text(
    "SELECT (SELECT system_identifier FROM pg_control_system()) AS cluster,"  # noqa: S608  # our own constant
    f" {TIMELINE} AS timeline,"
    " (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,"
    " CAST(to_regclass('videos') AS oid) AS tables"
)


class Trait(StrEnum):
    """A property by which a database is recognised."""

    MACHINE = "machine"
    FILESYSTEM = "filesystem"
    DEVICE = "device"
    FILE = "file"
    CONTENT = "content"
    CLUSTER = "cluster"
    TIMELINE = "timeline"
    DATABASE = "database"
    TABLES = "tables"


class Difference(NamedTuple):
    """A property that is no longer what it was."""

    trait: Trait
    before: str
    after: str

    def __str__(self) -> str:
        values = f": {self.before} → {self.after}" if self.before or self.after else ""
        return f"{self.trait}{values}"


_OLDER_COPY = Difference(Trait.CONTENT, "", "")


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """What has changed since the database was last adopted.

    Args:
        differences: What has changed.
        videos: How many videos under way are barred for it.
    """

    differences: tuple[Difference, ...]
    videos: int


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    """What a database says of itself.

    Args:
        identity: The properties of the place where it was opened last, by their names.
        token: What the file beside SQLite's database must hold; "" on PostgreSQL.
        differences: What has changed and is not adopted.
    """

    identity: Mapping[str, str]
    token: str = ""
    differences: tuple[Difference, ...] = ()


class IdentityGuard:
    """Bars the videos under way whenever the database is found elsewhere.

    Args:
        connections: The opened database, with its tables up to date.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._logged: tuple[Difference, ...] = ()

    async def check(self) -> IdentityChange | None:
        """Bar the videos under way if the database has moved; return what is not adopted.

        Videos that are created afterwards are not barred. Once no video is barred, there is
        nothing to adopt. The token is renewed.

        Raises:
            StorageError: if the database, or the file beside it, cannot be read or written.
        """
        file = self._connections.file
        # The lock, or two servers would bar twice. Not in a thread of its own: when the program
        # ends, none can be started.
        async with self._connections.durable_transaction(LockId.PROCESS) as connection:
            change = await connection.run_sync(_check, file)
        if file is not None:
            await drop_former_token(self._connections, file)
        if change is None:
            self._logged = ()
            return None
        if change.differences != self._logged:
            _log_change(change)
        self._logged = change.differences
        return change if change.videos else None

    async def close(self) -> None:
        """Renew the token: a copy that was made while the process ran is then an older one."""
        try:
            await self.check()
        except StorageError as error:
            log.debug("database.token_kept", error=str(error))


def set_bar(connection: Connection, which: ColumnElement[bool], *, is_barred: bool) -> None:
    """Bar videos or lift their bar.

    Their revision rises: a decision that was made before does not hold.
    """
    # In the order of their ids, as every group of writes locks them.
    ids = select(videos_table.c.id).where(which).order_by(videos_table.c.id)
    connection.execute(ids.with_for_update(key_share=True))
    changed = (
        update(videos_table)
        .where(which)
        .values(is_barred=is_barred, revision=videos_table.c.revision + 1)
    )
    connection.execute(changed)


def present_identity(connection: Connection, file: Path | None) -> Mapping[str, str]:
    """Return the properties of the place where the database is open now.

    Args:
        connection: A connection to it.
        file: Its path; None for PostgreSQL.

    Raises:
        StorageError: if the file is gone.
    """
    if file is None:
        row = connection.execute(_POSTGRES_IDENTITY).one()
        return {name: str(value) for name, value in row._mapping.items()}  # noqa: SLF001  # public
    try:
        found = file.stat()
        filesystem = os.statvfs(file).f_fsid
    except OSError as error:
        raise StorageError(f"database: {file}: {error.strerror}") from error
    return {
        Trait.MACHINE: machine_id(),
        Trait.FILESYSTEM: f"{filesystem:x}",
        Trait.DEVICE: str(found.st_dev),
        Trait.FILE: str(found.st_ino),
        _BOOT: boot_id(),
    }


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...]:
    """Return what tells two places apart.

    Disks get their numbers anew when the machine starts, and some file systems theirs: after a
    start, only both together count. Within one, either does.
    """
    found = [
        Difference(trait, before.get(trait, ""), after.get(trait, ""))
        for trait in Trait
        if before.get(trait, "") != after.get(trait, "")
    ]
    disk = [each for each in found if each.trait in {Trait.FILESYSTEM, Trait.DEVICE}]
    is_same_start = before.get(_BOOT) == after.get(_BOOT) != ""
    if len(disk) == 1 and not is_same_start:
        found.remove(disk[0])
    return tuple(found)


def load_identity(connection: Connection) -> StoredIdentity | None:
    """Return what a database says of itself, None if it has never been served."""
    table = component_state_table
    state = connection.scalar(select(table.c.state).where(table.c.name == _STATE_NAME))
    if state is None:
        return None
    found = json.loads(state)
    changed = (Difference(Trait(trait), *values) for trait, *values in found["differences"])
    return StoredIdentity(found["identity"], found["token"], tuple(changed))


def identity_now(
    connection: Connection, file: Path | None
) -> tuple[StoredIdentity, tuple[Difference, ...]]:
    """Return the identity of the present place, and what is new in it since the last check."""
    stored, present = load_identity(connection), present_identity(connection, file)
    tokens = () if file is None else ProcessFiles(file).read_tokens()
    if stored is None:
        # Where a file of tokens lies beside it, this is a copy from before the first check.
        older = (_OLDER_COPY,) if tokens else ()
        return StoredIdentity(present, differences=older), older
    found = differences(stored.identity, present)
    if file is not None and stored.token not in tokens:
        found = (*found, _OLDER_COPY)
    merged = tuple(dict.fromkeys((*stored.differences, *found)))
    return StoredIdentity(present, stored.token, merged), found


def store_identity(connection: Connection, identity: StoredIdentity, file: Path | None) -> None:
    """Store an identity with a new token.

    The file beside SQLite's database first gets both tokens, so that it holds the right one
    whether or not the transaction is committed.
    """
    if file is not None:
        token = secrets.token_hex()
        ProcessFiles(file).write_tokens(identity.token, token)
        identity = replace(identity, token=token)
    row = {
        "identity": dict(identity.identity),
        "token": identity.token,
        "differences": identity.differences,
    }
    table = component_state_table
    connection.execute(delete(table).where(table.c.name == _STATE_NAME))
    connection.execute(insert(table).values(name=_STATE_NAME, state=json.dumps(row)))


async def drop_former_token(connections: Connections, file: Path) -> None:
    """Let the file beside SQLite's database hold only the token that was committed."""

    def drop(connection: Connection) -> None:
        # The transaction excludes writers, so no other token is on its way.
        identity = load_identity(connection)
        if identity is not None:
            ProcessFiles(file).write_tokens(identity.token)

    async with connections.relaxed_transaction(LockId.PROCESS) as connection:
        await connection.run_sync(drop)


def _check(connection: Connection, file: Path | None) -> IdentityChange | None:
    identity, found = identity_now(connection, file)
    if found:
        set_bar(connection, UNDER_WAY & ~videos_table.c.is_barred, is_barred=True)
    barred = connection.scalar(select(func.count()).where(BARRED)) or 0
    change = IdentityChange(identity.differences, barred) if identity.differences else None
    store_identity(connection, identity if barred else replace(identity, differences=()), file)
    return change


def _log_change(change: IdentityChange) -> None:
    changed = [str(each) for each in change.differences]
    if not change.videos:
        log.info("database.moved", changed=changed)
        return
    log.warning(
        "database.moved",
        changed=changed,
        barred=change.videos,
        effect="nothing is sent for the barred videos",
        command="tallylight adopt",
    )
