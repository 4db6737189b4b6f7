"""A changed configuration takes the place of the standing one as a whole, or not at all."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from tallylight.clock import Clock
from tallylight.config.settings import Configuration, load_settings
from tallylight.errors import ConfigurationError, Problem

POLL = timedelta(seconds=2)

Signature = tuple[tuple[str, int, int, int], ...]


def reload(
    previous: Configuration, path: Path | None, environment: Mapping[str, str] | None = None
) -> Configuration:
    """Return the configuration as the file now stands.

    Raises:
        ConfigurationError: if it cannot be used or changes what only a restart can; the previous
            one then goes on standing.
    """
    found = load_settings(path, environment)
    name = "configuration" if found.source is None else found.source.name
    fixed = {
        "database.url": found.database_url == previous.database_url,
        "status.listen": found.status.listen == previous.status.listen,
    }
    problems = tuple(
        Problem(name, key, "was changed, which needs a restart")
        for key, is_same in fixed.items()
        if not is_same
    )
    if problems:
        raise ConfigurationError(problems)
    return found


async def changes(
    files: Iterable[Path], clock: Clock, poll: timedelta = POLL
) -> AsyncIterator[None]:
    """Yield after each change of one of the files, once they have come to rest.

    A file that an editor is still writing differs from poll to poll, so it is left alone until two
    polls agree.
    """
    watched = tuple(sorted(files))
    known = settled = _signature(watched)
    while True:
        await clock.sleep(poll)
        seen = _signature(watched)
        if seen == settled != known:
            known = seen
            yield
        settled = seen


def _signature(files: Iterable[Path]) -> Signature:
    return tuple(_of_file(path) for path in files)


def _of_file(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size, found.st_ino)
