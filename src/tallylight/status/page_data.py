"""Gathers what pages and APIs show from the board, the history and the prober."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tallylight.i18n import Translator
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.status.ports import StatusSources
from tallylight.status.uptime_cache import UptimeCache
from tallylight.status.views.services import ServiceRow, service_row


@dataclass(frozen=True, slots=True)
class PageContext:
    """What request handlers read from.

    Args:
        sources: The board, the history and the rest of the process.
        uptime_cache: The status intervals of the last 90 days.
    """

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

    def statuses(self) -> list[Status]:
        """Return the status of every service, in the catalogue's order."""
        return [self.sources.board.verdict(id_).status for id_ in self._ids()]

    def service_name(self, id_: ServiceId) -> str:
        """Return a service's name, or its id if it has left the catalogue."""
        try:
            return self.sources.board.service(id_).name
        except KeyError:
            return id_

    def _ids(self) -> Sequence[ServiceId]:
        return [service.id for service in self.sources.board.services()]
