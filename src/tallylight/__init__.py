"""Watches video generation services, judges them, remembers, and tells which one is live."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallylight.app.async_monitor import AsyncMonitor
    from tallylight.app.async_video import AsyncVideo
    from tallylight.app.async_video_client import AsyncVideoClient
    from tallylight.app.monitor import Monitor
    from tallylight.app.video_client import Video, VideoClient
    from tallylight.app.video_facts import VideoFailedError
    from tallylight.gateway.requests import RefusalError

__all__ = [
    "AsyncMonitor",
    "AsyncVideo",
    "AsyncVideoClient",
    "Monitor",
    "RefusalError",
    "Video",
    "VideoClient",
    "VideoFailedError",
]

_HOMES = {
    "AsyncMonitor": "app.async_monitor",
    "AsyncVideo": "app.async_video",
    "AsyncVideoClient": "app.async_video_client",
    "Monitor": "app.monitor",
    "RefusalError": "gateway.asking",
    "Video": "app.video_client",
    "VideoClient": "app.video_client",
    "VideoFailedError": "app.video_facts",
}


def __getattr__(name: str) -> object:
    # Late, so that a command that needs none of the house starts without it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
