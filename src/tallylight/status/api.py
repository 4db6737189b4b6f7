"""Our own JSON API, below `/api`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AwareDatetime

from tallylight.model.months import MONTH_PATTERN, parse_month
from tallylight.status.budgets import budget_usage
from tallylight.status.json_shapes import (
    fact_sheet_response,
    feed_trust_response,
    history_response,
    ledger_response,
    official_page_response,
    recommendation_response,
    service_response,
    uptime_response,
)
from tallylight.status.models import (
    AdviceResponse,
    BudgetUsageResponse,
    ErrorResponse,
    EvidenceResponse,
    LedgerResponse,
    PaidPaceResponse,
    RecommendationResponse,
    ServiceDetailResponse,
    ServiceHistoryResponse,
    ServiceResponse,
    UpcomingProbeResponse,
    UptimeResponse,
)
from tallylight.status.parameters import ContextParam, RecordedParam, RowParam, TranslatorParam
from tallylight.status.recommendation import MAX_SECONDS, SIZE_PATTERN, RecommendationQuery
from tallylight.status.report import read_report, report_window
from tallylight.status.report_shapes import ReportResponse, report_response
from tallylight.status.requests import is_foreign
from tallylight.status.views.probes import pace_json
from tallylight.status.views.uptimes import UptimeWindow

LimitParam = Annotated[
    int, Query(ge=1, le=1000, description="Maximum number of entries, newest first.")
]
BeforeParam = Annotated[
    AwareDatetime | None, Query(description="Only entries before this time (RFC 3339).")
]

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def _not_found(description: str) -> dict[int | str, dict[str, object]]:
    return {404: {"model": ErrorResponse, "description": description}}


_SERVICE_NOT_FOUND = _not_found("The service does not exist.")

api_router = APIRouter(prefix="/api", tags=["tallylight"])


@api_router.get("/services")
async def list_services(context: ContextParam, to: TranslatorParam) -> list[ServiceResponse]:
    """Return every service with its verdict, in the catalogue's order."""
    now = context.now()
    return [
        service_response(row, row.uptime(UptimeWindow.QUARTER, now), now.date())
        for row in await context.rows(to)
    ]


@api_router.get("/services/{service}", responses=_SERVICE_NOT_FOUND)  # noqa: FAST003  # `RowParam` reads it
async def get_service(
    request: Request, context: ContextParam, row: RowParam, to: TranslatorParam
) -> ServiceDetailResponse:
    """Return one service with its fact sheet and uptimes, and for its operator with its budgets."""
    now, plan, service = context.now(), context.sources.plan, row.service
    uptimes = [row.uptime(window, now) for window in UptimeWindow]
    ledger = context.sources.history.ledger
    usage = [] if is_foreign(request) else await budget_usage(ledger, [service], None, now)
    claims = await context.claims(row)
    pace = pace_json(None if plan is None else plan.paid_pace(service.id))
    return ServiceDetailResponse(
        **service_response(row, uptimes[-1], now.date()).model_dump(),
        feed_trust=None
        if service.upstream.feed is None
        else feed_trust_response(*context.sources.board.state(service.id)),
        official_page=None if claims is None else official_page_response(claims),
        sheet=fact_sheet_response(service.sheet, to),
        uptimes=[uptime_response(service.id, each) for each in uptimes],
        next_probes=[
            UpcomingProbeResponse.model_validate(probe)
            for probe in (() if plan is None else plan.planned_probes(service.id))
        ],
        paid_pace=None if pace is None else PaidPaceResponse.model_validate(pace),
        withheld=None if plan is None else plan.withheld_reasons().get(service.id),
        budgets=[BudgetUsageResponse.model_validate(each) for each in usage],
    )


@api_router.get("/services/{service}/evidence", responses=_SERVICE_NOT_FOUND)
async def list_evidence(
    context: ContextParam,
    service: RecordedParam,
    limit: LimitParam = 100,
    before: BeforeParam = None,
) -> list[EvidenceResponse]:
    """Return the evidence about one service from the day before a time.

    By default that is now, or when the service was removed from the configuration.
    """
    end = _clamp_time(before or service.removed_at, context.now())
    pieces = await context.sources.history.evidence(service.id, end=end, limit=limit)
    return [EvidenceResponse.model_validate(piece) for piece in pieces]


