"""An asset store in a directory that only the server's user can read.

A file is written beside its target, synced, and renamed to it. A kill or a power cut leaves the old
asset or the new one, and at worst a partial file that a later start deletes.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from tallylight.errors import StorageError
from tallylight.gateway.assets.store import OpenAsset, checked_name, split_chunks

_READ_SIZE = 512 * 1024  # bytes per read: switching to a thread costs as much as reading them
_PART_SUFFIX = ".part"
_STALE_AFTER = timedelta(days=1)  # longer than any write takes


class DirectoryStore:
    """Stores assets in files under one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def save(self, name: str, path: Path) -> None:
        """Store a copy of a file."""
        target = self._path(name)
        await asyncio.to_thread(self._write, target, lambda part: shutil.copyfile(path, part))

    async def put(self, name: str, body: bytes) -> None:
        """Store bytes."""
        target = self._path(name)
        await asyncio.to_thread(self._write, target, lambda part: Path(part).write_bytes(body))

    @asynccontextmanager
    async def open(
        self, name: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[OpenAsset]:
        """Read a file, or a part of it."""
        path = self._path(name)
        try:
            file = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise LookupError(name) from None
        except OSError as error:
            raise self._storage_error(error) from error
        try:
            size = os.fstat(file).st_size
            yield OpenAsset(
                size, self._chunks(file, start, size if end is None else min(end, size))
            )
        finally:
            os.close(file)

    async def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, None if it does not exist."""
        path = self._path(name)
        with self._storage_errors():
            try:
                return (await asyncio.to_thread(path.stat)).st_size
            except FileNotFoundError:
                return None

    async def delete(self, name: str) -> None:
        """Delete a file."""
        path = self._path(name)
        with self._storage_errors():
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def prepare(self) -> None:
        """Create the directory, and delete partial files of interrupted writes.

        Raises:
            StorageError: if it cannot be created or is not writable.
        """
        with self._storage_errors():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Proves that the directory is writable, and reads the clock of its file system.
            with tempfile.TemporaryFile(dir=self._root) as trial:
                now = os.fstat(trial.fileno()).st_mtime
            for part in self._root.rglob(f"*{_PART_SUFFIX}"):
                with suppress(FileNotFoundError):  # another process may delete it at the same time
                    if now - part.stat().st_mtime > _STALE_AFTER.total_seconds():
                        part.unlink()

    async def _chunks(self, file: int, start: int, end: int) -> AsyncIterator[bytes]:
        at = start
        while at < end:
            with self._storage_errors():
                block = await asyncio.to_thread(os.pread, file, min(_READ_SIZE, end - at), at)
            if not block:
                raise StorageError(f"assets {self._root}: a file was truncated while it was read")
            at += len(block)
            for chunk in split_chunks(block):
                yield chunk

    def _write(self, target: Path, fill: Callable[[str], object]) -> None:
        with self._storage_errors():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file, part = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=_PART_SUFFIX)
            try:
                fill(part)
                # Before the rename, or a power cut could leave an empty file under the name.
                os.fsync(file)
                Path(part).replace(target)
            except BaseException:
                Path(part).unlink(missing_ok=True)
                raise
            finally:
                os.close(file)
            _fsync_directory(target.parent)

    def _path(self, name: str) -> Path:
        return self._root / checked_name(name)

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._storage_error(error) from error

    def _storage_error(self, error: OSError) -> StorageError:
        return StorageError(f"assets {self._root}: {error.strerror or type(error).__name__}")


def _fsync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    file = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
