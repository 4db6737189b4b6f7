"""Watches video generation services, judges them, remembers, and tells which one is live."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallylight.app.monitor import AsyncMonitor, Monitor

__all__ = ["AsyncMonitor", "Monitor"]


def __getattr__(name: str) -> object:
    # Late, so that a command that needs none of the house starts without it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tallylight.app import monitor  # noqa: PLC0415

    found: object = getattr(monitor, name)
    return found
