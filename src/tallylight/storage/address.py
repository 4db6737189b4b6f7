"""From the address that an operator writes to the driver that is used."""

from importlib.util import find_spec

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tallylight.errors import ConfigurationError, Problem

_ALLOWED = "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/name"


def database_url(address: str) -> URL:
    """Return where a database is and by which driver it is spoken to.

    Raises:
        ConfigurationError: if the address is of another form, or its driver is not installed.
    """
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise _unusable("is not an address of a database") from None
    match url.drivername:
        case "sqlite" if url.database and url.database != ":memory:":
            return url.set(drivername="sqlite+aiosqlite")
        case "sqlite":
            raise _unusable("names no file")
        case "postgresql":
            if find_spec("psycopg") is None:
                raise _unusable("needs PostgreSQL's driver: pip install 'tallylight[postgres]'")
            return url.set(drivername="postgresql+psycopg")
        case scheme:
            raise _unusable(f'has the unknown scheme "{scheme}"')


def _unusable(reason: str) -> ConfigurationError:
    # The address itself is not shown: it may hold a password.
    return ConfigurationError(
        (Problem("configuration", "database.url", f"{reason}; write {_ALLOWED}"),)
    )
