"""Reads what official status pages claim of services, as it was stored last."""

from collections.abc import Mapping, Sequence

from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage
from tallylight.upstreams.feeds.claims import PageClaims, claims_name, load_claims


async def read_claims(
    history: Storage, services: Sequence[Service]
) -> Mapping[ServiceId, PageClaims]:
    """Return what the pages claim of the services that have one; each page is read once."""
    pages: dict[str, PageClaims | None] = {}
    found = {}
    for service in services:
        feed = service.upstream.feed
        if feed is None:
            continue
        name = claims_name(feed)
        if name not in pages:
            pages[name] = load_claims(await history.component_state(name))
        claims = pages[name]
        if claims is not None:
            found[service.id] = claims.of(feed.component)
    return found
