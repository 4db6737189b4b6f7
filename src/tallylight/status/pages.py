"""The pages for people."""

from datetime import timedelta
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tallylight.model.ids import IncidentId, ServiceId
from tallylight.status.budgets import budget_usage
from tallylight.status.recommendation import MAX_SECONDS, RecommendationQuery, is_valid_size
from tallylight.status.requests import (
    LANGUAGE_COOKIE,
    base_url_of,
    context_of,
    language_of,
    translator_of,
)
from tallylight.status.templating import render
from tallylight.status.views.advice import advice_view
from tallylight.status.views.atom import atom_feed
from tallylight.status.views.day_bars import daily_shares, day_columns
from tallylight.status.views.detail import evidence_views, sheet_view
from tallylight.status.views.incidents import incident_view
from tallylight.status.views.overview import overview
from tallylight.status.views.probes import budget_views, probe_views
from tallylight.status.views.recommendation import policy_options, recommendation_view
from tallylight.status.views.services import BAR_DAYS, ServiceFacts, service_view
from tallylight.status.views.timestamps import timestamp
from tallylight.status.views.uptimes import UptimeWindow, uptime_view

_RECENT = timedelta(days=14)
_YEAR_S = 365 * 24 * 3600
_EVIDENCE_ROWS = 30
_WINDOWS = (UptimeWindow.DAY, UptimeWindow.WEEK, UptimeWindow.MONTH, UptimeWindow.QUARTER)


async def index_page(request: Request) -> Response:
    """Show every service."""
    house, to, now = context_of(request), translator_of(request), context_of(request).now()
    known = await house.all_facts()
    found = await house.sources.history.incidents(start=now - _RECENT, limit=12)
    summary = overview(house.statuses(), to, network_is_down=house.sources.board.network_is_down)
    incidents = [incident_view(each, house.service_name(each.service), now, to) for each in found]
    adviser = house.sources.advice_source
    bought = None if adviser is None else advice_view(adviser.advice(), to)

    def drawn() -> Response:
        services = [service_view(facts, now, to) for facts in known]
        return _render_page(
            request,
            "index.html",
            overview=summary,
            services=services,
            incidents=incidents,
            advice=bought,
        )

    # A thousand cards take seconds to draw, in which the probes must go on.
    return await run_in_threadpool(drawn)


async def service_card(request: Request) -> Response:
    """Show one service's card alone, for a page that is open to put in place of its own."""
    facts = await _facts(request)
    view = service_view(facts, context_of(request).now(), translator_of(request))
    return _render_page(request, "card.html", service=view)


async def overview_fragment(request: Request) -> Response:
    """Show the line over all services alone."""
    house, to = context_of(request), translator_of(request)
    board = house.sources.board
    view = overview(house.statuses(), to, network_is_down=board.network_is_down)
    return _render_page(request, "overview.html", overview=view)


async def advice_fragment(request: Request) -> Response:
    """Show what budgets buy alone."""
    adviser = context_of(request).sources.advice_source
    if adviser is None:
        raise HTTPException(404)
    return _render_page(
        request, "advice.html", advice=advice_view(adviser.advice(), translator_of(request))
    )


async def service_page(request: Request) -> Response:
    """Show one service with all that is known of it."""
    facts = await _facts(request)
    house, to, now = context_of(request), translator_of(request), context_of(request).now()
    state, id_ = house.sources, facts.service.id
    found = await state.history.incidents(id_, limit=20)
    seen = await state.history.evidence(id_, limit=_EVIDENCE_ROWS)
    spent = await budget_usage(state.history.ledger, [facts.service], None, now)
    return _render_page(
        request,
        "service.html",
        service=service_view(facts, now, to),
        days=day_columns(daily_shares(facts.status_intervals, now, BAR_DAYS), to),
        uptimes=[uptime_view(facts.status_intervals, window, now, to) for window in _WINDOWS],
        incidents=[incident_view(each, facts.service.name, now, to) for each in found],
        evidence=evidence_views(seen, now, to),
        sheet=sheet_view(facts.service.sheet, to),
        probes=() if state.plan is None else probe_views(state.plan.planned_probes(id_), now, to),
        withheld="" if state.plan is None else state.plan.withheld_reasons().get(id_, ""),
        budgets=budget_views(spent, to),
    )


async def incident_page(request: Request) -> Response:
    """Show one incident's story."""
    house, to = context_of(request), translator_of(request)
    found = await house.sources.history.incident(IncidentId(request.path_params["incident"]))
    if found is None:
        raise HTTPException(404)
    view = incident_view(found, house.service_name(found.service), house.now(), to)
    return _render_page(request, "incident.html", incident=view)


async def recommendation_page(request: Request) -> Response:
    """Show which service to use for what."""
    house, to = context_of(request), translator_of(request)
    recommender = house.sources.recommender
    if recommender is None:
        raise HTTPException(404)
    try:
        wanted = _parse_query(request.query_params)
        found = recommender.recommend(wanted)
    except (LookupError, ValueError):
        raise HTTPException(404) from None
    return _render_page(
        request,
        "recommend.html",
        wanted=wanted,
        policies=policy_options(recommender.policies(), found.query.policy, to),
        models=recommender.models(),
        found=recommendation_view(found, to),
    )


async def atom_response(request: Request) -> Response:
    """Tell the newest incidents as an Atom feed."""
    house, to = context_of(request), translator_of(request)
    found = await house.sources.history.incidents(limit=50)
    view = atom_feed(
        [(each, house.service_name(each.service)) for each in found],
        base_url_of(request),
        house.now(),
        to,
    )
    text = render("feed.xml", to, title=house.sources.options.title, feed=view)
    return Response(text, media_type="application/atom+xml")


def error_page(request: Request, status: int) -> Response:
    """Show that there is nothing, or that it went wrong."""
    return _render_page(request, "error.html", status, code=status)


def _parse_query(params: QueryParams) -> RecommendationQuery:
    """Return what a page is asked for.

    Raises:
        ValueError: if that cannot be meant.
    """
    seconds, size = params.get("seconds", ""), params.get("size", "")
    if not is_valid_size(size) or not 0 <= int(seconds or 0) <= MAX_SECONDS:
        raise ValueError("no such length or size")
    return RecommendationQuery(
        params.get("for", ""), int(seconds or 0) or None, size, params.get("model", "")
    )


async def _facts(request: Request) -> ServiceFacts:
    try:
        return await context_of(request).facts(ServiceId(request.path_params["service"]))
    except KeyError:
        raise HTTPException(404) from None


def _query_prefix(request: Request) -> str:
    """Return what an address asks beside its language, as the beginning of a query."""
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name != LANGUAGE_COOKIE
    ]
    return f"{urlencode(kept)}&" if kept else ""


def _render_page(request: Request, template: str, status: int = 200, **view: object) -> Response:
    to = translator_of(request)
    house = context_of(request)
    now = timestamp(house.now(), house.now(), to)
    title = house.sources.options.title
    text = render(
        template,
        to,
        title=title,
        path=request.url.path,
        asked=_query_prefix(request),
        now=now,
        **view,
    )
    response = HTMLResponse(
        text, status, {"Vary": "Accept-Language, Cookie", "Content-Language": to.language}
    )
    if LANGUAGE_COOKIE in request.query_params:
        response.set_cookie(
            LANGUAGE_COOKIE, language_of(request), max_age=_YEAR_S, httponly=True, samesite="lax"
        )
    return response
