"""What request handlers read: board, history and prober, the reader's language, the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import HTTPConnection

from tallylight.documents.nearest import did_you_mean
from tallylight.i18n import Language, Translator, language_of_tag, negotiate_language, translator
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.verdict import Incident, StatusInterval
from tallylight.status.page_claims import read_claims
from tallylight.status.ports import StatusSources
from tallylight.status.private_paths import FOREIGN_KEY
from tallylight.status.uptime_cache import CACHED_PERIOD, UptimeCache
from tallylight.status.views.claims import ClaimsView, claims_view
from tallylight.status.views.impact import WeighedStatus, weighed_status
from tallylight.status.views.services import ServiceRow, service_row
from tallylight.verdicts.removal import incident_until, intervals_until

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

    async def removed_at(self, id_: ServiceId) -> datetime | None:
        """Return when a service with a history was removed; None if it is no such service."""
        return (await self.sources.history.removed_services(self._ids())).get(id_)

    async def unknown_service(self, id_: ServiceId) -> str:
        """Return the sentence that refuses an id which is not configured."""
        removed_at = await self.removed_at(id_)
        if removed_at is None:
            return f"There is no service {id_}. {did_you_mean(id_, self._ids())}".rstrip()
        return (
            f"Service {id_} was removed from the configuration on {removed_at:%Y-%m-%d}; "
            f"/api/services/{id_}/history still has its history."
        )

    async def removed_intervals(
        self, id_: ServiceId, removed_at: datetime
    ) -> tuple[StatusInterval, ...]:
        """Return the status intervals of the last 90 days of a service that was removed."""
        now = self.now()
        found = await self.sources.history.status_intervals([id_], now - CACHED_PERIOD, now)
        return intervals_until(found[id_], removed_at)

    async def incidents(
        self, service: ServiceId | None = None, *, start: datetime | None = None, limit: int
    ) -> list[Incident]:
        """Return incidents that had not ended at `start`, latest start first.

        An open incident of a service that was removed has ended with the removal.
        """
        history = self.sources.history
        found = await self._ended(await history.incidents(service, start=start, limit=limit))
        return [each for each in found if not start or not each.ended_at or each.ended_at > start]

    async def incident(self, id_: IncidentId) -> Incident | None:
        """Return the incident of an id, None if there is none."""
        found = await self.sources.history.incident(id_)
        return None if found is None else (await self._ended([found]))[0]

    async def _ended(self, incidents: Sequence[Incident]) -> Sequence[Incident]:
        ids = self._ids()
        if all(each.ended_at or each.service in ids for each in incidents):
            return incidents
        removed = await self.sources.history.removed_services(ids)
        return [incident_until(each, removed.get(each.service)) for each in incidents]

    def service_name(self, id_: ServiceId) -> str:
        """Return a service's name, or its id if it has left the catalogue."""
        try:
            return self.sources.board.service(id_).name
        except KeyError:
            return id_

    def is_configured(self, id_: ServiceId) -> bool:
        """Tell whether a service is in the configuration."""
        return id_ in self._ids()

    def _ids(self) -> Sequence[ServiceId]:
        return [service.id for service in self.sources.board.services()]


def context_of(request: HTTPConnection) -> PageContext:
    """Return the context that `make_status_app` has set on the app."""
    context: PageContext = request.app.state.context
    return context


def language_of(request: HTTPConnection) -> Language:
    """Return the language of the query, else of the cookie, else of Accept-Language."""
    for tag in (request.query_params.get(LANGUAGE_COOKIE), request.cookies.get(LANGUAGE_COOKIE)):
        if tag and (language := language_of_tag(tag)):
            return language
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
