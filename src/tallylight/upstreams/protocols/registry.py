"""All protocols by name, with the dialects of each. A new one is a module and a line here."""

from collections.abc import Callable, Mapping

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.protocol import VideoProtocol
from tallylight.upstreams.protocols import chat_video, openai_videos, request_body

PROTOCOLS: Mapping[str, Callable[[Upstream], VideoProtocol]] = {
    "openai_videos": openai_videos.OpenAIVideos,
    "chat_video": chat_video.ChatVideo,
}

DIALECTS: Mapping[str, tuple[str, ...]] = {
    "openai_videos": tuple(request_body.VIDEOS_API_PROFILES),
    "chat_video": tuple(chat_video.CHAT_VIDEO_PROFILES),
}
"""The dialects of each protocol; the first is the default, which is safe for any upstream."""


def adapter_for(upstream: Upstream) -> VideoProtocol:
    """Return the adapter of an upstream; raise KeyError for an unknown protocol or dialect."""
    return PROTOCOLS[upstream.protocol](upstream)
