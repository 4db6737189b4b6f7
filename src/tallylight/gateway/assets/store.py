"""Where videos and references are kept: one port, a directory or a bucket behind it.

An asset appears under its name only when it is whole, and is read in pieces, so that a video of any
length takes no memory.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

CHUNK_SIZE = 64 * 1024
"""The largest piece, in bytes, that is read at once."""

_MAX_NAME_LENGTH = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class OpenAsset(NamedTuple):
    """An asset that is being read: the size of the whole, and the pieces that were asked for."""

    size: int
    chunks: AsyncIterator[bytes]


class AssetStore(Protocol):
    """Keeps assets by name ("videos/video_1").

    Every method raises StorageError if the store cannot be reached or refuses, and ValueError for
    what is no name: names are ours, not a caller's.
    """

    async def save(self, name: str, path: Path) -> None:
        """Keep a copy of a file, in place of what had the name; whole and durable on return."""
        ...

    async def put(self, name: str, body: bytes) -> None:
        """Keep some bytes, in place of what had the name; whole and durable on return."""
        ...

    def open(
        self, name: str, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[OpenAsset]:
        """Read an asset from `start`, inclusive, to `end`, exclusive; None for its last byte.

        What lies behind its end is not there and no error. The block raises LookupError if there is
        no such asset.
        """
        ...

    async def size(self, name: str) -> int | None:
        """Return how many bytes an asset has, None if there is none of that name."""
        ...

    async def delete(self, name: str) -> None:
        """Forget an asset; nothing happens if there is none."""
        ...


def checked_name(name: str) -> str:
    """Return a name that leads out of no directory.

    Raises:
        ValueError: if it is none: parts of ASCII letters, digits, ".", "_" and "-", each beginning
            with a letter or digit, parted by "/".
    """
    if len(name) > _MAX_NAME_LENGTH or _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not the name of an asset")
    return name


def split_chunks(block: bytes) -> tuple[bytes, ...]:
    """Return a block in pieces of at most `CHUNK` bytes."""
    if len(block) <= CHUNK_SIZE:
        return (block,)
    return tuple(block[at : at + CHUNK_SIZE] for at in range(0, len(block), CHUNK_SIZE))
