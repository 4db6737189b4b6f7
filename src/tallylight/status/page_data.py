"""Gathers what the faces show from the board, the history and the prober."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tallylight.model.evidence import Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.status.ports import StatusSources
from tallylight.status.uptime_cache import UptimeCache
from tallylight.status.views.services import ServiceFacts


@dataclass(frozen=True, slots=True)
class PageContext:
    """The doors of the faces to the rest of the house."""

    sources: StatusSources
    uptime_cache: UptimeCache

    def now(self) -> datetime:
        """Return the present moment."""
        return self.sources.clock.now()

    async def all_facts(self) -> tuple[ServiceFacts, ...]:
        """Return what is known of every service, in the catalogue's order."""
        ids = [service.id for service in self.sources.board.services()]
        spells = await self.uptime_cache.status_intervals(ids)
        return tuple(self._facts(id_, spells.get(id_, ())) for id_ in ids)

    async def facts(self, id_: ServiceId) -> ServiceFacts:
        """Return what is known of one service.

        Raises:
            KeyError: if it is not on the board.
        """
        self.sources.board.service(id_)
        spells = await self.uptime_cache.status_intervals(
            [service.id for service in self.sources.board.services()]
        )
        return self._facts(id_, spells.get(id_, ()))

    def statuses(self) -> list[Status]:
        """Return the status of every service, in the catalogue's order."""
        board = self.sources.board
        return [board.verdict(service.id).status for service in board.services()]

    def service_name(self, id_: ServiceId) -> str:
        """Return a service's name; its id where it has left the catalogue."""
        try:
            return self.sources.board.service(id_).name
        except KeyError:
            return id_

    def _facts(self, id_: ServiceId, spells: Sequence[StatusInterval]) -> ServiceFacts:
        board = self.sources.board
        found = {source: board.latest_evidence(id_, source) for source in Source}
        return ServiceFacts(
            service=board.service(id_),
            verdict=board.verdict(id_),
            newest={source: piece for source, piece in found.items() if piece is not None},
            status_intervals=spells,
        )
