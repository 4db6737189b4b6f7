"""The monitor as a Python library, for programs with an event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Never, Self

import structlog

from tallylight.app import summary
from tallylight.app.logs import configure_for_library
from tallylight.app.recommend import board_recommender
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.board.events import Subscribers
from tallylight.client.lifecycle import (
    AsyncClient,
    call,
    cancel,
    configuration_at,
    log_failure,
)
from tallylight.client.service_history import (
    ServiceHistory,
    known_service_id,
    service_history,
)
from tallylight.client.translated_verdict import (
    TranslatedVerdict,
    VerdictsById,
    translated_recommendation,
    translated_transition,
)
from tallylight.clock import Clock, SystemClock
from tallylight.config.settings import Configuration
from tallylight.errors import ClockCorrectedError
from tallylight.i18n import Language, translator
from tallylight.model.evidence import Depth
from tallylight.model.verdict import Transition
from tallylight.status.recommendation import (
    Recommendation,
    RecommendationQuery,
    read_size,
)
from tallylight.status.report import read_report
from tallylight.status.views.report import Report
from tallylight.status.views.services import service_row
from tallylight.storage.export import export
from tallylight.storage.export_formats import ExportFormat
from tallylight.storage.host_clocks import HostClocks
from tallylight.verdicts.availability import Availability

log = structlog.get_logger()

OnChange = Callable[[Transition], Awaitable[None] | None]
"""The function to call with each change of a status; it may be a coroutine function."""

_FORMATS = {
    ".json": ExportFormat.JSON,
    ".csv": ExportFormat.CSV,
    ".zip": ExportFormat.CSV,
    ".parquet": ExportFormat.PARQUET,
}


class AsyncMonitor(AsyncClient):
    """Monitors the services of a configuration inside an event loop.

    `async with` opens it, or the first call that needs it. `aclose` closes it.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        on_change: OnChange | None = None,
        clock: Clock | None = None,
        language: Language | str | None = None,
    ) -> None:
        configure_for_library()
        self._configuration = configuration
        self._on_change = on_change
        self._language = Language(language or configuration.status.language)
        self._clock = clock or SystemClock()
        self._host_clocks = HostClocks(self._clock)
        self._stack = AsyncExitStack()
        self._runtime: Runtime | None = None
        self._open_lock = asyncio.Lock()
        self._watchers = Subscribers[Transition | BaseException | None]()
        self._notifier: asyncio.Task[None] | None = None
        self._runner: asyncio.Task[None] | None = None

    @classmethod
    def from_config(
        cls,
        path: str | Path | None = None,
        *,
        on_change: OnChange | None = None,
        language: Language | str | None = None,
    ) -> Self:
        """Return a monitor for a configuration file.

        Args:
            path: The file; None searches for it as the commands do.
            on_change: Called with each change of a status; an exception in it is only logged.
            language: In which verdicts tell themselves; None for the configuration's
                `status.language`.

        Raises:
            ConfigurationError: lists every problem of the file.
            ValueError: if the language is not supported.
        """
        return cls(configuration_at(path), on_change=on_change, language=language)

    async def check(
        self, service: str, depth: Depth | str = Depth.CREDENTIALS
    ) -> TranslatedVerdict:
        """Probe one service now and return its new verdict.

        Raises:
            KeyError: if there is no such service.
            ValueError: if there is no such depth.
        """
        return (await self._check([service], Depth(depth)))[service]

    async def check_all(self, depth: Depth | str = Depth.CREDENTIALS) -> VerdictsById:
        """Probe all services now and return their new verdicts by id."""
        runtime = await self._open()
        return await self._check(runtime.board.verdicts(), Depth(depth), are_named=False)

    async def verdicts(self) -> VerdictsById:
        """Return the current verdicts by id, without probing."""
        return VerdictsById((await self._open()).board.verdicts().values(), self._language)

    async def summary(self, language: Language | str | None = None) -> str:
        """Return the current verdicts as text: one line per service, with its first reason.

        Args:
            language: None for that of the monitor.
        """
        board = (await self._open()).board
        to = translator(Language(language or self._language))
        return summary.summary_text(service_row(board, id_, to) for id_ in board.verdicts())

    async def uptime(self, service: str, hours: float = 24) -> Availability:
        """Return the availability of a service over the last hours.

        A service that was removed from the configuration counts until its removal.

        Raises:
            KeyError: if there never was such a service.
        """
        return (await self.history(service, hours / 24)).availability

    async def history(self, service: str, days: float = 30) -> ServiceHistory:
        """Return the statuses and incidents of a service over the last days.

        A service that was removed from the configuration counts until its removal.

        Raises:
            KeyError: if there never was such a service.
        """
        runtime = await self._open()
        end = self._clock.now()
        return await service_history(runtime, service, end - timedelta(days=days), end)

    async def recommend(
        self, purpose: str = "", *, seconds: int | None = None, size: str = "", model: str = ""
    ) -> Recommendation:
        """Return the services as the gateway would rank them now for a request.

        Args:
            purpose: A preset or a preference; "" for the route's own, else commercial.
            seconds: The length of the video; None for each service's own.
            size: Its size, as 1280x720; "" for each service's own.
            model: Only the services of this route.

        Raises:
            LookupError: if there is no such purpose or route.
            ValueError: if the size is none.
        """
        pixels = read_size(size)
        if pixels is None:
            raise ValueError(f"{size} is not a size; write 1280x720")
        board = (await self._open()).board
        recommender = board_recommender(board, self._clock, lambda: self._configuration)
        query = RecommendationQuery(purpose, seconds, pixels, model)
        return translated_recommendation(recommender.recommend(query), self._language)

    async def report(self, days: float = 30) -> Report:
        """Return the figures of every service over the last days, with stars and fitness."""
        runtime = await self._open()
        await runtime.history.flush()
        await runtime.history.update_rollups()
        services = runtime.board.services()
        now = self._clock.now()
        return await read_report(runtime.history, services, now - timedelta(days=days), now, now)

    async def export(self, out: str | Path, days: float = 30) -> tuple[Path, ...]:
        """Write evidence, transitions and uptime of the last days; return the files written.

        The suffix selects the format: .json, .csv (a file of each table), .zip (the same in one
        file), .parquet (a file of each table).

        Raises:
            ValueError: if the file has another suffix.
            OSError: if the file cannot be written.
        """
        path = Path(out)
        format_ = _FORMATS.get(path.suffix)
        if format_ is None:
            raise ValueError(f"{path.name}: the suffix must be one of {', '.join(_FORMATS)}")
        runtime = await self._open()
        end = self._clock.now()
        await runtime.history.flush()
        return await export(
            runtime.history,
            path,
            format_,
            services=dict.fromkeys(runtime.board.verdicts(), end),
            start=end - timedelta(days=days),
            end=end,
        )

    async def start(self) -> None:
        """Start monitoring in the background; a second call does nothing."""
        await self._open()
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="monitor")
            self._runner.add_done_callback(log_failure)
            self._runner.add_done_callback(self._end_watches)

    async def watch(self) -> AsyncIterator[Transition]:
        """Start monitoring, and yield each change of a status until monitoring stops.

        A thousand changes wait for a slow reader; of more the oldest are lost.
        """
        async with self._watchers.subscribe() as changes:
            await self.start()
            while isinstance(change := await changes.get(), Transition):
                yield change
        if change is not None:
            raise change

    async def stop(self) -> None:
        """Stop monitoring; the current verdicts remain readable."""
        await cancel(self._runner)
        self._runner = None

    async def aclose(self) -> None:
        """Stop, store the current state, and close the database and all connections."""
        await self.stop()
        await self._close()

    async def _run(self) -> Never:
        """Monitor until cancelled; open everything anew whenever the clock was set."""
        while True:
            runtime = await self._open()
            try:
                await runtime.run()
            except ClockCorrectedError:
                log.warning("monitor.opens_anew", reason="the clock was set")
                await self._close()

    def _end_watches(self, runner: asyncio.Task[None]) -> None:
        self._watchers.publish(None if runner.cancelled() else runner.exception())

    async def _close(self) -> None:
        async with self._open_lock:
            await cancel(self._notifier)
            self._notifier = self._runtime = None
            await self._stack.aclose()

    async def _check(
        self, services: Iterable[str], depth: Depth, *, are_named: bool = True
    ) -> VerdictsById:
        runtime = await self._open()
        ids = [known_service_id(runtime.board.verdicts(), name) for name in services]
        await runtime.probing.check(ids, depth, are_named=are_named)
        return VerdictsById(map(runtime.board.verdict, ids), self._language)

    async def _open(self) -> Runtime:
        async with self._open_lock:
            if self._runtime is None:
                runtime = await self._stack.enter_async_context(
                    open_runtime(self._configuration, self._clock, host_clocks=self._host_clocks)
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
                if not isinstance(event, Transition):
                    continue
                change = translated_transition(event, self._language)
                self._watchers.publish(change)
                if self._on_change is None:
                    continue
                try:
                    await call(self._on_change, change)
                except Exception:
                    # The function is the program's own; its error must not end the monitor.
                    log.exception("on_change.failed", service=event.service)
