"""Our own JSON API, below `/api`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime

from tallylight.status.budgets import spendings
from tallylight.status.json_shapes import (
    advice_answer,
    appointment_answers,
    budget_answer,
    entry_answer,
    evidence_answer,
    recommendation_answer,
    service_answer,
    sheet_answer,
    uptime_answer,
)
from tallylight.status.models import (
    AdviceAnswer,
    ErrorAnswer,
    EvidenceAnswer,
    LedgerAnswer,
    RecommendationAnswer,
    ServiceAnswer,
    ServiceDetail,
    UptimeAnswer,
)
from tallylight.status.parameters import House, Known, Speech
from tallylight.status.recommendation import LONGEST_SECONDS, SIZE, Wanted
from tallylight.status.views.uptimes import Window, uptime

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most, newest first.")]
Before = Annotated[
    AwareDatetime | None, Query(description="Only what was before this moment (RFC 3339).")
]

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

_MISSING: dict[int | str, dict[str, object]] = {
    404: {"model": ErrorAnswer, "description": "There is no such service."}
}
_UNADVISED: dict[int | str, dict[str, object]] = {
    404: {"model": ErrorAnswer, "description": "This server does not compute it."}
}

_MISSING_MODEL: dict[int | str, dict[str, object]] = {
    404: {"model": ErrorAnswer, "description": "There is no such purpose or model."}
}


router = APIRouter(prefix="/api", tags=["tallylight"])


@router.get("/services")
async def services(house: House, to: Speech) -> list[ServiceAnswer]:
    """Return every service with its verdict, in the catalogue's order."""
    now = house.now()
    return [
        service_answer(facts, uptime(facts.spells, Window.QUARTER, now, to), to)
        for facts in await house.all_facts()
    ]


@router.get("/services/{service}", responses=_MISSING)  # noqa: FAST003  # `Known` reads it
async def service(house: House, facts: Known, to: Speech) -> ServiceDetail:
    """Return one service with its fact sheet, uptimes and budgets."""
    now = house.now()
    uptimes = [uptime(facts.spells, window, now, to) for window in Window]
    answer = service_answer(facts, uptimes[-1], to)
    spent = await spendings(house.state.history.ledger, [facts.service], None, now)
    plan, id_ = house.state.plan, facts.service.id
    return ServiceDetail(
        **answer.model_dump(),
        sheet=sheet_answer(facts.service.sheet, to),
        uptimes=[uptime_answer(id_, each) for each in uptimes],
        next_probes=[] if plan is None else appointment_answers(plan.next_appointments(id_)),
        withheld=None if plan is None else plan.withheld().get(id_),
        budgets=[budget_answer(each) for each in spent],
    )


@router.get("/services/{service}/evidence", responses=_MISSING)  # noqa: FAST003  # `Known` reads it
async def evidence(
    house: House, facts: Known, limit: Limit = 100, before: Before = None
) -> list[EvidenceAnswer]:
    """Return the evidence about one service of the day before a moment (default: now)."""
    found = await house.state.history.evidence(
        facts.service.id, end=_not_later(before, house.now()), limit=limit
    )
    return [evidence_answer(piece) for piece in found]


@router.get("/uptime")
async def uptimes(
    house: House,
    to: Speech,
    window: Annotated[Window, Query(description="How far back.")] = Window.DAY,
) -> list[UptimeAnswer]:
    """Return the time-weighted uptime of every service."""
    now = house.now()
    return [
        uptime_answer(facts.service.id, uptime(facts.spells, window, now, to))
        for facts in await house.all_facts()
    ]


@router.get("/recommend", responses=_MISSING_MODEL)
async def recommend(  # noqa: PLR0913, PLR0917  # FastAPI takes each field as a parameter
    house: House,
    to: Speech,
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
        Query(ge=1, le=LONGEST_SECONDS, description="Length; without it each service's own."),
    ] = None,
    size: Annotated[
        str, Query(pattern=SIZE, description="WIDTHxHEIGHT; without it each service's own.")
    ] = "",
    model: Annotated[str, Query(description="A route; without it all services.")] = "",
) -> RecommendationAnswer:
    """Return which service to use for what, and what a delivered video costs there."""
    recommender = house.state.recommender
    if recommender is None:
        raise HTTPException(404, "Nothing is routed here.")
    try:
        found = recommender.recommend(Wanted(purpose, seconds, size, model))
    except LookupError as error:
        raise HTTPException(404, f"{error}.") from None
    return recommendation_answer(found, to)


@router.get("/ledger")
async def ledger(house: House, limit: Limit = 100, before: Before = None) -> LedgerAnswer:
    """Return the budgets, and the newest spending of probes and jobs."""
    now, book = house.now(), house.state.history.ledger
    budgets = await spendings(book, house.state.board.services(), house.state.total_budget(), now)
    entries = await book.entries(end=_not_later(before, now), limit=limit)
    return LedgerAnswer(
        budgets=[budget_answer(each) for each in budgets],
        entries=[entry_answer(entry) for entry in entries],
    )


@router.get("/advice", responses=_UNADVISED)
async def advice(house: House) -> AdviceAnswer:
    """Return what daily budgets would buy for these services; computed once it is asked for."""
    adviser = house.state.adviser
    if adviser is None:
        raise HTTPException(404, "This server computes no advice.")
    return advice_answer(adviser.advice())


def _not_later(before: datetime | None, now: datetime) -> datetime:
    # Nothing lies further ahead, and databases have an end of time.
    latest = now + timedelta(minutes=1)
    return latest if before is None else max(_EARLIEST, min(before, latest))
