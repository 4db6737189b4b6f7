"""Reads a changed configuration file and reports changes of files."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from tallylight.clock import Clock
from tallylight.config.settings import Configuration, load_configuration
from tallylight.errors import ConfigurationError, Problem

POLL_INTERVAL = timedelta(seconds=2)

FileSignatures = tuple[tuple[str, int, int, int], ...]


def reload_configuration(
    previous: Configuration, path: Path | None, environment: Mapping[str, str] | None = None
) -> Configuration:
    """Return the configuration that the file now has.

    Raises:
        ConfigurationError: if it is invalid, or changes a key that needs a restart; the previous
            configuration then stays in force.
    """
    found = load_configuration(path, environment)
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


async def file_changes(
    files: Iterable[Path], clock: Clock, poll: timedelta = POLL_INTERVAL
) -> AsyncIterator[None]:
    """Yield after each change of one of the files, as soon as two polls agree.

    A file that an editor is still writing differs from poll to poll.
    """
    watched = tuple(sorted(files))
    known = settled = _signatures(watched)
    while True:
        await clock.sleep(poll)
        seen = _signatures(watched)
        if seen == settled != known:
            known = seen
            yield
        settled = seen


def _signatures(files: Iterable[Path]) -> FileSignatures:
    return tuple(_file_signature(path) for path in files)


def _file_signature(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size, found.st_ino)
