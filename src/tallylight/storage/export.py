"""Exports the history as one JSON document, or as CSV or Parquet tables, page by page.

There are three tables: `evidence`, `transitions`, and `uptime` (seconds in each status). JSON has
them in one object. CSV and Parquet hold one table per file, so an export of all is a zip of three
files if its name ends in `.zip`, and else three files beside one another. A file appears under its
name only once it is complete. Times are ISO 8601 in UTC; durations have the unit that ends the name
of their column.
"""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tallylight.documents.files import put_file, scratch_directory
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Transition
from tallylight.storage.export_formats import ExportFormat, ExportTable
from tallylight.storage.export_writers import (
    CsvWriter,
    ExportRow,
    JsonWriter,
    SpreadsheetWriter,
    convert_to_parquet,
)
from tallylight.storage.queries import StorageQueries

#: The columns of each table, and their types in Parquet.
EXPORT_COLUMNS: dict[ExportTable, dict[str, str]] = {
    ExportTable.EVIDENCE: {
        "service": "VARCHAR",
        "at": "TIMESTAMPTZ",
        "source": "VARCHAR",
        "outcome": "VARCHAR",
        "latency_ms": "DOUBLE",
        "failure": "VARCHAR",
        "fault": "VARCHAR",
        "http_status": "INTEGER",
        "rule": "VARCHAR",
        "text": "VARCHAR",
        "retry_after_s": "DOUBLE",
        "claimed_status": "VARCHAR",
        "until": "TIMESTAMPTZ",
        "note": "VARCHAR",
        "vantage": "VARCHAR",
    },
    ExportTable.TRANSITIONS: {
        "service": "VARCHAR",
        "at": "TIMESTAMPTZ",
        "recorded_at": "TIMESTAMPTZ",
        "before": "VARCHAR",
        "after": "VARCHAR",
        "confidence": "DOUBLE",
        "blocked": "VARCHAR",
        "reasons": "VARCHAR",
    },
    ExportTable.UPTIME: {
        "service": "VARCHAR",
        "start": "TIMESTAMPTZ",
        "end": "TIMESTAMPTZ",
        **{f"{status}_s": "DOUBLE" for status in Status},
    },
}

_T = TypeVar("_T")
_R = TypeVar("_R")

_STEP = timedelta(days=1)  # transitions are read a day at a time


async def export(  # noqa: PLR0913  # as many as the command has options
    history: StorageQueries,
    out: Path,
    format_: ExportFormat,
    *,
    services: Mapping[ServiceId, datetime],
    start: datetime,
    end: datetime,
    table: ExportTable | None = None,
) -> tuple[Path, ...]:
    """Write the history of some services in [start, end), and return the files that were written.

    Args:
        history: The storage to read.
        out: The file; an existing one is replaced at the end. A link, a device or a pipe is
            written through.
        format_: The format of the file.
        services: The services whose history is exported, each with when its monitoring ended, for
            example by its removal from the configuration, or `end`.
        start: The start of the window.
        end: Its end, not in the future.
        table: The one table to write; None for all.

    Raises:
        ConfigurationError: if the format is Parquet and its extra is not installed.
        OSError: if the file cannot be written.
    """
    chosen = tuple(ExportTable) if table is None else (table,)
    rows = _Rows(history, services, start, end)
    with TemporaryDirectory(prefix=".tallylight-export-", dir=scratch_directory(out)) as scratch:
        if format_ is ExportFormat.JSON:
            written = {out: await _write_json(Path(scratch), chosen, rows)}
        else:
            files = [await _write_table(Path(scratch), one, format_, rows) for one in chosen]
            if table:
                written = {out: files[0]}
            elif out.suffix.lower() == ".zip":
                written = {out: await asyncio.to_thread(_zip_files, files)}
            else:
                written = {_named(out, file): file for file in files}
        for target, whole in written.items():
            await asyncio.to_thread(put_file, whole, target)
    return tuple(written)


def _named(out: Path, file: Path) -> Path:
    """Return where the file of one table of several goes: "history-evidence.csv"."""
    if out.is_dir():
        return out / file.name
    if out.exists() and not out.is_file():
        reason = f"takes one table: name it with --table ({', '.join(ExportTable)})"
        raise ConfigurationError((Problem("export", str(out), reason),))
    stem = out.stem if out.suffix.lower() == file.suffix else out.name
    return out.with_name(f"{stem}-{file.name}")


