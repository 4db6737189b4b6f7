"""Badges: one service's status for a README, as SVG and as a shields.io endpoint."""

from html import escape
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.status.requests import context_of, translator_of
from tallylight.status.views.services import service_row

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
_WIDE_CHARACTER = 12.0
_NARROW_CHARACTER = 6.6
_PADDING = 8.0


async def badge_svg(request: Request) -> Response:
    """Return a service's badge as SVG; an unknown id gets a badge that says so, with 404."""
    badge = await _badge(request)
    svg = render_badge(badge.name, badge.label, _COLOURS[badge.status or Status.UNKNOWN])
    return Response(svg, badge.http_status, _CACHE, media_type="image/svg+xml")


async def badge_json(request: Request) -> Response:
    """Return a service's badge in shields.io's endpoint schema."""
    badge = await _badge(request)
    body = {
        "schemaVersion": 1,
        "label": badge.name,
        "message": badge.label,
        "color": _COLOURS[badge.status or Status.UNKNOWN],
        "isError": badge.status in {None, Status.SUSPENDED},
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
    """The two fields of a badge; without a status there is no such service any more, or ever."""

    name: str
    label: str
    status: Status | None
    http_status: int = 200


async def _badge(request: Request) -> _Badge:
    id_, to = ServiceId(request.path_params["service"]), translator_of(request)
    context = context_of(request)
    try:
        row = service_row(context.sources.board, id_, to)
    except KeyError:
        if await context.removed_at(id_) is not None:
            return _Badge(id_, to.gettext("removed"), None)
        return _Badge(id_, to.gettext("no such service"), None, 404)
    return _Badge(row.service.name, row.status_label, row.status)


def _width(text: str) -> float:
    # A Chinese character is about twice as wide as a Latin letter.
    letters = sum(_WIDE_CHARACTER if ord(letter) > 0x2E80 else _NARROW_CHARACTER for letter in text)  # noqa: PLR2004
    return round(letters + 2 * _PADDING, 1)