@api_router.get("/services/{service}/history", responses=_SERVICE_NOT_FOUND)
async def get_history(
    context: ContextParam, service: RecordedParam, to: TranslatorParam, limit: LimitParam = 100
) -> ServiceHistoryResponse:
    """Return the uptimes and incidents of one service, also of one that was removed."""
    incidents = await context.incidents(service.id, limit=limit)
    return history_response(service, incidents, context.now(), to)


@api_router.get("/uptime")
async def list_uptimes(
    context: ContextParam,
    to: TranslatorParam,
    window: Annotated[
        UptimeWindow, Query(description="The window, which ends now.")
    ] = UptimeWindow.DAY,
) -> list[UptimeResponse]:
    """Return the time-weighted uptime of every service."""
    now = context.now()
    return [
        uptime_response(row.service.id, row.uptime(window, now)) for row in await context.rows(to)
    ]


@api_router.get("/report", responses=_not_found("The month has not begun."))
async def get_report(
    context: ContextParam,
    to: TranslatorParam,
    window: Annotated[
        UptimeWindow, Query(description="The window, which ends now.")
    ] = UptimeWindow.MONTH,
    month: Annotated[
        str | None,
        Query(pattern=MONTH_PATTERN, description="A month in UTC instead of the window: 2026-11."),
    ] = None,
) -> ReportResponse:
    """Return which services are fit for production."""
    services, now = context.sources.board.services(), context.now()
    try:
        start, end = report_window(window, None if month is None else parse_month(month), now)
    except LookupError as error:
        raise HTTPException(404, str(error)) from None
    report = await read_report(context.sources.history, services, start, end, now)
    return report_response(report, to)


@api_router.get("/recommend", responses=_not_found("The purpose or the model does not exist."))
async def get_recommendation(  # noqa: PLR0913, PLR0917  # FastAPI takes each field as a parameter
    context: ContextParam,
    to: TranslatorParam,
    purpose: Annotated[
        str,
        Query(
            alias="for",
            description="A preset (production, commercial, development, personal, high_volume, "
            "budget) or a preference (official, reverse, cheapest, fastest, most_reliable).",
        ),
    ] = "",
    seconds: Annotated[
        int | None,
        Query(ge=1, le=MAX_SECONDS, description="Length in seconds (default: each service's own)."),
    ] = None,
    size: Annotated[
        str, Query(pattern=SIZE_PATTERN, description="WIDTHxHEIGHT (default: each service's own).")
    ] = "",
    model: Annotated[str, Query(description="A route (default: all services).")] = "",
) -> RecommendationResponse:
    """Return which service to use for a request, and what a delivered video costs there."""
    recommender = context.sources.recommender
    if recommender is None:
        raise HTTPException(404, "This server routes no requests.")
    try:
        recommendation = recommender.recommend(RecommendationQuery(purpose, seconds, size, model))
    except LookupError as error:
        raise HTTPException(404, f"{error}.") from None
    return recommendation_response(recommendation, to)


@api_router.get("/ledger")
async def get_ledger(
    context: ContextParam, limit: LimitParam = 100, before: BeforeParam = None
) -> LedgerResponse:
    """Return the budgets, and the latest spending of probes and jobs."""
    now, ledger = context.now(), context.sources.history.ledger
    services = context.sources.board.services()
    budgets = await budget_usage(ledger, services, context.sources.total_budget(), now)
    entries = await ledger.entries(end=_clamp_time(before, now), limit=limit)
    return ledger_response(budgets, entries)


@api_router.get("/advice", responses=_not_found("This server computes no advice."))
async def get_advice(context: ContextParam) -> AdviceResponse:
    """Return what daily budgets would buy for these services; the first request starts it."""
    advice = context.sources.advice
    if advice is None:
        raise HTTPException(404, "This server computes no advice.")
    return AdviceResponse.model_validate(advice())


def _clamp_time(before: datetime | None, now: datetime) -> datetime:
    # Nothing is recorded later, and databases reject years at the ends of the calendar.
    latest = now + timedelta(minutes=1)
    return latest if before is None else max(_EARLIEST, min(before, latest))