class _Rows:
    """Reads the rows of the tables, a batch at a time."""

    def __init__(
        self,
        history: StorageQueries,
        services: Mapping[ServiceId, datetime],
        start: datetime,
        end: datetime,
    ) -> None:
        self._history, self._services = history, services
        self._start, self._end = start, end

    def of(self, table: ExportTable) -> AsyncIterator[list[ExportRow]]:
        """Yield the rows of a table in batches, oldest first."""
        match table:
            case ExportTable.EVIDENCE:
                return self._evidence()
            case ExportTable.TRANSITIONS:
                return self._transitions()
            case ExportTable.UPTIME:
                return self._uptime()

    async def _evidence(self) -> AsyncIterator[list[ExportRow]]:
        async for page in self._history.evidence_pages(self._start, self._end):
            yield [_evidence_row(piece) for piece in page if piece.service in self._services]

    async def _transitions(self) -> AsyncIterator[list[ExportRow]]:
        start = self._start
        while start < self._end:
            end = min(start + _STEP, self._end)
            found = await self._history.transitions(None, start, end)
            yield [_transition_row(one) for one in found if one.service in self._services]
            start = end

    async def _uptime(self) -> AsyncIterator[list[ExportRow]]:
        seconds = await self._status_seconds()
        ends: ExportRow = {"start": _iso(self._start), "end": _iso(self._end)}
        yield [
            {"service": service, **ends}
            | {f"{status}_s": seconds[service].get(status, 0.0) for status in Status}
            for service in sorted(seconds)
        ]

    async def _status_seconds(self) -> Mapping[ServiceId, Mapping[Status, float]]:
        """Return the seconds of each service in each status; after its end it is unknown."""
        by_end: dict[datetime, list[ServiceId]] = {}
        for service, end in self._services.items():
            by_end.setdefault(max(self._start, min(end, self._end)), []).append(service)
        found: dict[ServiceId, Mapping[Status, float]] = {}
        for end, services in by_end.items():
            rest = (self._end - end).total_seconds()
            sums = await self._history.status_seconds(services, self._start, end)
            for service in services:
                unknown = sums[service].get(Status.UNKNOWN, 0.0) + rest
                found[service] = {**sums[service], Status.UNKNOWN: unknown}
        return found


async def _write_json(scratch: Path, tables: Sequence[ExportTable], rows: _Rows) -> Path:
    path = scratch / "history.json"
    with JsonWriter(path) as writer:
        for table in tables:
            writer.begin_table(table)
            async for batch in rows.of(table):
                writer.add(batch)
    return path


async def _write_table(
    scratch: Path, table: ExportTable, format_: ExportFormat, rows: _Rows
) -> Path:
    path = scratch / f"{table}.csv"
    kind = CsvWriter if format_ is ExportFormat.PARQUET else SpreadsheetWriter
    with kind(path, list(EXPORT_COLUMNS[table])) as writer:
        async for batch in rows.of(table):
            writer.add(batch)
    if format_ is ExportFormat.PARQUET:
        return await asyncio.to_thread(convert_to_parquet, path, EXPORT_COLUMNS[table])
    return path


def _zip_files(paths: Sequence[Path]) -> Path:
    whole = paths[0].with_name("history.zip")
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, path.name)
    return whole


def _evidence_row(piece: Evidence) -> ExportRow:
    failure = piece.failure
    return {
        "service": piece.service,
        "at": _iso(piece.at),
        "source": piece.source.value,
        "outcome": "good" if piece.is_good else "bad" if piece.is_bad else "neutral",
        "latency_ms": _map_optional(piece.latency, lambda span: span.total_seconds() * 1000),
        "failure": _map_optional(failure, lambda it: it.kind.value),
        "fault": _map_optional(failure, lambda it: it.fault.value),
        "http_status": _map_optional(failure, lambda it: it.http_status),
        "rule": _map_optional(failure, lambda it: it.rule),
        "text": _map_optional(failure, lambda it: it.text),
        "retry_after_s": _map_optional(failure, lambda it: _map_optional(it.retry_after, _seconds)),
        "claimed_status": _map_optional(piece.claimed_status, lambda status: status.value),
        "until": _map_optional(piece.until, _iso),
        "note": piece.note,
        "vantage": piece.vantage,
    }


def _transition_row(transition: Transition) -> ExportRow:
    after = transition.after
    return {
        "service": transition.service,
        "at": _iso(transition.at),
        "recorded_at": _iso(transition.recorded_at),
        "before": transition.before.status.value,
        "after": after.status.value,
        "confidence": after.confidence,
        "blocked": _map_optional(after.blocked, lambda kind: kind.value),
        "reasons": " ".join(reason.code.value for reason in after.reasons),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat()


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


def _map_optional(value: _T | None, then: Callable[[_T], _R]) -> _R | None:
    return None if value is None else then(value)
