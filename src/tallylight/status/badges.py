"""Badges for a README, as SVG and as a shields.io endpoint: status, uptime, response time."""

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_duration
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.status.requests import PageContext, context_of, translator_of
from tallylight.status.views.services import service_row
from tallylight.status.views.uptimes import UptimeWindow

_CACHE = {"Cache-Control": "public, max-age=30"}

#: Dark enough for white text at a contrast of 4.5 to 1 (WCAG 2.1, 1.4.3).
_COLOURS = {
    Status.OPERATIONAL: "#1a7f45",
    Status.DEGRADED: "#8a6100",
    Status.RISK_CONTROL: "#a14a00",
    Status.SUSPENDED: "#b3261e",
    Status.MAINTENANCE: "#2c63b8",
    Status.RETIRED: "#3c3a37",
    Status.UNKNOWN: "#6b6863",
}
_NO_VERDICT = _COLOURS[Status.MAINTENANCE]
"""The colour of a response time: none is good or bad for all services."""

#: The colour of an uptime of so much or more, the highest first.
_UPTIME_COLOURS = (
    (0.99, _COLOURS[Status.OPERATIONAL]),
    (0.95, _COLOURS[Status.DEGRADED]),
    (0.8, _COLOURS[Status.RISK_CONTROL]),
    (0.0, _COLOURS[Status.SUSPENDED]),
)
_WIDE_CHARACTER = 12.0
_NARROW_CHARACTER = 6.6
_PADDING = 8.0


async def badge_svg(request: Request) -> Response:
    """Return a service's badge as SVG; an unknown id gets a badge that says so, with 404."""
    badge = await _badge(request)
    svg = render_badge(badge.name, badge.label, badge.colour)
    return Response(svg, badge.http_status, _CACHE, media_type="image/svg+xml")


async def badge_json(request: Request) -> Response:
    """Return a service's badge in shields.io's endpoint schema."""
    badge = await _badge(request)
    body = {
        "schemaVersion": 1,
        "label": badge.name,
        "message": badge.label,
        "color": badge.colour,
        "isError": badge.is_error,
        "cacheSeconds": 60,
    }
    return JSONResponse(body, badge.http_status, _CACHE)


def render_badge(label: str, message: str, colour: str) -> str:
    """Return an SVG of two fields side by side."""
    left, right = _width(label), _width(message)
    whole, label, message = left + right, escape(label), escape(message)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:g}" height="20" role="img" '
        f'aria-label="{label}: {message}"><title>{label}: {message}</title>'
        f'<clipPath id="r"><rect width="{whole:g}" height="20" rx="4"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left:g}" height="20" fill="#3c3a37"/>'
        f'<rect x="{left:g}" width="{right:g}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" font-family="Verdana,Noto Sans TC,sans-serif" font-size="11" '
        'text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14">{label}</text>'
        f'<text x="{left + right / 2:g}" y="14">{message}</text></g></svg>'
    )


class _Badge(NamedTuple):
    """The two fields of a badge, in grey unless there is something to show."""

    name: str
    label: str
    colour: str = _COLOURS[Status.UNKNOWN]
    is_error: bool = False
    http_status: int = 200


async def _badge(request: Request) -> _Badge:
    id_, to = ServiceId(request.path_params["service"]), translator_of(request)
    context, figure = context_of(request), request.path_params.get("figure", "status")
    if figure not in _FIGURES:
        raise HTTPException(404)
    try:
        return await _FIGURES[figure](context, id_, to)
    except KeyError:
        if await context.removed_at(id_) is not None:
            return _Badge(id_, to.gettext("removed"), is_error=True)
        return _Badge(id_, to.gettext("no such service"), is_error=True, http_status=404)


async def _status(context: PageContext, id_: ServiceId, to: Translator) -> _Badge:
    row = service_row(context.sources.board, id_, to)
    is_error = row.status is Status.SUSPENDED
    return _Badge(row.service.name, row.status_label, _COLOURS[row.status], is_error)


async def _uptime(context: PageContext, id_: ServiceId, to: Translator) -> _Badge:
    row = await context.row(id_, to)
    view = row.uptime(UptimeWindow.MONTH, context.now())
    name = _figure_name(row.service.name, view.label, to)
    if view.uptime is None:
        return _Badge(name, view.text)
    colour = next(colour for least, colour in _UPTIME_COLOURS if view.uptime >= least)
    return _Badge(name, view.text, colour)


async def _latency(context: PageContext, id_: ServiceId, to: Translator) -> _Badge:
    row = service_row(context.sources.board, id_, to)
    name = _figure_name(row.service.name, to.gettext("Response time"), to)
    if row.latency is None:
        return _Badge(name, to.gettext("not measured"))
    return _Badge(name, format_duration(row.latency, to), _NO_VERDICT)


_Figure = Callable[[PageContext, ServiceId, Translator], Awaitable[_Badge]]
_FIGURES: Mapping[str, _Figure] = {"status": _status, "uptime": _uptime, "latency": _latency}


def _figure_name(name: str, figure: str, to: Translator) -> str:
    return to.gettext("%(label)s: %(text)s") % {"label": name, "text": figure}


def _width(text: str) -> float:
    # A Chinese character is about twice as wide as a Latin letter.
    letters = sum(_WIDE_CHARACTER if ord(letter) > 0x2E80 else _NARROW_CHARACTER for letter in text)  # noqa: PLR2004
    return round(letters + 2 * _PADDING, 1)
