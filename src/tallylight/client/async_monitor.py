"""The monitor as a Python library, for programs with an event loop."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from tallylight.app import summary
from tallylight.app.logs import configure_for_library
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.clock import Clock, SystemClock
from tallylight.config.settings import Configuration, load_configuration
from tallylight.i18n import Language, translator
from tallylight.model.evidence import Depth
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition, Verdict
from tallylight.storage.export import export
from tallylight.storage.export_formats import ExportFormat
from tallylight.verdicts.availability import Availability, availability

log = structlog.get_logger()

OnChange = Callable[[Transition], Awaitable[None] | None]
"""What is called with each change of a status; a plain function or a coroutine function."""

_FORMATS = {
    ".json": ExportFormat.JSON,
    ".csv": ExportFormat.CSV,
    ".zip": ExportFormat.CSV,
    ".parquet": ExportFormat.PARQUET,
}


class AsyncMonitor:
    """Watches the services of a configuration inside an event loop.

    Opened by `async with`, or by the first call that needs it; closed by `aclose`.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        on_change: OnChange | None = None,
        clock: Clock | None = None,
    ) -> None:
        configure_for_library()
        self._configuration = configuration
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._runtime: Runtime | None = None
        self._open_lock = asyncio.Lock()
        self._notifier: asyncio.Task[None] | None = None
        self._runner: asyncio.Task[None] | None = None

    @classmethod
    def from_config(
        cls, path: str | Path | None = None, *, on_change: OnChange | None = None
    ) -> Self:
        """Return a monitor of a configuration file; without one as the command line finds it.

        Raises:
            ConfigurationError: with everything that is wrong in the file.
        """
        return cls(load_configuration(None if path is None else Path(path)), on_change=on_change)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def check(self, service: str, depth: Depth | str = Depth.CREDENTIALS) -> Verdict:
        """Probe one service now, and return the verdict that then stands.

        Raises:
            KeyError: if there is no such service.
            ValueError: if there is no such depth.
        """
        return (await self._check([service], Depth(depth)))[service]

    async def check_all(self, depth: Depth | str = Depth.CREDENTIALS) -> dict[str, Verdict]:
        """Probe all services now, and return the verdicts by id."""
        runtime = await self._open()
        return await self._check(runtime.board.verdicts(), Depth(depth))

    async def verdicts(self) -> dict[str, Verdict]:
        """Return what stands, without probing."""
        return {str(id_): verdict for id_, verdict in (await self._open()).board.verdicts().items()}

    async def summary(self, language: Language | str = Language.EN) -> str:
        """Return the lamps as text, a service a line with its first reason."""
        board = (await self._open()).board
        entries = [(board.service(id_), verdict) for id_, verdict in board.verdicts().items()]
        return summary.summary_text(entries, translator(Language(language)))

    async def uptime(self, service: str, hours: float = 24) -> Availability:
        """Return how available a service was over the last hours.

        Raises:
            KeyError: if there is no such service.
        """
        runtime = await self._open()
        id_ = _service_id(runtime, service)
        end = self._clock.now()
        start = end - timedelta(hours=hours)
        await runtime.history.flush()
        spells = await runtime.history.status_intervals([id_], start, end)
        return availability(spells[id_], start, end)

    async def export(self, out: str | Path, days: float = 30) -> None:
        """Write evidence, transitions and uptime of the last days into a file.

        The file's ending says which kind: .json, .csv or .zip (CSV tables), .parquet.

        Raises:
            ValueError: for another ending.
            OSError: if the file cannot be written.
        """
        path = Path(out)
        format_ = _FORMATS.get(path.suffix)
        if format_ is None:
            raise ValueError(f"{path.name}: the ending must be one of {', '.join(_FORMATS)}")
        runtime = await self._open()
        end = self._clock.now()
        await runtime.history.flush()
        await export(
            runtime.history,
            path,
            format_,
            services=runtime.board.verdicts().keys(),
            start=end - timedelta(days=days),
            end=end,
        )

    async def start(self) -> None:
        """Begin to watch in the background; does nothing if it does already."""
        runtime = await self._open()
        if self._runner is None:
            self._runner = asyncio.create_task(runtime.run(), name="monitor")
            self._runner.add_done_callback(_log_failure)

    async def stop(self) -> None:
        """Stop watching; what stands can still be asked."""
        await _cancel(self._runner)
        self._runner = None

    async def aclose(self) -> None:
        """Stop, store what stands, and close the database and all connections."""
        await self.stop()
        await _cancel(self._notifier)
        self._notifier = self._runtime = None
        await self._stack.aclose()

    async def _check(self, services: Iterable[str], depth: Depth) -> dict[str, Verdict]:
        runtime = await self._open()
        ids = [_service_id(runtime, name) for name in services]
        await runtime.probing.check(ids, depth)
        return {id_: runtime.board.verdict(id_) for id_ in ids}

    async def _open(self) -> Runtime:
        async with self._open_lock:
            if self._runtime is None:
                runtime = await self._stack.enter_async_context(
                    open_runtime(self._configuration, self._clock)
                )
                ready = asyncio.Event()
                self._notifier = asyncio.create_task(
                    self._notify_changes(runtime, ready), name="changes"
                )
                await ready.wait()
                self._runtime = runtime
            return self._runtime

    async def _notify_changes(self, runtime: Runtime, ready: asyncio.Event) -> None:
        async with runtime.board.subscribe() as events:
            ready.set()
            while True:
                event = await events.get()
                if self._on_change is None or not isinstance(event, Transition):
                    continue
                try:
                    answer = self._on_change(event)
                    if inspect.isawaitable(answer):
                        await answer
                except Exception:
                    # The caller's function is a task's root of its own: its defect is logged.
                    log.exception("on_change.failed", service=event.service)


def _service_id(runtime: Runtime, service: str) -> ServiceId:
    ids = runtime.board.verdicts()
    if service not in ids:
        raise KeyError(f"{service} is no service of this configuration; there are {', '.join(ids)}")
    return ServiceId(service)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("monitor.failed", exc_info=error)


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
