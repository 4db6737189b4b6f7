"""Watches video generation services, judges them, remembers, and tells which one is live."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallylight.client.async_monitor import AsyncMonitor
    from tallylight.client.async_video import AsyncVideoHandle
    from tallylight.client.async_video_client import AsyncVideoClient
    from tallylight.client.monitor import Monitor
    from tallylight.client.video_client import VideoClient, VideoHandle
    from tallylight.client.video_state import VideoFailedError
    from tallylight.gateway.requests import ApiError

__all__ = [
    "ApiError",
    "AsyncMonitor",
    "AsyncVideoClient",
    "AsyncVideoHandle",
    "Monitor",
    "VideoClient",
    "VideoFailedError",
    "VideoHandle",
]

_EXPORTS = {
    "AsyncMonitor": "client.async_monitor",
    "AsyncVideo": "client.async_video",
    "AsyncVideoClient": "client.async_video_client",
    "Monitor": "client.monitor",
    "RefusalError": "gateway.requests",
    "Video": "client.video_client",
    "VideoClient": "client.video_client",
    "VideoFailedError": "client.video_state",
}


def __getattr__(name: str) -> object:
    # Late, so that a command that needs none of the house starts without it.
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
