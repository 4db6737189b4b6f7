"""The feeds of incidents, of all services and of one, as Atom and as RSS."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tallylight.model.ids import ServiceId
from tallylight.status.rendering import render
from tallylight.status.requests import base_url_of, context_of, translator_of
from tallylight.status.views.incident_feed import FeedPlace, incident_feed

_MAX_ENTRIES = 50
#: What XML 1.0 cannot write in any way.
_UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Notation(NamedTuple):
    template: str
    media_type: str


_NOTATIONS: Mapping[str, _Notation] = {
    "atom": _Notation("feed_atom.xml", "application/atom+xml"),
    "rss": _Notation("feed_rss.xml", "application/rss+xml"),
}


async def site_feed(request: Request) -> Response:
    """Return the latest incidents of all services as a feed."""
    return await _feed(request, None, "", "/")


async def service_feed(request: Request) -> Response:
    """Return the latest incidents of one service as a feed, also of one that was removed."""
    context, id_ = context_of(request), ServiceId(request.path_params["service"])
    if not context.is_configured(id_) and await context.removed_at(id_) is None:
        raise HTTPException(404)
    return await _feed(request, id_, context.service_name(id_), f"/services/{quote(id_, safe='')}")


async def _feed(request: Request, id_: ServiceId | None, name: str, page: str) -> Response:
    notation = _NOTATIONS.get(request.path_params["notation"])
    if notation is None:
        raise HTTPException(404)
    context, to = context_of(request), translator_of(request)
    options = context.sources.options
    incidents = await context.incidents(id_, limit=_MAX_ENTRIES)
    view = incident_feed(
        [(each, context.service_name(each.service)) for each in incidents],
        FeedPlace(base_url_of(request), options.authority, page),
        context.now(),
        to,
        name,
    )
    text = render(notation.template, to, "", title=options.title, feed=view)
    return Response(_UNWRITABLE.sub("", text), media_type=notation.media_type)
