"""Monitors video-generation APIs, keeps their history, and routes requests to one that works."""

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
    "ApiError": "gateway.requests",
    "AsyncMonitor": "client.async_monitor",
    "AsyncVideoClient": "client.async_video_client",
    "AsyncVideoHandle": "client.async_video",
    "Monitor": "client.monitor",
    "VideoClient": "client.video_client",
    "VideoFailedError": "client.video_state",
    "VideoHandle": "client.video_client",
}


def __getattr__(name: str) -> object:
    # Imported on first use, so that a command pays only for the modules that it needs.
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
