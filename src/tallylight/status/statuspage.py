"""The Statuspage-compatible API below `/api/v2`; `views.statuspage` maps our values to its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from tallylight.i18n import Translator
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.status.page_claims import read_claims
from tallylight.status.parameters import ContextParam
from tallylight.status.requests import PageContext, base_url_of, translator_of
from tallylight.status.views.services import ServiceRow
from tallylight.status.views.statuspage import (
    RecordedIncident,
    is_maintenance,
    statuspage_component,
    statuspage_incident,
    statuspage_maintenance,
    statuspage_planned_maintenance,
    statuspage_status,
    upcoming_maintenances,
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
    """The state that one request is answered from."""

    context: PageContext
    rows: Sequence[ServiceRow]
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
            # The latest change, not the current time, so that an unchanged page answers 304.
            updated_at=rfc3339(max((row.verdict.since for row in self.rows), default=now)),
        )

    @property
    def status(self) -> StatuspageStatusResponse:
        return StatuspageStatusResponse(
            page=self.page, status=statuspage_status([row.weighed for row in self.rows])
        )

    @property
    def components(self) -> list[StatuspageComponent]:
        return [
            statuspage_component(row, position, PAGE_ID)
            for position, row in enumerate(self.rows, 1)
        ]

    async def incidents(self, *, open_only: bool) -> list[StatuspageIncident]:
        return [
            statuspage_incident(found, self.base_url, self.to)
            for found in await self._recent_incidents(open_only=open_only)
            if not is_maintenance(found.incident)
        ]

    async def maintenances(self, *, open_only: bool) -> list[StatuspageMaintenance]:
        now = self.context.now()
        return [
            statuspage_maintenance(found, now, self.base_url, self.to)
            for found in await self._recent_incidents(open_only=open_only)
            if is_maintenance(found.incident)
        ]

    async def upcoming(self) -> list[StatuspageMaintenance]:
        services = [row.service for row in self.rows]
        claims = await read_claims(self.context.sources.history, services)
        return [
            statuspage_planned_maintenance(event, component, self.base_url, self.to)
            for row, component in zip(self.rows, self.components, strict=True)
            for event in upcoming_maintenances(
                claims.get(row.service.id), row.feed, self.context.now()
            )
        ]

    async def _recent_incidents(self, *, open_only: bool) -> list[RecordedIncident]:
        components = {ServiceId(each.id): each for each in self.components}
        history = self.context.sources.history
        incidents = await history.incidents(open_only=open_only, limit=_MAX_INCIDENTS)
        before = await history.statuses_before(incidents)
        # A service that has left the catalogue is no component, so its incidents are left out.
        return [
            RecordedIncident(
                each, before.get(each.id, Status.OPERATIONAL), components[each.service]
            )
            for each in incidents
            if each.service in components
        ]


async def _statuspage_view(request: Request, context: ContextParam) -> _StatuspageView:
    to = translator_of(request)
    return _StatuspageView(context, await context.rows(to), base_url_of(request), to)


ViewParam = Annotated[_StatuspageView, Depends(_statuspage_view)]

statuspage_router = APIRouter(prefix="/api/v2", tags=["Statuspage"])


@statuspage_router.get("/status.json")
async def get_status(view: ViewParam) -> StatuspageStatusResponse:
    """Return the page's indicator."""
    return view.status


@statuspage_router.get("/summary.json")
async def get_summary(view: ViewParam) -> StatuspageSummaryResponse:
    """Return the components, the unresolved incidents and the maintenances that have not ended."""
    in_progress = await view.maintenances(open_only=True)
    return StatuspageSummaryResponse(
        page=view.page,
        status=view.status.status,
        components=view.components,
        incidents=await view.incidents(open_only=True),
        scheduled_maintenances=[*await view.upcoming(), *in_progress],
    )


@statuspage_router.get("/components.json")
async def list_components(view: ViewParam) -> StatuspageComponentsResponse:
    """Return every service as a component."""
    return StatuspageComponentsResponse(page=view.page, components=view.components)


@statuspage_router.get("/incidents.json")
async def list_incidents(view: ViewParam) -> StatuspageIncidentsResponse:
    """Return the 50 latest incidents."""
    return StatuspageIncidentsResponse(
        page=view.page, incidents=await view.incidents(open_only=False)
    )


@statuspage_router.get("/incidents/unresolved.json")
async def list_unresolved_incidents(view: ViewParam) -> StatuspageIncidentsResponse:
    """Return the unresolved incidents."""
    return StatuspageIncidentsResponse(
        page=view.page, incidents=await view.incidents(open_only=True)
    )


@statuspage_router.get("/scheduled-maintenances.json")
async def list_maintenances(view: ViewParam) -> StatuspageMaintenancesResponse:
    """Return the latest maintenances: upcoming, in progress and completed."""
    recorded = await view.maintenances(open_only=False)
    return StatuspageMaintenancesResponse(
        page=view.page, scheduled_maintenances=[*await view.upcoming(), *recorded]
    )


@statuspage_router.get("/scheduled-maintenances/upcoming.json")
async def list_upcoming_maintenances(view: ViewParam) -> StatuspageMaintenancesResponse:
    """Return the maintenances ahead that official status pages announce."""
    upcoming = await view.upcoming()
    return StatuspageMaintenancesResponse(page=view.page, scheduled_maintenances=upcoming)


@statuspage_router.get("/scheduled-maintenances/active.json")
async def list_active_maintenances(view: ViewParam) -> StatuspageMaintenancesResponse:
    """Return the maintenances in progress."""
    in_progress = await view.maintenances(open_only=True)
    return StatuspageMaintenancesResponse(page=view.page, scheduled_maintenances=in_progress)
