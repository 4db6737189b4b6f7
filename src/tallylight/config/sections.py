"""The sections of the configuration that belong to the whole: the database, the address served."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from tallylight.documents.parsers import Duration
from tallylight.documents.section import Section
from tallylight.status.options import StatusOptions
from tallylight.storage.retention import Retention

DEFAULT_DATABASE = "sqlite:///tallylight.db"
_LAST_PORT = 65_535


def _checked_database_url(url: str) -> str:
    # The address itself is not shown: it may hold a password.
    if not url.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("is not an address; write sqlite:///path or postgresql://user@host/name")
    return url


class RetentionOptions(Section):
    """How long is kept what; transitions, incidents, the ledger and days are kept for ever."""

    evidence: Duration = Field(
        Retention().evidence, description="Each piece of evidence as it was noted."
    )
    five_minutes: Duration = Field(
        Retention().five_minutes, description="Evidence summed up by five minutes."
    )
    hours: Duration = Field(Retention().hours, description="Evidence summed up by the hour.")


class DatabaseOptions(Section):
    """Where the history is kept."""

    url: Annotated[str, AfterValidator(_checked_database_url), Field(repr=False)] = Field(
        DEFAULT_DATABASE,
        description="sqlite:///file relative to the working directory, sqlite:////absolute/file, "
        "or postgresql://user@host/name.",
    )
    retention: RetentionOptions = Field(
        default_factory=RetentionOptions, description="How long is kept what."
    )


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where the server waits for readers."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as it is written in the file."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _parse_listen_address(value: object) -> ListenAddress:
    if isinstance(value, ListenAddress):
        return value
    host, colon, port = str(value).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(f"'{value}' is no address to listen at; write 127.0.0.1:8080")
    return ListenAddress(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104  # ":8080", as written


class PageOptions(StatusOptions):
    """The page and its address."""

    listen: Annotated[
        ListenAddress,
        BeforeValidator(_parse_listen_address),
        PlainSerializer(str),
        WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8080", ":8080"]}),
    ] = Field(
        ListenAddress("127.0.0.1", 8080),
        description="Where the server waits, host:port; port 0 takes a free one.",
    )
