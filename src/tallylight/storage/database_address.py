"""The address of a database, and the file of SQLite that it names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tallylight.documents.files import file_error_reason, open_private
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
        StorageError: if it is a file of SQLite that does not exist, or is hidden from this user.
    """
    url = database_url(address)
    if url.get_backend_name() != "sqlite":
        return
    path = Path(url.database or "")
    with file_errors(path):
        exists = path.exists()
    if not exists:
        raise StorageError(
            f"database: there is none at {path.absolute()}; start "
            "`tallylight serve`, run `tallylight check`, or write the path of an existing one in "
            "database.url"
        )


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system about a file of SQLite into our own."""
    try:
        yield
    except PermissionError as error:
        raise StorageError(
            f"database {path}: this user may not read and write it, or its directory; run the "
            "command as the user that owns them"
        ) from error
    except OSError as error:
        raise StorageError(f"database {path}: {file_error_reason(error)}") from error


def prepare_file(path: Path) -> None:
    """Make a file of SQLite that others cannot read, or check that this user can use the present.

    The other files of SQLite get the same mode. A file that exists is not opened here: to close it
    would end the locks that SQLite holds on it for this process.

    Raises:
        OSError: if it cannot be made or used.
    """
    if not path.exists():
        open_private(path).close()
    elif path.is_dir():
        raise IsADirectoryError
    elif not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError


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
