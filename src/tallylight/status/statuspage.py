"""The Statuspage-compatible API, below `/api/v2`; its words are `views.statuspage`'s."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from tallylight.i18n import Translator
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident
from tallylight.status.page_data import Reading
from tallylight.status.parameters import House
from tallylight.status.requests import base_of, translator_of
from tallylight.status.views.services import Facts
from tallylight.status.views.statuspage import (
    Part,
    component,
    is_maintenance,
    maintenance,
    planned_maintenance,
    rollup,
    statuspage_incident,
)
from tallylight.status.views.statuspage_shapes import (
    Component,
    ComponentsAnswer,
    IncidentsAnswer,
    Maintenance,
    MaintenancesAnswer,
    Page,
    StatusAnswer,
    StatuspageIncident,
    SummaryAnswer,
)
from tallylight.status.views.timestamps import rfc3339

PAGE_ID = "tallylight"
_NEWEST = 50


@dataclass(frozen=True, slots=True)
class _Sight:
    """Everything of one moment, for one request."""

    reading: Reading
    facts: Sequence[Facts]
    base: str
    to: Translator

    @property
    def page(self) -> Page:
        now = self.reading.now()
        return Page(
            id=PAGE_ID,
            name=self.reading.state.options.title,
            url=self.base,
            time_zone="Etc/UTC",
            # The newest change, not the present: what has not changed answers 304.
            updated_at=rfc3339(max((f.verdict.since for f in self.facts), default=now)),
        )

    @property
    def status(self) -> StatusAnswer:
        return StatusAnswer(page=self.page, status=rollup([f.verdict.status for f in self.facts]))

    @property
    def components(self) -> list[Component]:
        return [
            component(_part(facts, position), PAGE_ID, self.to)
            for position, facts in enumerate(self.facts, 1)
        ]

    async def incidents(self, *, open_only: bool) -> list[StatuspageIncident]:
        return [
            statuspage_incident(incident, part, self.base, self.to)
            for incident, part in await self._found(open_only=open_only)
            if not is_maintenance(incident)
        ]

    async def maintenances(self, *, open_only: bool) -> list[Maintenance]:
        now = self.reading.now()
        return [
            maintenance(incident, part, now, self.base, self.to)
            for incident, part in await self._found(open_only=open_only)
            if is_maintenance(incident)
        ]

    def upcoming(self) -> list[Maintenance]:
        now = self.reading.now()
        return [
            planned_maintenance(facts.feed, part, self.base, self.to)
            for facts, part in zip(self.facts, self.components, strict=True)
            if facts.feed is not None
            and facts.feed.claimed_status is Status.MAINTENANCE
            and facts.feed.at > now
        ]

    async def _found(self, *, open_only: bool) -> list[tuple[Incident, Component]]:
        parts = {ServiceId(part.id): part for part in self.components}
        found = await self.reading.state.history.incidents(open_only=open_only, limit=_NEWEST)
        # A service that has left the catalogue is no component, so its incidents hang nowhere.
        return [(each, parts[each.service]) for each in found if each.service in parts]


async def _look(request: Request, house: House) -> _Sight:
    return _Sight(house, await house.all_facts(), base_of(request), translator_of(request))


Sight = Annotated[_Sight, Depends(_look)]

router = APIRouter(prefix="/api/v2", tags=["Statuspage"])


@router.get("/status.json")
async def status(sight: Sight) -> StatusAnswer:
    """Return the page's state in one word."""
    return sight.status


@router.get("/summary.json")
async def summary(sight: Sight) -> SummaryAnswer:
    """Return the components, the unresolved incidents and the maintenances not over."""
    under_way = await sight.maintenances(open_only=True)
    return SummaryAnswer(
        page=sight.page,
        status=sight.status.status,
        components=sight.components,
        incidents=await sight.incidents(open_only=True),
        scheduled_maintenances=[*sight.upcoming(), *under_way],
    )


@router.get("/components.json")
async def components(sight: Sight) -> ComponentsAnswer:
    """Return every service as a component."""
    return ComponentsAnswer(page=sight.page, components=sight.components)


@router.get("/incidents.json")
async def incidents(sight: Sight) -> IncidentsAnswer:
    """Return the 50 newest incidents."""
    return IncidentsAnswer(page=sight.page, incidents=await sight.incidents(open_only=False))


@router.get("/incidents/unresolved.json")
async def unresolved(sight: Sight) -> IncidentsAnswer:
    """Return the incidents that are not over."""
    return IncidentsAnswer(page=sight.page, incidents=await sight.incidents(open_only=True))


@router.get("/scheduled-maintenances.json")
async def maintenances(sight: Sight) -> MaintenancesAnswer:
    """Return the newest maintenances: to come, under way and over."""
    past = await sight.maintenances(open_only=False)
    return MaintenancesAnswer(page=sight.page, scheduled_maintenances=[*sight.upcoming(), *past])


@router.get("/scheduled-maintenances/upcoming.json")
async def upcoming(sight: Sight) -> MaintenancesAnswer:
    """Return the maintenances to come."""
    return MaintenancesAnswer(page=sight.page, scheduled_maintenances=sight.upcoming())


@router.get("/scheduled-maintenances/active.json")
async def active(sight: Sight) -> MaintenancesAnswer:
    """Return the maintenances under way."""
    under_way = await sight.maintenances(open_only=True)
    return MaintenancesAnswer(page=sight.page, scheduled_maintenances=under_way)


def _part(facts: Facts, position: int) -> Part:
    known = [spell.start for spell in facts.spells if spell.status is not Status.UNKNOWN]
    return Part(
        id=facts.service.id,
        name=facts.service.name,
        status=facts.verdict.status,
        since=facts.verdict.since,
        known_from=min([*known[:1], facts.verdict.since]),
        position=position,
    )
