"""The address of a database, and the file of SQLite that it names."""

from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tallylight.errors import ConfigurationError, Problem, StorageError

_ALLOWED = "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/name"


def database_url(address: str) -> URL:
    """Return the URL of a database with its driver.

    Raises:
        ConfigurationError: if the address has another form, or the driver is not installed.
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


def require_database(address: str) -> None:
    """Check that a database exists, so that opening it to read makes none.

    Raises:
        ConfigurationError: if the address has another form.
        StorageError: if it is a file of SQLite that does not exist.
    """
    url = database_url(address)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise StorageError(
            f"database: there is none at {Path(url.database or '').absolute()}; start "
            "`tallylight serve`, run `tallylight check`, or write the path of an existing one in "
            "database.url"
        )


class OpenedFile:
    """Remembers which file was opened under a path: another one may be put there meanwhile.

    Args:
        path: The path of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take the present file as the one that was opened."""
        self._opened = self._present()

    def check(self) -> None:
        """Check that the file is the one that was opened.

        Raises:
            StorageError: if it was deleted or replaced; what is written to it is lost.
        """
        if self._present() != self._opened:
            raise StorageError(
                f"database {self._path}: the file was deleted or replaced while it was open; "
                "put it back, or restart tallylight to use the new one"
            )

    def _present(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino)
