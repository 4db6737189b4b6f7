"""All protocols by name. A new one is a module and a line here."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from tallylight.catalogue.services import Upstream
from tallylight.model.order import Order
from tallylight.upstreams.auth import Auth
from tallylight.upstreams.messages import Request
from tallylight.upstreams.protocol import Adapter, Definition, Site, require_expressible
from tallylight.upstreams.protocols import (
    ark,
    bedrock,
    chat_video,
    dashscope,
    fal,
    gemini_interactions,
    kie_jobs,
    kling,
    luma,
    minimax,
    openai_images,
    openai_videos,
    openrouter,
    pixverse,
    predict_long_running,
    replicate,
    runway,
    venice,
    vidu,
    xai,
    xai_images,
)

PROTOCOLS: Mapping[str, Definition] = {
    each.name: each
    for each in (
        openai_videos.DEFINITION,
        ark.DEFINITION,
        bedrock.DEFINITION,
        chat_video.DEFINITION,
        dashscope.DEFINITION,
        fal.DEFINITION,
        gemini_interactions.DEFINITION,
        kie_jobs.DEFINITION,
        kling.DEFINITION,
        luma.DEFINITION,
        minimax.DEFINITION,
        openai_images.DEFINITION,
        openrouter.DEFINITION,
        pixverse.DEFINITION,
        predict_long_running.DEFINITION,
        replicate.DEFINITION,
        runway.DEFINITION,
        venice.DEFINITION,
        vidu.DEFINITION,
        xai.DEFINITION,
        xai_images.DEFINITION,
    )
}

DEFAULT_PROTOCOL = next(iter(PROTOCOLS))
"""The first one: that of an upstream that names none."""


def adapter_for(upstream: Upstream) -> Adapter:
    """Return the adapter of an upstream.

    Raises:
        KeyError: for an unknown protocol or dialect.
    """
    return _adapter(upstream.protocol, _site(upstream))


def auth_for(upstream: Upstream) -> Auth:
    """Return how the requests to an upstream are signed."""
    return PROTOCOLS[upstream.protocol].auth(_site(upstream))


def origins_for(upstream: Upstream) -> tuple[str, ...]:
    """Return URLs at the origins that are an upstream's own, that of its base URL first."""
    further = PROTOCOLS[upstream.protocol].origins(_site(upstream))
    return (upstream.base_url, *further)


def _site(upstream: Upstream) -> Site:
    base_url = upstream.base_url.rstrip("/")
    return Site(base_url, upstream.dialect, upstream.options, upstream.wordings)


@lru_cache(maxsize=1024)
def _adapter(protocol: str, site: Site) -> Adapter:
    adapter = PROTOCOLS[protocol].make(site)

    def submit(order: Order, mark: str) -> Request:
        require_expressible(order, adapter)
        return adapter.submit(order, mark)

    return replace(adapter, submit=submit)
