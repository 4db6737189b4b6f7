"""Reads the report from the stored history: every service's figures over a window."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.families import model_family
from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId
from tallylight.model.job_totals import JobTotals
from tallylight.model.months import format_month_key, month_bounds
from tallylight.status.page_claims import read_claims
from tallylight.status.views.report import Report, ServiceReport
from tallylight.status.views.uptimes import UptimeWindow
from tallylight.storage.database import Storage
from tallylight.verdicts.report import service_figures


async def read_report(
    history: Storage, services: Sequence[Service], start: datetime, end: datetime, now: datetime
) -> Report:
    """Return the report on some services over a window.

    Args:
        history: Where to read.
        services: The services, in the catalogue's order.
        start: The start of the window.
        end: Its end, at most now.
        now: From when on planned maintenance is reported.
    """
    ids = [service.id for service in services]
    intervals = await history.status_intervals(ids, start, end)
    jobs = await history.job_totals(ids, start, end)
    spent = await _spent(history, end - start, end)
    claims = await read_claims(history, services)
    return Report(
        start,
        end,
        now,
        tuple(
            ServiceReport(
                service,
                model_family(service.name),
                service_figures(
                    intervals[service.id],
                    start,
                    end,
                    jobs.get(service.id, JobTotals()),
                    spent.get(service.id, Decimal(0)),
                ),
                claims.get(service.id),
            )
            for service in services
        ),
    )


def report_window(
    window: UptimeWindow, month: date | None, now: datetime
) -> tuple[datetime, datetime]:
    """Return the start and the end of what a reader asks for.

    Args:
        window: The window that ends now.
        month: The month in UTC to take instead; of one that has not ended the part until now.
        now: The current time.

    Raises:
        LookupError: if the month has not begun.
    """
    if month is None:
        return now - window.length, now
    start, end = month_bounds(month)
    if start >= now:
        raise LookupError(f"The month {format_month_key(month)} has not begun.")
    return start, min(end, now)


async def _spent(
    history: Storage, window: timedelta, end: datetime
) -> dict[ServiceId, Decimal | None]:
    spent: dict[ServiceId, Decimal | None] = {}
    for total in await history.ledger.totals(window, end):
        before = spent.get(total.service, Decimal(0))
        is_known = before is not None and not total.unknown_count
        spent[total.service] = before + total.amount if before is not None and is_known else None
    return spent
