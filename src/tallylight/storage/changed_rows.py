"""The rows of videos that one transaction changes, collected and written statement by statement."""

from collections.abc import Mapping

from sqlalchemy import Connection, Insert, Update, bindparam, insert, update

from tallylight.model.attempt import Attempt
from tallylight.model.ledger import EntryId, LedgerEntry
from tallylight.model.video import VideoKind, VideoRecord
from tallylight.storage.attempts import attempt_update_values, attempt_values
from tallylight.storage.ledger import ledger_update_values, ledger_values
from tallylight.storage.tables import attempts_table, ledger_table, videos_table
from tallylight.storage.video_rows import video_update_values, video_values


class ChangedRows:
    """Rows of videos, attempts and ledger entries, by statement."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Mapping[str, object]]] = {}

    def add(self, before: VideoRecord | None, record: VideoRecord, token: str) -> None:
        """Add what differs between two versions of a video.

        Args:
            before: The version that the database has; None for a new video.
            record: The version to write.
            token: That of the latest decision.
        """
        if before is None:
            row = video_values(record.video, token)
            self._add("new_videos", {**row, "open_service": _open_service(record)})
        elif record.video != before.video:
            version = {"b_id": record.video.id, "written_by": token}
            row = video_update_values(record.video)
            self._add("videos", {**version, **row, "open_service": _open_service(record)})
        attempts = () if before is None else before.attempts
        known = {attempt.id: attempt for attempt in attempts}
        for attempt in record.attempts:
            self._add_attempt(attempt, known.get(attempt.id))
        entries: Mapping[EntryId, LedgerEntry] = {} if before is None else before.entries
        for entry in record.entries.values():
            self._add_entry(entry, entries.get(entry.id))

    def write(self, connection: Connection) -> None:
        """Write all rows."""
        for name, statement in _STATEMENTS.items():
            if name in self._rows:
                connection.execute(statement, self._rows[name])

    def _add_attempt(self, attempt: Attempt, before: Attempt | None) -> None:
        if before is None:
            self._add("new_attempts", attempt_values(attempt))
        elif attempt != before:
            self._add("attempts", {"b_id": attempt.id, **attempt_update_values(attempt)})

    def _add_entry(self, entry: LedgerEntry, before: LedgerEntry | None) -> None:
        if before is None:
            self._add("new_entries", ledger_values(entry))
        elif entry != before:
            self._add("entries", {"b_id": entry.id, **ledger_update_values(entry)})

    def _add(self, name: str, row: Mapping[str, object]) -> None:
        self._rows.setdefault(name, []).append(row)


def _open_service(record: VideoRecord) -> str:
    """Return the service of the newest open attempt; its job can be asked of that one alone."""
    if record.video.kind is VideoKind.PROBE:
        return record.video.model  # also before it has an attempt
    return next((each.service for each in reversed(record.open_attempts)), "")


#: In the order in which they are executed. An update sets the columns that its rows name; the
#: names of the other parameters begin with `b_`.
_STATEMENTS: Mapping[str, Insert | Update] = {
    "new_videos": insert(videos_table),
    "new_entries": insert(ledger_table),
    "new_attempts": insert(attempts_table),
    "attempts": update(attempts_table).where(attempts_table.c.id == bindparam("b_id")),
    "entries": update(ledger_table).where(ledger_table.c.id == bindparam("b_id")),
    "videos": update(videos_table).where(videos_table.c.id == bindparam("b_id")),
}
