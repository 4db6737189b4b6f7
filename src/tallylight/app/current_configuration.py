"""The configuration in force: one frozen value that every part of the process reads."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tallylight.config.settings import Configuration

_T = TypeVar("_T")


class CurrentConfiguration:
    """Holds the configuration in force; a reload replaces it by one assignment."""

    def __init__(self, configuration: Configuration) -> None:
        self._value = configuration
        self._replaced = asyncio.Event()

    @property
    def value(self) -> Configuration:
        """Return the configuration in force."""
        return self._value

    def replace(self, configuration: Configuration) -> None:
        """Put another configuration into force."""
        self._value = configuration
        replaced, self._replaced = self._replaced, asyncio.Event()
        replaced.set()

    async def wait_until_replaced(self, known: Configuration) -> None:
        """Return as soon as a configuration other than the given one is in force."""
        while self._value is known:
            await self._replaced.wait()

    def reader(self, derive: Callable[[Configuration], _T]) -> Callable[[], _T]:
        """Return a function that returns a value derived from the configuration in force.

        The value is derived once for each configuration, so it may be read for every request.
        """
        known, derived = self._value, derive(self._value)

        def read() -> _T:
            nonlocal known, derived
            if known is not self._value:
                known, derived = self._value, derive(self._value)
            return derived

        return read
