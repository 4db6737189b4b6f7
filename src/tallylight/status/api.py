"""Our own JSON API, below `/api`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime

from tallylight.status.budgets import budget_usage
from tallylight.status.json_shapes import (
    advice_response,
    budget_usage_response,
    evidence_response,
    fact_sheet_response,
    ledger_entry_response,
    recommendation_response,
    service_response,
    upcoming_probe_responses,
    uptime_response,
)
from tallylight.status.models import (
    AdviceResponse,
    ErrorResponse,
    EvidenceResponse,
    LedgerResponse,
    RecommendationResponse,
    ServiceDetailResponse,
    ServiceResponse,
    UptimeResponse,
)
from tallylight.status.parameters import ContextParam, FactsParam, TranslatorParam
from tallylight.status.recommendation import MAX_SECONDS, SIZE_PATTERN, RecommendationQuery
from tallylight.status.views.uptimes import UptimeWindow, uptime_view

LimitParam = Annotated[int, Query(ge=1, le=1000, description="How many at most, newest first.")]
BeforeParam = Annotated[
    AwareDatetime | None, Query(description="Only what was before this moment (RFC 3339).")
]

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

_SERVICE_NOT_FOUND: dict[int | str, dict[str, object]] = {
    404: {"model": ErrorResponse, "description": "There is no such service."}
}
_ADVICE_UNAVAILABLE: dict[int | str, dict[str, object]] = {
    404: {"model": ErrorResponse, "description": "This server does not compute it."}
}

_MODEL_NOT_FOUND: dict[int | str, dict[str, object]] = {
    404: {"model": ErrorResponse, "description": "There is no such purpose or model."}
}


api_router = APIRouter(prefix="/api", tags=["tallylight"])


@api_router.get("/services")
async def list_services(context: ContextParam, to: TranslatorParam) -> list[ServiceResponse]:
    """Return every service with its verdict, in the catalogue's order."""
    now = context.now()
    return [
        service_response(
            facts, uptime_view(facts.status_intervals, UptimeWindow.QUARTER, now, to), to
        )
        for facts in await context.all_facts()
    ]


@api_router.get("/services/{service}", responses=_SERVICE_NOT_FOUND)  # noqa: FAST003  # `Known` reads it
async def get_service(
    context: ContextParam, facts: FactsParam, to: TranslatorParam
) -> ServiceDetailResponse:
    """Return one service with its fact sheet, uptimes and budgets."""
    now = context.now()
    uptimes = [uptime_view(facts.status_intervals, window, now, to) for window in UptimeWindow]
    answer = service_response(facts, uptimes[-1], to)
    spent = await budget_usage(context.sources.history.ledger, [facts.service], None, now)
    plan, id_ = context.sources.plan, facts.service.id
    return ServiceDetailResponse(
        **answer.model_dump(),
        sheet=fact_sheet_response(facts.service.sheet, to),
        uptimes=[uptime_response(id_, each) for each in uptimes],
        next_probes=[] if plan is None else upcoming_probe_responses(plan.planned_probes(id_)),
        withheld=None if plan is None else plan.withheld_reasons().get(id_),
        budgets=[budget_usage_response(each) for each in spent],
    )


@api_router.get("/services/{service}/evidence", responses=_SERVICE_NOT_FOUND)  # noqa: FAST003  # `Known` reads it
async def list_evidence(
    context: ContextParam, facts: FactsParam, limit: LimitParam = 100, before: BeforeParam = None
) -> list[EvidenceResponse]:
    """Return the evidence about one service of the day before a moment (default: now)."""
    found = await context.sources.history.evidence(
        facts.service.id, end=_clamp_time(before, context.now()), limit=limit
    )
    return [evidence_response(piece) for piece in found]


@api_router.get("/uptime")
async def list_uptimes(
    context: ContextParam,
    to: TranslatorParam,
    window: Annotated[UptimeWindow, Query(description="How far back.")] = UptimeWindow.DAY,
) -> list[UptimeResponse]:
    """Return the time-weighted uptime of every service."""
    now = context.now()
    return [
        uptime_response(facts.service.id, uptime_view(facts.status_intervals, window, now, to))
        for facts in await context.all_facts()
    ]


@api_router.get("/recommend", responses=_MODEL_NOT_FOUND)
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
        Query(ge=1, le=MAX_SECONDS, description="Length; without it each service's own."),
    ] = None,
    size: Annotated[
        str, Query(pattern=SIZE_PATTERN, description="WIDTHxHEIGHT; without it each service's own.")
    ] = "",
    model: Annotated[str, Query(description="A route; without it all services.")] = "",
) -> RecommendationResponse:
    """Return which service to use for what, and what a delivered video costs there."""
    recommender = context.sources.recommender
    if recommender is None:
        raise HTTPException(404, "Nothing is routed here.")
    try:
        found = recommender.recommend(RecommendationQuery(purpose, seconds, size, model))
    except LookupError as error:
        raise HTTPException(404, f"{error}.") from None
    return recommendation_response(found, to)


@api_router.get("/ledger")
async def get_ledger(
    context: ContextParam, limit: LimitParam = 100, before: BeforeParam = None
) -> LedgerResponse:
    """Return the budgets, and the newest spending of probes and jobs."""
    now, book = context.now(), context.sources.history.ledger
    budgets = await budget_usage(
        book, context.sources.board.services(), context.sources.total_budget(), now
    )
    entries = await book.entries(end=_clamp_time(before, now), limit=limit)
    return LedgerResponse(
        budgets=[budget_usage_response(each) for each in budgets],
        entries=[ledger_entry_response(entry) for entry in entries],
    )


@api_router.get("/advice", responses=_ADVICE_UNAVAILABLE)
async def get_advice(context: ContextParam) -> AdviceResponse:
    """Return what daily budgets would buy for these services; computed once it is asked for."""
    adviser = context.sources.advice_source
    if adviser is None:
        raise HTTPException(404, "This server computes no advice.")
    return advice_response(adviser.advice())


def _clamp_time(before: datetime | None, now: datetime) -> datetime:
    # Nothing lies further ahead, and databases have an end of time.
    latest = now + timedelta(minutes=1)
    return latest if before is None else max(_EARLIEST, min(before, latest))
