"""`for transition in monitor.watch()` gives each change until monitoring stops."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Never

import pytest

from tallylight import AsyncMonitor, Monitor
from tallylight.app.runtime import Runtime
from tallylight.clock import SystemClock
from tallylight.config.settings import Configuration
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Transition

CONFIGURATION = """\
upstreams: {{u: {{provider: saygm, base_url: "http://127.0.0.1:1"}}}}
services:
  first: {{upstream: u, model: minimax/h3}}
  second: {{upstream: u, model: minimax/h3}}
probes: {{reach: off, credentials: off, generation: off}}
database: {{url: "sqlite:///{}/history.db"}}
"""
SOON = 30


@pytest.fixture
def configuration(load: Callable[..., Configuration], tmp_path: Path) -> Configuration:
    return load(CONFIGURATION.format(tmp_path))


async def watched_by(monitor: AsyncMonitor, count: int) -> None:
    """Wait until a monitor runs and has so many watches."""

    def is_watched() -> bool:
        return monitor._runner is not None and len(monitor._watchers) == count

    async with asyncio.timeout(SOON):
        while not is_watched():
            await asyncio.to_thread(is_watched)


async def see_video(monitor: AsyncMonitor, service: str, watches: int = 1) -> None:
    """Let a monitor learn that a service has delivered a video, once it is watched."""
    await watched_by(monitor, watches)
    runtime = monitor._runtime
    assert runtime is not None
    await runtime.board.report(Evidence(ServiceId(service), SystemClock().now(), Source.GENERATION))


async def first(changes: AsyncIterator[Transition]) -> Transition:
    async with asyncio.timeout(SOON):
        return await anext(changes)


async def test_each_change_is_given_to_each_watch(configuration: Configuration) -> None:
    told: list[Transition] = []
    async with AsyncMonitor(configuration, on_change=told.append) as monitor:
        both = monitor.watch(), monitor.watch()
        waiting = [asyncio.create_task(first(each)) for each in both]
        await see_video(monitor, "first", watches=2)
        seen = await asyncio.gather(*waiting)
        await see_video(monitor, "second", watches=2)
        later = [await first(each) for each in both]

    assert [each.service for each in (*seen, *later)] == ["first", "first", "second", "second"]
    assert {each.after.status for each in seen} == {Status.OPERATIONAL}
    assert str(seen[0].after).startswith("first is “Operational”")
    assert told == [seen[0], later[0]]


async def test_a_watch_ends_when_monitoring_stops(configuration: Configuration) -> None:
    async with AsyncMonitor(configuration) as monitor:
        watch = monitor.watch()
        waiting = asyncio.create_task(first(watch))
        await see_video(monitor, "first")
        await waiting
        await monitor.stop()

        assert [change async for change in watch] == []
        assert len(monitor._watchers) == 0


async def test_a_defect_that_ends_monitoring_ends_the_watch(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Runtime) -> Never:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Runtime, "run", broken)

    async with AsyncMonitor(configuration) as monitor:
        with pytest.raises(OSError, match="the disk is gone"):
            await first(monitor.watch())


@pytest.fixture
def blocking(configuration: Configuration) -> Iterator[Monitor]:
    with Monitor(configuration) as monitor:
        yield monitor


def test_a_plain_loop_gets_the_changes_too(blocking: Monitor) -> None:
    seen: list[Transition] = []

    for service in ("first", "second"):
        cause = asyncio.run_coroutine_threadsafe(
            see_video(blocking._monitor, service), blocking._thread._loop
        )
        for change in blocking.watch():
            seen.append(change)
            break
        cause.result(SOON)
        blocking._thread.run(watched_by(blocking._monitor, 0))

    assert [each.service for each in seen] == ["first", "second"]
    assert [each.after.status for each in seen] == [Status.OPERATIONAL, Status.OPERATIONAL]


@pytest.mark.parametrize("end", [Monitor.stop, Monitor.close])
def test_a_plain_loop_ends_with_the_monitor(
    blocking: Monitor, end: Callable[[Monitor], None]
) -> None:
    seen: list[Transition] = []
    reader = threading.Thread(target=lambda: seen.extend(blocking.watch()), daemon=True)

    reader.start()
    blocking._thread.run(see_video(blocking._monitor, "first"))
    end(blocking)
    reader.join(SOON)

    assert not reader.is_alive()
    assert [each.service for each in seen] in (["first"], [])


def test_a_loop_that_closes_the_monitor_ends(blocking: Monitor) -> None:
    cause = asyncio.run_coroutine_threadsafe(
        see_video(blocking._monitor, "first"), blocking._thread._loop
    )
    for _ in blocking.watch():
        cause.result(SOON)
        blocking.close()

    assert blocking._thread.is_closed
