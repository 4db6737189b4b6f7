"""The pages for people."""

from datetime import timedelta
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tallylight.model.ids import IncidentId, ServiceId
from tallylight.status.budgets import spendings
from tallylight.status.recommendation import LONGEST_SECONDS, Wanted, is_size
from tallylight.status.requests import COOKIE, base_of, language_of, reading_of, translator_of
from tallylight.status.templating import render
from tallylight.status.views.advice import advice_view
from tallylight.status.views.atom import atom_feed
from tallylight.status.views.day_bars import columns, days_of
from tallylight.status.views.detail import evidence_views, sheet_view
from tallylight.status.views.incidents import incident_view
from tallylight.status.views.overview import overview
from tallylight.status.views.probes import budget_views, probe_views
from tallylight.status.views.recommendation import policy_options, recommendation_view
from tallylight.status.views.services import BAR_DAYS, Facts, service_view
from tallylight.status.views.timestamps import moment
from tallylight.status.views.uptimes import Window, uptime

_RECENT = timedelta(days=14)
_YEAR_S = 365 * 24 * 3600
_EVIDENCE_ROWS = 30
_WINDOWS = (Window.DAY, Window.WEEK, Window.MONTH, Window.QUARTER)


async def index(request: Request) -> Response:
    """Show every service."""
    house, to, now = reading_of(request), translator_of(request), reading_of(request).now()
    known = await house.all_facts()
    found = await house.state.history.incidents(start=now - _RECENT, limit=12)
    summary = overview(house.statuses(), to, network_is_down=house.state.board.network_is_down)
    incidents = [incident_view(each, house.name(each.service), now, to) for each in found]
    adviser = house.state.adviser
    bought = None if adviser is None else advice_view(adviser.advice(), to)

    def drawn() -> Response:
        services = [service_view(facts, now, to) for facts in known]
        return _page(
            request,
            "index.html",
            overview=summary,
            services=services,
            incidents=incidents,
            advice=bought,
        )

    # A thousand cards take seconds to draw, in which the probes must go on.
    return await run_in_threadpool(drawn)


async def card(request: Request) -> Response:
    """Show one service's card alone, for a page that is open to put in place of its own."""
    facts = await _facts(request)
    view = service_view(facts, reading_of(request).now(), translator_of(request))
    return _page(request, "card.html", service=view)


async def overview_line(request: Request) -> Response:
    """Show the line over all services alone."""
    house, to = reading_of(request), translator_of(request)
    board = house.state.board
    view = overview(house.statuses(), to, network_is_down=board.network_is_down)
    return _page(request, "overview.html", overview=view)


async def advice(request: Request) -> Response:
    """Show what budgets buy alone."""
    adviser = reading_of(request).state.adviser
    if adviser is None:
        raise HTTPException(404)
    return _page(
        request, "advice.html", advice=advice_view(adviser.advice(), translator_of(request))
    )


async def service(request: Request) -> Response:
    """Show one service with all that is known of it."""
    facts = await _facts(request)
    house, to, now = reading_of(request), translator_of(request), reading_of(request).now()
    state, id_ = house.state, facts.service.id
    found = await state.history.incidents(id_, limit=20)
    seen = await state.history.evidence(id_, limit=_EVIDENCE_ROWS)
    spent = await spendings(state.history.ledger, [facts.service], None, now)
    return _page(
        request,
        "service.html",
        service=service_view(facts, now, to),
        days=columns(days_of(facts.spells, now, BAR_DAYS), to),
        uptimes=[uptime(facts.spells, window, now, to) for window in _WINDOWS],
        incidents=[incident_view(each, facts.service.name, now, to) for each in found],
        evidence=evidence_views(seen, now, to),
        sheet=sheet_view(facts.service.sheet, to),
        probes=()
        if state.plan is None
        else probe_views(state.plan.next_appointments(id_), now, to),
        withheld="" if state.plan is None else state.plan.withheld().get(id_, ""),
        budgets=budget_views(spent, to),
    )


async def incident(request: Request) -> Response:
    """Show one incident's story."""
    house, to = reading_of(request), translator_of(request)
    found = await house.state.history.incident(IncidentId(request.path_params["incident"]))
    if found is None:
        raise HTTPException(404)
    view = incident_view(found, house.name(found.service), house.now(), to)
    return _page(request, "incident.html", incident=view)


async def recommend(request: Request) -> Response:
    """Show which service to use for what."""
    house, to = reading_of(request), translator_of(request)
    recommender = house.state.recommender
    if recommender is None:
        raise HTTPException(404)
    try:
        wanted = _wanted(request.query_params)
        found = recommender.recommend(wanted)
    except (LookupError, ValueError):
        raise HTTPException(404) from None
    return _page(
        request,
        "recommend.html",
        wanted=wanted,
        policies=policy_options(recommender.policies(), found.wanted.policy, to),
        models=recommender.models(),
        found=recommendation_view(found, to),
    )


async def feed(request: Request) -> Response:
    """Tell the newest incidents as an Atom feed."""
    house, to = reading_of(request), translator_of(request)
    found = await house.state.history.incidents(limit=50)
    view = atom_feed(
        [(each, house.name(each.service)) for each in found],
        base_of(request),
        house.now(),
        to,
    )
    text = render("feed.xml", to, title=house.state.options.title, feed=view)
    return Response(text, media_type="application/atom+xml")


def error_page(request: Request, status: int) -> Response:
    """Show that there is nothing, or that it went wrong."""
    return _page(request, "error.html", status, code=status)


def _wanted(written: QueryParams) -> Wanted:
    """Return what a page is asked for.

    Raises:
        ValueError: if that cannot be meant.
    """
    seconds, size = written.get("seconds", ""), written.get("size", "")
    if not is_size(size) or not 0 <= int(seconds or 0) <= LONGEST_SECONDS:
        raise ValueError("no such length or size")
    return Wanted(written.get("for", ""), int(seconds or 0) or None, size, written.get("model", ""))


async def _facts(request: Request) -> Facts:
    try:
        return await reading_of(request).facts(ServiceId(request.path_params["service"]))
    except KeyError:
        raise HTTPException(404) from None


def _asked(request: Request) -> str:
    """Return what an address asks beside its language, as the beginning of a query."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != COOKIE]
    return f"{urlencode(kept)}&" if kept else ""


def _page(request: Request, template: str, status: int = 200, **view: object) -> Response:
    to = translator_of(request)
    house = reading_of(request)
    now = moment(house.now(), house.now(), to)
    title = house.state.options.title
    text = render(
        template, to, title=title, path=request.url.path, asked=_asked(request), now=now, **view
    )
    response = HTMLResponse(
        text, status, {"Vary": "Accept-Language, Cookie", "Content-Language": to.language}
    )
    if COOKIE in request.query_params:
        response.set_cookie(
            COOKIE, language_of(request), max_age=_YEAR_S, httponly=True, samesite="lax"
        )
    return response
