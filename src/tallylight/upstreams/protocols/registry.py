"""All protocols by name, with the dialects of each; a new one is a module and a line here."""

from collections.abc import Callable, Mapping

from tallylight.upstreams.messages import Address, VideoProtocol
from tallylight.upstreams.protocols import chat_video, openai_videos, request_body

PROTOCOLS: Mapping[str, Callable[[Address], VideoProtocol]] = {
    "openai_videos": openai_videos.OpenAIVideos,
    "chat_video": chat_video.ChatVideo,
}

DIALECTS: Mapping[str, tuple[str, ...]] = {
    "openai_videos": tuple(request_body.PROFILES),
    "chat_video": tuple(chat_video.PROFILES),
}
"""The dialects of each protocol; the first is the default, safe where nothing is known."""


def protocol(upstream: Address) -> VideoProtocol:
    """Return an upstream's protocol, bound to its address, dialect and key.

    Raises:
        KeyError: if there is no such protocol or dialect.
    """
    return PROTOCOLS[upstream.protocol](upstream)
