"""Rows of videos as plain values, for tests of what only looks at them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Table, Text, insert

from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import attempts_table, videos_table

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def insert_video(
    connections: Connections,
    id_: str,
    *,
    owner: str = "",
    ended_at: datetime | None = None,
    service: str = "film",
) -> None:
    """Insert a video, under way unless it has ended, with one accepted attempt."""
    video = {
        "id": id_,
        "owner": owner,
        "service": service,
        "created_at_us": NOON,
        "deadline_us": NOON + timedelta(hours=1),
        "ended_at_us": ended_at,
    }
    attempt = {
        "id": f"{id_}/1",
        "video": id_,
        "number": 1,
        "service": service,
        "state": "accepted",
        "intended_at_us": NOON,
    }
    async with connections.durable_transaction(LockId.VIDEO) as connection:
        await connection.execute(insert(videos_table), _blank(videos_table) | video)
        await connection.execute(insert(attempts_table), _blank(attempts_table) | attempt)


def _blank(table: Table) -> dict[str, object]:
    """Return a value of no meaning for each column that needs one."""
    needed = (each for each in table.columns if not (each.nullable or each.server_default))
    return {each.name: "" if isinstance(each.type, Text) else 0 for each in needed}
