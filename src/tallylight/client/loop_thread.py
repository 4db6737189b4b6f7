"""An event loop in a thread of its own, for programs that have none."""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from typing import TypeVar

_T = TypeVar("_T")


class LoopThread:
    """Runs what is given to it, until it is closed or the program ends.

    Args:
        aclose: What is to be run last.
        name: Of what is run, for whoever uses it after it was closed.
    """

    def __init__(self, aclose: Callable[[], Coroutine[object, object, None]], name: str) -> None:
        self._aclose = aclose
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tallylight", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    def run(self, work: Coroutine[object, object, _T]) -> _T:
        """Return what a coroutine returns; one that nobody waits for any more is cancelled."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError(f"this {self._name} is closed")
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        finally:
            running.cancel()

    def close(self) -> None:
        """Close what is run, and end the thread; may be called twice."""
        if self._loop.is_closed():
            return
        self.run(self._aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        atexit.unregister(self.close)
