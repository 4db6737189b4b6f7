"""Upgrades the tables to the revision that this version expects.

Alembic is imported only for an upgrade: it costs a third of a second and 10 MiB.
"""

from sqlalchemy import Connection, inspect, text

from tallylight.errors import StorageError
from tallylight.storage.engine import Connections, LockId

#: The newest revision in `migrations/versions`.
HEAD = "0012"


async def upgrade_schema(connections: Connections) -> None:
    """Run the migrations that a database lacks, in one transaction.

    Raises:
        StorageError: if a newer version has written the database, or it cannot be reached.
    """
    async with connections.read_transaction() as connection:
        if await connection.run_sync(stored_revision) == HEAD:
            return
    async with connections.durable_transaction(LockId.MIGRATION) as connection:
        # Another process may have upgraded it while this one waited for the lock.
        if await connection.run_sync(stored_revision) != HEAD:
            await connection.run_sync(_upgrade)


def stored_revision(connection: Connection) -> str | None:
    """Return the revision of a database, None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # see the module's docstring
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "tallylight.storage:migrations")
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise StorageError(
            f"database: this tallylight (revision {HEAD}) does not know revision "
            f"{stored_revision(connection)} of the tables; use the newer tallylight that wrote them"
        ) from error
