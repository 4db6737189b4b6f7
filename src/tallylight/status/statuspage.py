"""The Statuspage-compatible API, below `/api/v2`; its words are `views.statuspage`'s."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from tallylight.i18n import Translator
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident
from tallylight.status.page_data import PageContext
from tallylight.status.parameters import ContextParam
from tallylight.status.requests import base_url_of, translator_of
from tallylight.status.views.services import ServiceFacts
from tallylight.status.views.statuspage import (
    ComponentInput,
    is_maintenance,
    statuspage_component,
    statuspage_incident,
    statuspage_maintenance,
    statuspage_planned_maintenance,
    statuspage_status,
)
from tallylight.status.views.statuspage_shapes import (
    StatuspageComponent,
    StatuspageComponentsResponse,
    StatuspageIncident,
    StatuspageIncidentsResponse,
    StatuspageMaintenance,
    StatuspageMaintenancesResponse,
    StatuspagePage,
    StatuspageStatusResponse,
    StatuspageSummaryResponse,
)
from tallylight.status.views.timestamps import rfc3339

PAGE_ID = "tallylight"
_MAX_INCIDENTS = 50


@dataclass(frozen=True, slots=True)
class _StatuspageView:
    """Everything of one moment, for one request."""

    context: PageContext
    facts: Sequence[ServiceFacts]
    base_url: str
    to: Translator

    @property
    def page(self) -> StatuspagePage:
        now = self.context.now()
        return StatuspagePage(
            id=PAGE_ID,
            name=self.context.sources.options.title,
            url=self.base_url,
            time_zone="Etc/UTC",
            # The newest change, not the present: what has not changed answers 304.
            updated_at=rfc3339(max((f.verdict.since for f in self.facts), default=now)),
        )

    @property
    def status(self) -> StatuspageStatusResponse:
        return StatuspageStatusResponse(
            page=self.page, status=statuspage_status([f.verdict.status for f in self.facts])
        )

    @property
    def components(self) -> list[StatuspageComponent]:
        return [
            statuspage_component(_component_input(facts, position), PAGE_ID, self.to)
            for position, facts in enumerate(self.facts, 1)
        ]

    async def incidents(self, *, open_only: bool) -> list[StatuspageIncident]:
        return [
            statuspage_incident(incident, part, self.base_url, self.to)
            for incident, part in await self._recent_incidents(open_only=open_only)
            if not is_maintenance(incident)
        ]

    async def maintenances(self, *, open_only: bool) -> list[StatuspageMaintenance]:
        now = self.context.now()
        return [
            statuspage_maintenance(incident, part, now, self.base_url, self.to)
            for incident, part in await self._recent_incidents(open_only=open_only)
            if is_maintenance(incident)
        ]

    def upcoming(self) -> list[StatuspageMaintenance]:
        now = self.context.now()
        return [
            statuspage_planned_maintenance(facts.feed, part, self.base_url, self.to)
            for facts, part in zip(self.facts, self.components, strict=True)
            if facts.feed is not None
            and facts.feed.claimed_status is Status.MAINTENANCE
            and facts.feed.at > now
        ]

    async def _recent_incidents(
        self, *, open_only: bool
    ) -> list[tuple[Incident, StatuspageComponent]]:
        parts = {ServiceId(part.id): part for part in self.components}
        found = await self.context.sources.history.incidents(
            open_only=open_only, limit=_MAX_INCIDENTS
        )
        # A service that has left the catalogue is no component, so its incidents hang nowhere.
        return [(each, parts[each.service]) for each in found if each.service in parts]


async def _statuspage_view(request: Request, context: ContextParam) -> _StatuspageView:
    return _StatuspageView(
        context, await context.all_facts(), base_url_of(request), translator_of(request)
    )


ViewParam = Annotated[_StatuspageView, Depends(_statuspage_view)]

statuspage_router = APIRouter(prefix="/api/v2", tags=["Statuspage"])


@statuspage_router.get("/status.json")
async def get_status(view: ViewParam) -> StatuspageStatusResponse:
    """Return the page's state in one word."""
    return view.status


@statuspage_router.get("/summary.json")
async def get_summary(view: ViewParam) -> StatuspageSummaryResponse:
    """Return the components, the unresolved incidents and the maintenances not over."""
    under_way = await view.maintenances(open_only=True)
    return StatuspageSummaryResponse(
        page=view.page,
        status=view.status.status,
        components=view.components,
        incidents=await view.incidents(open_only=True),
        scheduled_maintenances=[*view.upcoming(), *under_way],
    )


@statuspage_router.get("/components.json")
async def list_components(view: ViewParam) -> StatuspageComponentsResponse:
    """Return every service as a component."""
    return StatuspageComponentsResponse(page=view.page, components=view.components)


@statuspage_router.get("/incidents.json")
async def list_incidents(view: ViewParam) -> StatuspageIncidentsResponse:
    """Return the 50 newest incidents."""
    return StatuspageIncidentsResponse(
        page=view.page, incidents=await view.incidents(open_only=False)
    )


@statuspage_router.get("/incidents/unresolved.json")
async def list_unresolved_incidents(view: ViewParam) -> StatuspageIncidentsResponse:
    """Return the incidents that are not over."""
    return StatuspageIncidentsResponse(
        page=view.page, incidents=await view.incidents(open_only=True)
    )


@statuspage_router.get("/scheduled-maintenances.json")
async def list_maintenances(view: ViewParam) -> StatuspageMaintenancesResponse:
    """Return the newest maintenances: to come, under way and over."""
    past = await view.maintenances(open_only=False)
    return StatuspageMaintenancesResponse(
        page=view.page, scheduled_maintenances=[*view.upcoming(), *past]
    )


@statuspage_router.get("/scheduled-maintenances/upcoming.json")
async def list_upcoming_maintenances(view: ViewParam) -> StatuspageMaintenancesResponse:
    """Return the maintenances to come."""
    return StatuspageMaintenancesResponse(page=view.page, scheduled_maintenances=view.upcoming())


@statuspage_router.get("/scheduled-maintenances/active.json")
async def list_active_maintenances(view: ViewParam) -> StatuspageMaintenancesResponse:
    """Return the maintenances under way."""
    under_way = await view.maintenances(open_only=True)
    return StatuspageMaintenancesResponse(page=view.page, scheduled_maintenances=under_way)


def _component_input(facts: ServiceFacts, position: int) -> ComponentInput:
    known = [spell.start for spell in facts.status_intervals if spell.status is not Status.UNKNOWN]
    return ComponentInput(
        id=facts.service.id,
        name=facts.service.name,
        status=facts.verdict.status,
        since=facts.verdict.since,
        known_from=min([*known[:1], facts.verdict.since]),
        position=position,
    )
