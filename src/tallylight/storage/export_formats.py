"""The options of an export; a module of its own, because the export itself imports SQLAlchemy."""

from enum import StrEnum


class ExportFormat(StrEnum):
    """The format of the file."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class ExportTable(StrEnum):
    """A table of the export."""

    EVIDENCE = "evidence"
    TRANSITIONS = "transitions"
    UPTIME = "uptime"
