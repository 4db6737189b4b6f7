"""Reads a changed configuration file and reports changes of files."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from tallylight.clock import Clock
from tallylight.config.settings import Configuration, load_configuration
from tallylight.errors import ConfigurationError, Problem

POLL_INTERVAL = timedelta(seconds=2)

MAX_READ_SECONDS: Final = 60.0
"""How long a reload may read: the file may be a pipe, or lie on a network that is away."""

FileSignatures = Mapping[Path, tuple[int, int, int]]


async def reload_configuration(
    previous: Configuration, path: Path | None, environment: Mapping[str, str] | None = None
) -> Configuration:
    """Return the configuration that the file now has.

    A thread reads it: a large file takes seconds, in which the server goes on answering.

    Raises:
        ConfigurationError: if it is invalid, takes longer than a minute, or changes a key that
            needs a restart; the previous configuration then stays in force.
    """
    try:
        async with asyncio.timeout(MAX_READ_SECONDS):
            found = await _in_daemon_thread(lambda: load_configuration(path, environment))
    except TimeoutError:
        reason = f"cannot be read within {MAX_READ_SECONDS:.0f} s"
        raise ConfigurationError((Problem(str(path or "configuration"), "", reason),)) from None
    name = "configuration" if found.path is None else found.path.name
    fixed = {
        "database.url": found.database_url == previous.database_url,
        "database.pool": found.database_pool == previous.database_pool,
        "status.listen": found.status.listen == previous.status.listen,
    }
    problems = tuple(
        Problem(name, key, "was changed; restart the server to apply it")
        for key, is_same in fixed.items()
        if not is_same
    )
    if problems:
        raise ConfigurationError(problems)
    return found


async def _in_daemon_thread(read: Callable[[], Configuration]) -> Configuration:
    """Run a function in a thread that keeps no process from ending: a pipe may never be written."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Configuration] = loop.create_future()

    def settle(found: Configuration | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if found is not None:
            done.set_result(found)
        elif error is not None:
            done.set_exception(error)

    def run() -> None:
        found, error = None, None
        try:
            found = read()
        except Exception as raised:  # noqa: BLE001  # raised again where it is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=run, name="configuration", daemon=True).start()
    return await done


async def file_changes(
    files: Iterable[Path],
    clock: Clock,
    poll: timedelta = POLL_INTERVAL,
    since: FileSignatures | None = None,
) -> AsyncIterator[None]:
    """Yield after each change of one of the files, as soon as two polls agree.

    A file that an editor is still writing differs from poll to poll.

    Args:
        files: The files to watch.
        clock: Tells when the next poll is due.
        poll: Interval of the polls.
        since: What an earlier `file_signatures` returned: changes since then count, too.
    """
    watched = tuple(files)
    before = since or {}
    known = {path: before.get(path, now) for path, now in file_signatures(watched).items()}
    settled = known
    while True:
        await clock.sleep(poll)
        seen = file_signatures(watched)
        if seen == settled != known:
            known = seen
            yield
        settled = seen


def file_signatures(files: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    """Return for each file what differs after a change of it."""
    return {path: _file_signature(path) for path in files}


def _file_signature(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
