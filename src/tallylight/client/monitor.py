"""The monitor as a Python library, for programs without an event loop.

monitor = Monitor.from_config("tallylight.yaml", on_change=print)
monitor.check("sora-2-official").status
"""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Self

from tallylight.client.async_monitor import AsyncMonitor, OnChange
from tallylight.client.lifecycle import BlockingClient, LoopThread, call_in_thread, configuration_at
from tallylight.client.service_history import ServiceHistory
from tallylight.client.translated_verdict import TranslatedVerdict, VerdictsById
from tallylight.config.settings import Configuration
from tallylight.i18n import Language
from tallylight.model.evidence import Depth
from tallylight.model.verdict import Transition
from tallylight.status.recommendation import Recommendation
from tallylight.status.views.report import Report
from tallylight.verdicts.availability import Availability


class Monitor(BlockingClient):
    """`AsyncMonitor` for programs without an event loop.

    `on_change` is called in another thread, so it may call the monitor.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        on_change: OnChange | None = None,
        language: Language | str | None = None,
    ) -> None:
        self._monitor = AsyncMonitor(
            configuration,
            on_change=None if on_change is None else partial(call_in_thread, on_change),
            language=language,
        )
        self._thread = LoopThread(self._monitor.aclose, "monitor")

    @classmethod
    def from_config(
        cls,
        path: str | Path | None = None,
        *,
        on_change: OnChange | None = None,
        language: Language | str | None = None,
    ) -> Self:
        """Return a monitor for a configuration file; see `AsyncMonitor.from_config`."""
        return cls(configuration_at(path), on_change=on_change, language=language)

    def check(self, service: str, depth: Depth | str = Depth.CREDENTIALS) -> TranslatedVerdict:
        """Probe one service now; see `AsyncMonitor.check`."""
        return self._thread.run(self._monitor.check(service, depth))

    def check_all(self, depth: Depth | str = Depth.CREDENTIALS) -> VerdictsById:
        """Probe all services now; see `AsyncMonitor.check_all`."""
        return self._thread.run(self._monitor.check_all(depth))

    def verdicts(self) -> VerdictsById:
        """Return the current verdicts without probing; see `AsyncMonitor.verdicts`."""
        return self._thread.run(self._monitor.verdicts())

    def summary(self, language: Language | str | None = None) -> str:
        """Return the current verdicts as text; see `AsyncMonitor.summary`."""
        return self._thread.run(self._monitor.summary(language))

    def uptime(self, service: str, hours: float = 24) -> Availability:
        """Return the availability of a service; see `AsyncMonitor.uptime`."""
        return self._thread.run(self._monitor.uptime(service, hours))

    def history(self, service: str, days: float = 30) -> ServiceHistory:
        """Return the past of a service; see `AsyncMonitor.history`."""
        return self._thread.run(self._monitor.history(service, days))

    def recommend(
        self, purpose: str = "", *, seconds: int | None = None, size: str = "", model: str = ""
    ) -> Recommendation:
        """Return the services as ranked for a request; see `AsyncMonitor.recommend`."""
        return self._thread.run(
            self._monitor.recommend(purpose, seconds=seconds, size=size, model=model)
        )

    def report(self, days: float = 30) -> Report:
        """Return the figures of every service; see `AsyncMonitor.report`."""
        return self._thread.run(self._monitor.report(days))

    def export(self, out: str | Path, days: float = 30) -> tuple[Path, ...]:
        """Write the history into files; see `AsyncMonitor.export`."""
        return self._thread.run(self._monitor.export(out, days))

    def start(self) -> None:
        """Start monitoring in the background; see `AsyncMonitor.start`."""
        self._thread.run(self._monitor.start())

    def watch(self) -> Iterator[Transition]:
        """Start monitoring, and yield each change of a status; see `AsyncMonitor.watch`."""
        changes = self._monitor.watch()
        # A reader that breaks off drops the asynchronous generator, and its loop then closes it.
        while not self._thread.is_closed:
            change = self._thread.run(_next_change(changes))
            if change is None:
                return
            yield change

    def stop(self) -> None:
        """Stop monitoring; see `AsyncMonitor.stop`."""
        self._thread.run(self._monitor.stop())


async def _next_change(changes: AsyncIterator[Transition]) -> Transition | None:
    return await anext(changes, None)
