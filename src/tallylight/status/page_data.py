"""Gathers what the faces show from the board, the history and the prober."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tallylight.model.evidence import Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.status.ports import StatusState
from tallylight.status.uptime_cache import Past
from tallylight.status.views.services import Facts


@dataclass(frozen=True, slots=True)
class Reading:
    """The doors of the faces to the rest of the house."""

    state: StatusState
    past: Past

    def now(self) -> datetime:
        """Return the present moment."""
        return self.state.clock.now()

    async def all_facts(self) -> tuple[Facts, ...]:
        """Return what is known of every service, in the catalogue's order."""
        ids = [service.id for service in self.state.board.services()]
        spells = await self.past.spells(ids)
        return tuple(self._facts(id_, spells.get(id_, ())) for id_ in ids)

    async def facts(self, id_: ServiceId) -> Facts:
        """Return what is known of one service.

        Raises:
            KeyError: if it is not on the board.
        """
        self.state.board.service(id_)
        spells = await self.past.spells([service.id for service in self.state.board.services()])
        return self._facts(id_, spells.get(id_, ()))

    def statuses(self) -> list[Status]:
        """Return the status of every service, in the catalogue's order."""
        board = self.state.board
        return [board.verdict(service.id).status for service in board.services()]

    def name(self, id_: ServiceId) -> str:
        """Return a service's name; its id where it has left the catalogue."""
        try:
            return self.state.board.service(id_).name
        except KeyError:
            return id_

    def _facts(self, id_: ServiceId, spells: Sequence[StatusInterval]) -> Facts:
        board = self.state.board
        found = {source: board.newest(id_, source) for source in Source}
        return Facts(
            service=board.service(id_),
            verdict=board.verdict(id_),
            newest={source: piece for source, piece in found.items() if piece is not None},
            spells=spells,
        )
