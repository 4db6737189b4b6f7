"""An event loop in a thread of its own, for programs that have none."""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from typing import TypeVar

_T = TypeVar("_T")


class LoopThread:
    """Runs coroutines of one client until the client is closed or the program ends.

    Args:
        aclose: Closes the client; it is the last coroutine to run.
        name: What error messages call the client.
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
        """Return the result of a coroutine.

        An exception in the calling thread, such as KeyboardInterrupt, cancels the coroutine.

        Raises:
            RuntimeError: if the client is closed.
        """
        if self._loop.is_closed():
            work.close()  # a coroutine that is never awaited would warn
            raise RuntimeError(f"this {self._name} is closed")
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        finally:
            running.cancel()

    def close(self) -> None:
        """Close the client and end the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self.run(self._aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        atexit.unregister(self.close)
