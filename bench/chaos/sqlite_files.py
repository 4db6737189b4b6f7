"""Troubles of a SQLite file: a lock held elsewhere, a frozen file system, copies."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from bench.chaos.processes import ImpossibleHereError

_DISK_MB = 64


@asynccontextmanager
async def held_lock(database: Path) -> AsyncIterator[None]:
    """Hold the write lock of a database for the block, as another program might."""
    connection = sqlite3.connect(
        database, timeout=30, isolation_level=None, check_same_thread=False
    )
    with closing(connection):
        await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def backup(database: Path, copy: Path) -> None:
    """Copy a database in use, as `sqlite3 FILE .backup` does."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def restore(copy: Path, database: Path) -> None:
    """Put a copy in the place of a database that no process uses."""
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    restored = database.with_name("restored")
    shutil.copyfile(copy, restored)
    restored.replace(database)


class FreezableDisk:
    """A file system of its own, which can be frozen: writes to it hang."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Freeze the file system for the block."""
        await asyncio.to_thread(_run, "fsfreeze", "-f", str(self.folder))
        try:
            yield
        finally:
            await asyncio.to_thread(_run, "fsfreeze", "-u", str(self.folder))


@contextmanager
def freezable_disk(folder: Path) -> Iterator[FreezableDisk]:
    """Mount a file system for the block.

    Raises:
        ImpossibleHereError: without root, loop devices and fsfreeze.
    """
    if os.getuid() != 0 or shutil.which("fsfreeze") is None or shutil.which("mkfs.ext4") is None:
        raise ImpossibleHereError("needs root, mkfs.ext4 and fsfreeze for a disk that freezes")
    image, mounted = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(_DISK_MB << 20)
    mounted.mkdir()
    _run("mkfs.ext4", "-q", str(image))
    try:
        _run("mount", "-o", "loop", str(image), str(mounted))
    except subprocess.CalledProcessError as error:
        raise ImpossibleHereError(f"cannot mount a file: {error.stderr.strip()}") from error
    try:
        yield FreezableDisk(mounted)
    finally:
        _run("umount", "--lazy", str(mounted))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
