"""Reads the report from the stored history: every service's figures over a window."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.families import model_family
from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId
from tallylight.model.job_totals import JobTotals
from tallylight.status.views.report import Report, ServiceReport
from tallylight.storage.database import Storage
from tallylight.upstreams.feeds.claims import PageClaims, claims_name, load_claims
from tallylight.verdicts.report import service_figures


async def read_report(
    history: Storage, services: Sequence[Service], window: timedelta, now: datetime
) -> Report:
    """Return the report on some services over a window that ends now."""
    start = now - window
    ids = [service.id for service in services]
    intervals = await history.status_intervals(ids, start, now)
    jobs = await history.job_totals(ids, start, now)
    spent = await _spent(history, window, now)
    claims = await _claims(history, services)
    return Report(
        start,
        now,
        tuple(
            ServiceReport(
                service,
                model_family(service.name),
                service_figures(
                    intervals[service.id],
                    start,
                    now,
                    jobs.get(service.id, JobTotals()),
                    spent.get(service.id, Decimal(0)),
                ),
                claims.get(service.id),
            )
            for service in services
        ),
    )


async def _claims(history: Storage, services: Sequence[Service]) -> Mapping[ServiceId, PageClaims]:
    """Return what the official status pages claim of the services; each page is read once."""
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


async def _spent(
    history: Storage, window: timedelta, now: datetime
) -> dict[ServiceId, Decimal | None]:
    spent: dict[ServiceId, Decimal | None] = {}
    for total in await history.ledger.totals(window, now):
        before = spent.get(total.service, Decimal(0))
        is_known = before is not None and not total.unknown_count
        spent[total.service] = before + total.amount if before is not None and is_known else None
    return spent
