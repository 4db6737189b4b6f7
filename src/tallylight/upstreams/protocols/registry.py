"""All protocols by name, with the dialects of each; a new one is a module and a line here."""

from collections.abc import Callable, Mapping

from tallylight.upstreams.protocols import chat_video, openai_videos, video_orders
from tallylight.upstreams.wire import Address, VideoProtocol

PROTOCOLS: Mapping[str, Callable[[Address], VideoProtocol]] = {
    "openai_videos": openai_videos.OpenAIVideos,
    "chat_video": chat_video.ChatVideo,
}

DIALECTS: Mapping[str, tuple[str, ...]] = {
    "openai_videos": tuple(video_orders.PROFILES),
    "chat_video": tuple(chat_video.PROFILES),
}
"""The dialects of each protocol; the first is the default, safe where nothing is known."""


def protocol(upstream: Address) -> VideoProtocol:
    """Return an upstream's protocol, bound to its address, dialect and key.

    Raises:
        KeyError: if there is no such protocol or dialect.
    """
    return PROTOCOLS[upstream.protocol](upstream)
