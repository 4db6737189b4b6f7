import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallylight.clock import VirtualClock
from tallylight.config import reload
from tallylight.config.reload import file_changes, file_signatures, reload_configuration
from tallylight.config.settings import Configuration
from tallylight.errors import ConfigurationError

Load = Callable[..., Configuration]

TEXT = """\
upstreams:
  saygm: {provider: saygm, base_url: https://api.saygm.com/v1, key: "${KEY}"}
services:
  h3: {upstream: saygm, model: minimax/h3}
"""
POLL = timedelta(seconds=2)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tallylight.yaml"


async def test_a_changed_file_takes_the_place_of_the_old_as_a_whole(load: Load, path: Path) -> None:
    before = load(TEXT, KEY="x")
    write(path, f"{TEXT}  more: {{upstream: saygm, model: minimax/h3}}\n")

    after = await reload_configuration(before, path, {"KEY": "y"})

    assert list(after.catalogue.services) == ["h3", "more"]
    assert list(before.catalogue.services) == ["h3"]


async def test_a_broken_file_changes_nothing(load: Load, path: Path) -> None:
    before = load(TEXT, KEY="x")
    write(path, TEXT.replace("saygm, model", "nowhere, model"))

    with pytest.raises(ConfigurationError, match="No such upstream: nowhere"):
        await reload_configuration(before, path, {"KEY": "x"})


async def test_a_refused_file_tells_which_files_may_mend_it(load: Load, path: Path) -> None:
    before = load(TEXT, KEY="x")
    write(path, TEXT.replace('"${KEY}"', "{file: saygm.key}"))

    with pytest.raises(ConfigurationError, match=r"there is no file saygm\.key") as raised:
        await reload_configuration(before, path, {})

    assert raised.value.files == {path, path.with_name("saygm.key")}


async def test_what_only_a_restart_can_change_is_refused(load: Load, path: Path) -> None:
    before = load(TEXT, KEY="x")
    changed = "database: {url: 'sqlite:///other.db', pool: 9}\nstatus: {listen: ':9'}\n"
    write(path, f"{TEXT}{changed}")

    with pytest.raises(ConfigurationError) as raised:
        await reload_configuration(before, path, {"KEY": "x"})

    assert str(raised.value).splitlines() == [
        "tallylight.yaml: database.url: was changed; restart the server to apply it",
        "tallylight.yaml: database.pool: was changed; restart the server to apply it",
        "tallylight.yaml: status.listen: was changed; restart the server to apply it",
    ]


@pytest.fixture
async def told(path: Path, clock: VirtualClock) -> AsyncIterator[list[datetime]]:
    """Yield the moments at which a watcher of the file tells of a change."""
    write(path, "a")
    moments: list[datetime] = []

    async def watch() -> None:
        async for _ in file_changes([path], clock, POLL):
            moments.append(clock.now())  # noqa: PERF401  # the watcher never ends

    watching = asyncio.create_task(watch())
    yield moments
    watching.cancel()


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


async def test_a_change_is_told_once_the_file_has_come_to_rest(
    path: Path, clock: VirtualClock, told: list[datetime]
) -> None:
    await clock.advance(3 * POLL)

    write(path, "ab")
    await clock.advance(POLL)
    write(path, "abc")
    await clock.advance(POLL)
    assert told == []
    await clock.advance(6 * POLL)

    assert told == [datetime(2026, 11, 22, 0, 0, 12, tzinfo=UTC)]


async def test_a_file_that_goes_away_has_changed(
    path: Path, clock: VirtualClock, told: list[datetime]
) -> None:
    await clock.advance(POLL)

    path.rename(path.with_suffix(".old"))  # noqa: ASYNC240  # a test's file, at once
    await clock.advance(2 * POLL)

    assert len(told) == 1


async def test_a_file_that_appears_has_changed(tmp_path: Path, clock: VirtualClock) -> None:
    absent = tmp_path / "saygm.key"
    turns = file_changes([absent], clock, POLL)
    change = asyncio.ensure_future(anext(turns))
    await clock.advance(POLL)

    write(absent, "sk-1")
    await clock.advance(2 * POLL)

    assert change.done()


async def test_a_change_while_the_file_was_read_is_told(path: Path, clock: VirtualClock) -> None:
    write(path, "a")
    before = file_signatures([path])
    write(path, "ab")
    change = asyncio.ensure_future(anext(file_changes([path], clock, POLL, since=before)))

    await clock.advance(3 * POLL)

    assert change.done()


async def test_a_thread_reads_the_file_so_that_the_server_answers_meanwhile(
    load: Load, path: Path
) -> None:
    readers: set[threading.Thread] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: str = "", /) -> str:  # type: ignore[override]
            readers.add(threading.current_thread())
            return super().get(name, default)

    before = load(TEXT, KEY="x")
    write(path, TEXT)

    await reload_configuration(before, path, Environment(KEY="x"))

    assert readers
    assert threading.current_thread() not in readers


async def test_a_pipe_that_is_never_written_is_refused_in_time(
    load: Load, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "MAX_READ_SECONDS", 0.1)
    before = load(TEXT, KEY="x")
    pipe = path.with_name("pipe.yaml")
    os.mkfifo(pipe)

    with pytest.raises(ConfigurationError, match="cannot be read within"):
        await reload_configuration(before, pipe, {"KEY": "x"})


@pytest.mark.parametrize("text", ["x: &a {<<: *a}\n", "a: " + "[" * 100_000, "a: &a [*a]\n"])
async def test_a_text_that_nests_without_end_is_refused(load: Load, path: Path, text: str) -> None:
    before = load(TEXT, KEY="x")
    write(path, TEXT + text)

    with pytest.raises(ConfigurationError):
        await reload_configuration(before, path, {"KEY": "x"})
