"""The sections of the configuration for the database and the listen address."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from tallylight.documents.section import Section
from tallylight.status.options import StatusOptions
from tallylight.storage.retention import RetentionOptions

DEFAULT_DATABASE = "sqlite:///tallylight.db"
_LAST_PORT = 65_535


def _checked_database_url(url: str) -> str:
    # The address itself is not shown: it may hold a password.
    if not url.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("is not an address; write sqlite:///path or postgresql://user@host/name")
    return url


class DatabaseOptions(Section):
    """The database of the history."""

    url: Annotated[str, AfterValidator(_checked_database_url), Field(repr=False)] = Field(
        DEFAULT_DATABASE,
        description="sqlite:///file relative to the working directory, sqlite:////absolute/file, "
        "or postgresql://user@host/name.",
    )
    retention: RetentionOptions = Field(
        default_factory=RetentionOptions, description="How long evidence is kept."
    )


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The address that the server listens on."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the address as it is written in the file."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _parse_listen_address(value: object) -> ListenAddress:
    if isinstance(value, ListenAddress):
        return value
    host, colon, port = str(value).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(f"'{value}' is not a listen address; write 127.0.0.1:8080")
    return ListenAddress(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104  # ":8080", as written


class PageOptions(StatusOptions):
    """The status page and the listen address."""

    listen: Annotated[
        ListenAddress,
        BeforeValidator(_parse_listen_address),
        PlainSerializer(str),
        WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8080", ":8080"]}),
    ] = Field(
        ListenAddress("127.0.0.1", 8080),
        description="The listen address, host:port; port 0 takes a free port.",
    )
