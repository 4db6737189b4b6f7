"""The HTML pages and their fragments."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tallylight.i18n.labels import report_title
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.months import ended_month, format_month_key, month_before, parse_month
from tallylight.status.budgets import budget_usage
from tallylight.status.page_claims import read_announcements
from tallylight.status.recommendation import (
    MAX_SECONDS,
    RecommendationQuery,
    read_seconds,
    read_size,
)
from tallylight.status.rendering import render
from tallylight.status.report import read_report, report_window
from tallylight.status.requests import (
    LANGUAGE_COOKIE,
    context_of,
    is_foreign,
    language_of,
    translator_of,
)
from tallylight.status.views.advice import advice_view
from tallylight.status.views.claims import announcement_lines
from tallylight.status.views.day_bars import daily_shares, day_columns, uptime_bar
from tallylight.status.views.detail import evidence_views, sheet_view
from tallylight.status.views.incidents import incident_view
from tallylight.status.views.overview import Overview, overview
from tallylight.status.views.probes import budget_views, pace_text, probe_views
from tallylight.status.views.recommendation import policy_options, recommendation_view
from tallylight.status.views.report import report_view
from tallylight.status.views.services import BAR_DAYS, removal_notice, service_view
from tallylight.status.views.timestamps import timestamp
from tallylight.status.views.uptimes import UptimeWindow, uptime_view

_RECENT = timedelta(days=14)
_YEAR_S = 365 * 24 * 3600
_EVIDENCE_ROWS = 30
_INCIDENT_ROWS = 20
_WINDOWS = (UptimeWindow.DAY, UptimeWindow.WEEK, UptimeWindow.MONTH, UptimeWindow.QUARTER)


async def index_page(request: Request) -> Response:
    """Show every service."""
    context, to = context_of(request), translator_of(request)
    now, sources = context.now(), context.sources
    rows = await context.rows(to)
    incidents = await context.incidents(start=now - _RECENT, limit=12)
    summary = _overview(request)
    announced = await read_announcements(sources.history, sources.board.services(), now)
    planned = announcement_lines(announced, now, to)
    is_hidden = sources.advice is None or is_foreign(request)
    advice = None if is_hidden or sources.advice is None else advice_view(sources.advice(), to)

    def render_index() -> Response:
        return _render_page(
            request,
            "index.html",
            overview=summary,
            planned=planned,
            services=[service_view(row, now) for row in rows],
            incidents=[
                incident_view(each, context.service_name(each.service), now, to)
                for each in incidents
            ],
            advice=advice,
        )

    # Rendering a thousand cards takes seconds, and must not block the probes' event loop.
    return await run_in_threadpool(render_index)


async def service_card(request: Request) -> Response:
    """Return one service's card, for the script of an open page."""
    context = context_of(request)
    try:
        row = await context.row(_service_id(request), translator_of(request))
    except KeyError:
        raise HTTPException(404) from None
    return _render_page(request, "card.html", service=service_view(row, context.now()))


async def overview_fragment(request: Request) -> Response:
    """Return the summary of all services, for the script of an open page."""
    return _render_page(request, "overview.html", overview=_overview(request))


async def advice_fragment(request: Request) -> Response:
    """Return the section on budgets, for the script of an open page."""
    advice = context_of(request).sources.advice
    if advice is None or is_foreign(request):
        raise HTTPException(404)
    view = advice_view(advice(), translator_of(request))
    return _render_page(request, "advice.html", advice=view)


async def service_page(request: Request) -> Response:
    """Show one service in detail, or what is kept of one that was removed."""
    context = context_of(request)
    try:
        row = await context.row(_service_id(request), translator_of(request))
    except KeyError:
        return await _removed_page(request)
    to, now, sources, service = row.to, context.now(), context.sources, row.service
    incidents = await context.incidents(service.id, limit=_INCIDENT_ROWS)
    evidence, usage = [], []
    if not is_foreign(request):
        evidence = list(await sources.history.evidence(service.id, limit=_EVIDENCE_ROWS))
        usage = list(await budget_usage(sources.history.ledger, [service], None, now))
    plan = sources.plan
    return _render_page(
        request,
        "service.html",
        service=service_view(row, now),
        claims=await context.claims(row),
        day_columns=day_columns(daily_shares(row.intervals, now, BAR_DAYS), to, BAR_DAYS),
        uptimes=[row.uptime(window, now) for window in _WINDOWS],
        incidents=[incident_view(each, service.name, now, to) for each in incidents],
        evidence=evidence_views(evidence, now, to),
        sheet=sheet_view(service.sheet, now.date(), to),
        probes=() if plan is None else probe_views(plan.planned_probes(service.id), now, to),
        pace="" if plan is None else pace_text(plan.paid_pace(service.id), to),
        withheld="" if plan is None else plan.withheld_reasons().get(service.id, ""),
        budgets=budget_views(usage, to),
    )


