"""Reads what official status pages claim of services, as it was stored last."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId
from tallylight.status.views.claims import AnnouncedMaintenance, announced_maintenances
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


async def read_announcements(
    history: Storage, services: Sequence[Service], now: datetime
) -> tuple[AnnouncedMaintenance, ...]:
    """Return the maintenances that the pages announce for the services, the earliest first."""
    claims = await read_claims(history, services)
    told = ((each, claims[each.id]) for each in services if each.id in claims)
    return announced_maintenances(told, now)
