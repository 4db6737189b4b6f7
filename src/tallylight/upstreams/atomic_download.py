"""Writes a download to disk so that a file is there whole or not at all."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from tallylight.errors import StorageError

_CHUNK_SIZE = 1024 * 1024


class DownloadTooLargeError(ValueError):
    """More came than was allowed."""


async def save_atomically(chunks: AsyncIterator[bytes], path: Path, limit_bytes: int) -> None:
    """Write chunks to a temporary name beside the target, and rename it when all have come.

    Raises:
        DownloadTooLargeError: if there are more bytes than the limit.
        StorageError: if our own disk refuses.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        await _write(chunks, part, limit_bytes)
        with _storage_errors(path):
            part.replace(path)
    finally:
        with _storage_errors(part):
            part.unlink(missing_ok=True)


async def _write(chunks: AsyncIterator[bytes], part: Path, limit_bytes: int) -> None:
    with _storage_errors(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("wb")
    with file:
        size = 0
        pending = bytearray()
        async for chunk in chunks:
            size += len(chunk)
            if size > limit_bytes:
                raise DownloadTooLargeError(f"more than {limit_bytes} bytes")
            pending += chunk
            if len(pending) >= _CHUNK_SIZE:
                with _storage_errors(part):
                    await asyncio.to_thread(file.write, bytes(pending))
                pending.clear()
        with _storage_errors(part):
            file.write(pending)
            file.flush()


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    # Told apart from the network's faults, which are OSErrors too and the upstream's.
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error}") from error
