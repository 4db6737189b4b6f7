"""What an export can be: kept apart from the writing, which loads a database's library."""

from enum import StrEnum


class ExportFormat(StrEnum):
    """What kind of file."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class ExportTable(StrEnum):
    """What is in it."""

    EVIDENCE = "evidence"
    TRANSITIONS = "transitions"
    UPTIME = "uptime"
