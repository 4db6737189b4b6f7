"""What request handlers read: board, history and prober, the reader's language, the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import HTTPConnection

from tallylight.i18n import Language, Translator, negotiate_language, translator
from tallylight.model.ids import ServiceId
from tallylight.status.page_claims import read_claims
from tallylight.status.ports import StatusSources
from tallylight.status.private_paths import FOREIGN_KEY
from tallylight.status.uptime_cache import UptimeCache
from tallylight.status.views.claims import (
    AnnouncedMaintenance,
    ClaimsView,
    announced_maintenances,
    claims_view,
)
from tallylight.status.views.impact import WeighedStatus, weighed_status
from tallylight.status.views.services import ServiceRow, service_row

LANGUAGE_COOKIE = "lang"


@dataclass(frozen=True, slots=True)
class PageContext:
    """What request handlers read from."""

    sources: StatusSources
    uptime_cache: UptimeCache

    def now(self) -> datetime:
        """Return the current time."""
        return self.sources.clock.now()

    async def rows(self, to: Translator) -> list[ServiceRow]:
        """Return the row of every service, in the catalogue's order."""
        ids = self._ids()
        intervals = await self.uptime_cache.status_intervals(ids)
        return [service_row(self.sources.board, id_, to, intervals.get(id_, ())) for id_ in ids]

    async def row(self, id_: ServiceId, to: Translator) -> ServiceRow:
        """Return the row of one service.

        Raises:
            KeyError: if it is not on the board.
        """
        self.sources.board.service(id_)  # before the database is read for an unknown id
        intervals = await self.uptime_cache.status_intervals(self._ids())
        return service_row(self.sources.board, id_, to, intervals.get(id_, ()))

    def weighed_statuses(self) -> list[WeighedStatus]:
        """Return the status of every service with its weight, in the catalogue's order."""
        board = self.sources.board
        return [weighed_status(each, board.verdict(each.id).status) for each in board.services()]

    async def claims(self, row: ServiceRow) -> ClaimsView | None:
        """Return what the official status page claims of a service; None if none was read."""
        claims = (await read_claims(self.sources.history, [row.service])).get(row.service.id)
        return None if claims is None else claims_view(claims, row.intervals, self.now(), row.to)

    async def planned(self) -> Sequence[AnnouncedMaintenance]:
        """Return what official status pages announce for the services, the earliest first."""
        services = self.sources.board.services()
        claims = await read_claims(self.sources.history, services)
        told = ((each, claims[each.id]) for each in services if each.id in claims)
        return announced_maintenances(told, self.now())

    def service_name(self, id_: ServiceId) -> str:
        """Return a service's name, or its id if it has left the catalogue."""
        try:
            return self.sources.board.service(id_).name
        except KeyError:
            return id_

    def _ids(self) -> Sequence[ServiceId]:
        return [service.id for service in self.sources.board.services()]


def context_of(request: HTTPConnection) -> PageContext:
    """Return the context that `make_status_app` has set on the app."""
    context: PageContext = request.app.state.context
    return context


def language_of(request: HTTPConnection) -> Language:
    """Return the language of the query, else of the cookie, else of Accept-Language."""
    for tag in (request.query_params.get(LANGUAGE_COOKIE), request.cookies.get(LANGUAGE_COOKIE)):
        if tag in set(Language):
            return Language(tag)
    options = context_of(request).sources.options
    return negotiate_language(request.headers.get("accept-language", ""), options.language)


def translator_of(request: HTTPConnection) -> Translator:
    """Return the translator into a request's language."""
    return translator(language_of(request))


def base_url_of(request: HTTPConnection) -> str:
    """Return the page's address without a trailing slash."""
    options = context_of(request).sources.options
    if options.public_url:
        return options.public_url.rstrip("/")
    return str(request.base_url).rstrip("/") + options.prefix


def is_foreign(request: HTTPConnection) -> bool:
    """Tell whether a page of another web site sent a request."""
    return bool(request.scope.get(FOREIGN_KEY, False))
