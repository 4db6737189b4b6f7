"""Writers that write rows as they come, so that no table is held in memory."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from tallylight.errors import ConfigurationError, Problem

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
# Where semicolons or tabs separate cells, a formula may begin inside of a text as well.
_FORMULA = re.compile(r"(^|[;\t\r\n])([^\S\t\r\n]*[=+\-@＝＋－＠])")
_SEPARATORS = ("\t", "\r", "\n")

ExportCell = str | int | float | None
ExportRow = Mapping[str, ExportCell]


class _TextFileWriter:
    """A text file that is open for the length of its context."""

    def __init__(self, path: Path, encoding: str = "utf-8") -> None:
        self._file: TextIO = path.open("w", encoding=encoding, newline="")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()
        self._file.close()

    def finish(self) -> None:
        """Write the end of the file."""


class CsvWriter(_TextFileWriter):
    """Writes one table as CSV with a header line; an empty cell is a missing value."""

    def __init__(self, path: Path, columns: Sequence[str], encoding: str = "utf-8") -> None:
        super().__init__(path, encoding)
        self._writer = csv.DictWriter(self._file, columns)
        self._writer.writeheader()

    def add(self, rows: Iterable[ExportRow]) -> None:
        """Append rows."""
        self._writer.writerows(rows)


class SpreadsheetWriter(CsvWriter):
    """Writes a CSV that a spreadsheet opens as it is: with a mark of UTF-8, and without formulas.

    Source:
        https://owasp.org/www-community/attacks/CSV_Injection
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        super().__init__(path, columns, "utf-8-sig")

    def add(self, rows: Iterable[ExportRow]) -> None:
        """Append rows; texts that a spreadsheet would run get an apostrophe."""
        super().add({name: defused(cell) for name, cell in row.items()} for row in rows)


def defused(cell: ExportCell) -> ExportCell:
    """Return a cell that no spreadsheet runs as a formula; numbers stay as they are."""
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell):
        return cell
    safe = _FORMULA.sub(r"\1'\2", cell)
    return f"'{safe}" if safe[:1] in _SEPARATORS else safe


class JsonWriter(_TextFileWriter):
    """Writes a JSON object with a list of objects for each table."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file.write("{")
        self._before_table = ""
        self._before_row = ""

    def begin_table(self, table: str) -> None:
        """End the current table, if any, and begin another."""
        self._file.write(f'{self._before_table}\n"{table}": [')
        self._before_table, self._before_row = "\n],", ""

    def add(self, rows: Iterable[ExportRow]) -> None:
        """Append rows to the current table."""
        for row in rows:
            self._file.write(f"{self._before_row}\n{json.dumps(row, ensure_ascii=False)}")
            self._before_row = ","

    def finish(self) -> None:
        """End the current table and the object."""
        self._file.write(self._before_table.removesuffix(",") + "\n}\n")


def convert_to_parquet(path: Path, columns: Mapping[str, str]) -> Path:
    """Convert a CSV file to a Parquet file beside it.

    Args:
        path: The CSV file.
        columns: Its columns in order, with their DuckDB types.

    Raises:
        ConfigurationError: if DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415  # 30 MiB that only this needs
    except ModuleNotFoundError:
        reason = "needs DuckDB: pip install 'tallylight[parquet]'"
        raise ConfigurationError((Problem("export", "parquet", reason),)) from None
    out = path.with_suffix(".parquet")
    with duckdb.connect(config=_duckdb_config(path.parent)) as db:
        table = db.read_csv(str(path), header=True, columns=dict(columns), delimiter=",")
        table.write_parquet(str(out), compression="zstd")
    return out


def _duckdb_config(scratch: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {"memory_limit": "256MB", "threads": 1, "temp_directory": str(scratch)}
