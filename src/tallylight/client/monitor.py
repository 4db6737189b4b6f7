"""The monitor as a Python library, for programs without an event loop.

monitor = Monitor.from_config("tallylight.yaml", on_change=print)
monitor.check("sora-2-official").status
"""

import asyncio
import inspect
from pathlib import Path
from types import TracebackType
from typing import Self

from tallylight.client.async_monitor import AsyncMonitor, OnChange
from tallylight.client.loop_thread import LoopThread
from tallylight.config.settings import Configuration, load_configuration
from tallylight.i18n import Language
from tallylight.model.evidence import Depth
from tallylight.model.verdict import Transition, Verdict
from tallylight.verdicts.availability import Availability


class Monitor:
    """The same for programs without an event loop; it runs one in a thread of its own.

    Opened by the first call that needs it; closed by `close`, at the end of a `with`, or with the
    program. What it calls of the program's, it calls in a thread of its own, so that this may call
    the monitor in turn.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        on_change: OnChange | None = None,
    ) -> None:
        self._monitor = AsyncMonitor(
            configuration, on_change=None if on_change is None else _call_in_thread(on_change)
        )
        self._thread = LoopThread(self._monitor.aclose, "monitor")

    @classmethod
    def from_config(
        cls, path: str | Path | None = None, *, on_change: OnChange | None = None
    ) -> Self:
        """Return a monitor of a configuration file; without one as the command line finds it.

        Raises:
            ConfigurationError: with everything that is wrong in the file.
        """
        return cls(load_configuration(None if path is None else Path(path)), on_change=on_change)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def check(self, service: str, depth: Depth | str = Depth.CREDENTIALS) -> Verdict:
        """Probe one service now; see `AsyncMonitor.check`."""
        return self._thread.run(self._monitor.check(service, depth))

    def check_all(self, depth: Depth | str = Depth.CREDENTIALS) -> dict[str, Verdict]:
        """Probe all services now; see `AsyncMonitor.check_all`."""
        return self._thread.run(self._monitor.check_all(depth))

    def verdicts(self) -> dict[str, Verdict]:
        """Return what stands, without probing."""
        return self._thread.run(self._monitor.verdicts())

    def summary(self, language: Language | str = Language.EN) -> str:
        """Return the lamps as text; see `AsyncMonitor.summary`."""
        return self._thread.run(self._monitor.summary(language))

    def uptime(self, service: str, hours: float = 24) -> Availability:
        """Return how available a service was; see `AsyncMonitor.uptime`."""
        return self._thread.run(self._monitor.uptime(service, hours))

    def export(self, out: str | Path, days: float = 30) -> None:
        """Write the history into a file; see `AsyncMonitor.export`."""
        self._thread.run(self._monitor.export(out, days))

    def start(self) -> None:
        """Begin to watch in the background."""
        self._thread.run(self._monitor.start())

    def stop(self) -> None:
        """Stop watching."""
        self._thread.run(self._monitor.stop())

    def close(self) -> None:
        """Stop, store what stands, and end the thread; may be called twice."""
        self._thread.close()


def _call_in_thread(on_change: OnChange) -> OnChange:
    async def tell(transition: Transition) -> None:
        answer = await asyncio.to_thread(on_change, transition)
        if inspect.isawaitable(answer):
            await answer

    return tell
