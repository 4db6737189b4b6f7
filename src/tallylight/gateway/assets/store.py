"""The interface of the asset store; a directory and a bucket implement it.

An asset appears under its name only when it is complete. It is read in chunks, so that memory use
does not depend on its size.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

CHUNK_SIZE = 64 * 1024
"""Largest chunk in bytes."""

_MAX_NAME_LENGTH = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class OpenAsset(NamedTuple):
    """An open asset: the size of the whole, and the chunks of the requested part."""

    size: int
    chunks: AsyncIterator[bytes]


class AssetStore(Protocol):
    """Stores assets by name ("videos/video_1").

    Every method raises StorageError if the store is unreachable or refuses, and ValueError for a
    malformed name: names come from the gateway, never from a caller.
    """

    async def save(self, name: str, path: Path) -> None:
        """Store a copy of a file, replacing the asset of that name; durable on return."""
        ...

    async def put(self, name: str, body: bytes) -> None:
        """Store bytes, replacing the asset of that name; durable on return."""
        ...

    def open(
        self, name: str, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[OpenAsset]:
        """Read an asset from `start`, inclusive, to `end`, exclusive; None for its end.

        A range behind the end is empty and no error. Entering the block raises LookupError if the
        asset does not exist.
        """
        ...

    async def size(self, name: str) -> int | None:
        """Return the size of an asset in bytes, None if it does not exist."""
        ...

    async def delete(self, name: str) -> None:
        """Delete an asset, if it exists."""
        ...


def checked_name(name: str) -> str:
    """Return a name that is safe as a relative path.

    Raises:
        ValueError: unless it consists of parts of ASCII letters, digits, ".", "_" and "-", each
            starting with a letter or digit, separated by "/".
    """
    if len(name) > _MAX_NAME_LENGTH or _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not the name of an asset")
    return name


def split_chunks(block: bytes) -> tuple[bytes, ...]:
    """Return a block in chunks of at most `CHUNK_SIZE` bytes."""
    if len(block) <= CHUNK_SIZE:
        return (block,)
    return tuple(block[at : at + CHUNK_SIZE] for at in range(0, len(block), CHUNK_SIZE))
