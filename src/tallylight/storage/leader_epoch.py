"""The right to write what is judged: whoever claimed it last has it, and nobody before.

Claims are numbered. A process that was stopped, or cut off, and wakes up when another judges in
its place still believes in its own claim: its transactions find a higher number and fail.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.errors import StorageError
from tallylight.storage import cursors
from tallylight.storage.engine import Connections, LockId

_CURSOR = "leader_epoch"


class LeaderEpoch:
    """The number of this process's claim."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._epoch: int | None = None

    async def claim(self) -> None:
        """Take the next number: nothing that was judged before is written from now on.

        Raises:
            StorageError: if the database is away.
        """
        # In turn with those who write: what they began is there to be read when this returns.
        async with self._connections.durable_transaction(LockId.EVIDENCE) as connection:
            number = (await cursors.position(connection, _CURSOR) or 0) + 1
            await cursors.set_position(connection, _CURSOR, number)
        self._epoch = number

    async def is_current(self) -> bool:
        """Tell whether nobody has claimed since.

        Raises:
            StorageError: if the database is away.
        """
        async with self._connections.read_transaction() as connection:
            return await cursors.position(connection, _CURSOR) == self._epoch

    async def check(self, connection: AsyncConnection) -> None:
        """Let a transaction go on, unless it is one of a claim that is over.

        Raises:
            StorageError: if another process has become the leader.
        """
        if self._epoch is not None and await cursors.position(connection, _CURSOR) != self._epoch:
            raise StorageError("database: another process has become the leader")
