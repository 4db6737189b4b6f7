"""The directory beside a SQLite file: locks of its processes, and its token.

It belongs to the owner of the database file, also if root has created it, and only the owner may
enter it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tallylight.errors import StorageError

_SUFFIX = ".lock"


class ProcessFiles:
    """The files of the processes that use one SQLite file.

    Args:
        database: The path of the SQLite file.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._directory = Path(f"{database}.processes")
        self._token_file = self._directory / "identity"

    def lock(self, name: str) -> int | None:
        """Create and lock the file of a process; return its descriptor, None if that failed.

        `flock` ends with the process, and not before: a process that is stopped, or waits for a
        disk that does not answer, holds its lock.

        Raises:
            StorageError: if the file cannot be created.
        """
        with self._errors():
            self._make_directory()
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(self._path(name), flags, 0o600)
            self._give_to_owner(self._path(name))
        if _try_flock(descriptor, fcntl.LOCK_EX) and os.fstat(descriptor).st_nlink:
            return descriptor
        # Another process has just taken the file for one that a crash left behind.
        self.unlock(name, descriptor)
        return None

    def unlock(self, name: str, descriptor: int) -> None:
        """Remove the file of a process of ours, then end its lock."""
        with suppress(OSError):
            self._path(name).unlink()
        os.close(descriptor)

    def is_dead(self, name: str) -> bool:
        """Return whether a process has ended: its file is not locked, or is missing."""
        # Shared, so that two processes that ask at once do not see one another.
        with self._locked(name, fcntl.LOCK_SH) as is_free:
            return is_free

    def remove_dead(self, name: str) -> None:
        """Remove the file of a process that has ended."""
        # Under its lock: a process that has just created it finds out, and takes another name.
        with self._locked(name, fcntl.LOCK_EX) as is_free:
            if is_free:
                self._path(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """Yield the names of the processes that have a file, dead ones among them."""
        for path in self._directory.glob(f"*{_SUFFIX}"):
            yield path.name.removesuffix(_SUFFIX)

    def read_tokens(self) -> tuple[str, ...]:
        """Return the tokens that the database may hold; none if the file is missing.

        Raises:
            StorageError: if the file cannot be read.
        """
        with self._errors():
            if not self._token_file.exists():
                return ()
            return tuple(self._token_file.read_text(encoding="ascii").split())

    def write_tokens(self, *tokens: str) -> None:
        """Store the tokens that the database may hold; they survive a power cut.

        Raises:
            StorageError: if that failed; the former tokens stay.
        """
        with self._errors():
            self._make_directory()
            new = self._token_file.with_suffix(".new")
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write("\n".join(tokens))
                file.flush()
                os.fsync(file.fileno())
            self._give_to_owner(new)
            new.replace(self._token_file)
            _sync_directory(self._directory)

    @contextmanager
    def _locked(self, name: str, kind: int) -> Iterator[bool]:
        """Hold the lock of another process's file; yield whether no process has it."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield True
            return
        except OSError:  # not ours to read, or no descriptor is left: that says nothing
            yield False
            return
        try:
            yield _try_flock(descriptor, kind)
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}{_SUFFIX}"

    def _make_directory(self) -> None:
        if not self._directory.is_dir():
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._give_to_owner(self._directory)

    def _give_to_owner(self, path: Path) -> None:
        if os.geteuid() == 0:  # a command of root must not shut out the server
            owner = self._database.stat()
            os.chown(path, owner.st_uid, owner.st_gid)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            path = error.filename or self._directory
            raise StorageError(f"database: {path}: {error.strerror}") from error


def _try_flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