async def _removed_page(request: Request) -> Response:
    context, to, id_ = context_of(request), translator_of(request), _service_id(request)
    removed_at = await context.removed_at(id_)
    if removed_at is None:
        raise HTTPException(404)
    now, sources = context.now(), context.sources
    intervals = await context.removed_intervals(id_, removed_at)
    days = daily_shares(intervals, now, BAR_DAYS)
    evidence = []
    if not is_foreign(request):
        evidence = list(await sources.history.evidence(id_, end=removed_at, limit=_EVIDENCE_ROWS))
    incidents = await context.incidents(id_, limit=_INCIDENT_ROWS)
    return _render_page(
        request,
        "removed.html",
        name=id_,
        notice=removal_notice(removed_at, sources.evidence_kept(), now, to),
        uptime_bar=uptime_bar(days, to, BAR_DAYS),
        day_columns=day_columns(days, to, BAR_DAYS),
        uptimes=[uptime_view(intervals, window, now, to) for window in _WINDOWS],
        incidents=[incident_view(each, id_, now, to) for each in incidents],
        evidence=evidence_views(evidence, now, to),
    )


async def incident_page(request: Request) -> Response:
    """Show one incident with its updates."""
    context, to = context_of(request), translator_of(request)
    incident = await context.incident(IncidentId(request.path_params["incident"]))
    if incident is None:
        raise HTTPException(404)
    view = incident_view(incident, context.service_name(incident.service), context.now(), to)
    return _render_page(request, "incident.html", incident=view)


async def recommendation_page(request: Request) -> Response:
    """Show which service to use for a request."""
    recommender, to = context_of(request).sources.recommender, translator_of(request)
    if recommender is None:
        raise HTTPException(404)
    params, problem = request.query_params, ""
    size, seconds = read_size(params.get("size", "")), read_seconds(params.get("seconds", ""))
    if size is None:
        problem = to.gettext("The size is not understood; write width and height as 1280x720.")
    elif seconds is None:
        problem = to.gettext("The length is a whole number of seconds, from 1 to %d.") % MAX_SECONDS
    query = RecommendationQuery(
        params.get("for", ""), seconds or None, size or "", params.get("model", "")
    )
    try:
        recommendation = recommender.recommend(query)
    except LookupError:
        problem = problem or to.gettext("That purpose or model does not exist.")
        query = replace(query, policy="", model="")
        recommendation = recommender.recommend(query)
    return _render_page(
        request,
        "recommend.html",
        422 if problem else 200,
        query=query,
        problem=problem,
        given_size=size or params.get("size", ""),
        given_seconds=str(seconds or params.get("seconds", "")),
        policies=policy_options(recommender.policies(), recommendation.query.policy, to),
        models=recommender.models(),
        recommendation=recommendation_view(recommendation, to),
    )


async def report_page(request: Request) -> Response:
    """Show which services are fit for production."""
    context, to = context_of(request), translator_of(request)
    sources, now, params = context.sources, context.now(), request.query_params
    try:
        window = UptimeWindow(params.get("window", UptimeWindow.MONTH))
        month = parse_month(params["month"]) if "month" in params else None
        start, end = report_window(window, month, now)
    except (ValueError, LookupError):
        raise HTTPException(404) from None
    report = await read_report(sources.history, sources.board.services(), start, end, now)
    earlier = ended_month(now) if month is None else month_before(month)
    return _render_page(
        request,
        "report.html",
        report=report_view(report, to),
        is_linked=True,
        query=f"window={window}" if month is None else f"month={format_month_key(month)}",
        # Where nothing was monitored there is no way on: a crawler would follow it for ever.
        earlier=format_month_key(earlier) if month is None or report.has_figures else "",
        earlier_title=report_title(earlier, to),
    )


def error_page(request: Request, status: int) -> Response:
    """Show an error."""
    return _render_page(request, "error.html", status, code=status)


def _overview(request: Request) -> Overview:
    context = context_of(request)
    return overview(
        context.weighed_statuses(),
        translator_of(request),
        network_is_down=context.sources.board.network_is_down,
    )


def _service_id(request: Request) -> ServiceId:
    return ServiceId(request.path_params["service"])


def _query_prefix(request: Request) -> str:
    """Return the query without the language, ready for a language to be appended."""
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name != LANGUAGE_COOKIE
    ]
    return f"{urlencode(kept)}&" if kept else ""


def _render_page(request: Request, template: str, status: int = 200, **view: object) -> Response:
    context, to = context_of(request), translator_of(request)
    now = context.now()
    prefix = context.sources.options.prefix
    text = render(
        template,
        to,
        prefix,
        title=context.sources.options.title,
        path=request.scope["path"],
        query_prefix=_query_prefix(request),
        now=timestamp(now, now, to),
        **view,
    )
    response = HTMLResponse(
        text, status, {"Vary": "Accept-Language, Cookie", "Content-Language": to.language}
    )
    if LANGUAGE_COOKIE in request.query_params:
        response.set_cookie(
            LANGUAGE_COOKIE,
            language_of(request),
            max_age=_YEAR_S,
            path=prefix or "/",
            httponly=True,
            samesite="lax",
        )
    return response
