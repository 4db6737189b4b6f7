"""Fencing token: only the process that claimed leadership last may write verdicts.

Claims are numbered. A process that was stopped or cut off, and wakes up while another one leads,
still believes that it is the leader: its transactions find a higher number and fail.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.errors import StorageError
from tallylight.storage import cursors
from tallylight.storage.engine import Connections, LockId

_CURSOR = "leader_epoch"


class LeaderEpoch:
    """The number of this process's claim to leadership, if it has one."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._epoch: int | None = None

    async def claim(self) -> None:
        """Take the next number; transactions of former leaders fail from now on.

        Raises:
            StorageError: if the database is not available.
        """
        # The lock waits for writes that former leaders began, so that they are visible afterwards.
        async with self._connections.durable_transaction(LockId.EVIDENCE) as connection:
            epoch = await cursors.increment(connection, _CURSOR)
        self._epoch = epoch  # only now that the transaction is committed

    async def is_current(self) -> bool:
        """Return whether no other process has claimed leadership since.

        Raises:
            StorageError: if the database is not available.
        """
        async with self._connections.read_transaction() as connection:
            return await cursors.position(connection, _CURSOR) == self._epoch

    async def check(self, connection: AsyncConnection) -> None:
        """Check, within a transaction, that this process is still the leader if it ever was.

        Raises:
            StorageError: if another process has become the leader.
        """
        if self._epoch is not None and await cursors.position(connection, _CURSOR) != self._epoch:
            raise StorageError("database: another process has become the leader")
