"""The responses of Atlassian Statuspage's public API, version 2, with all their fields.

Source:
    https://confluence.status.atlassian.com/api, read on 2026-06-19, and the types of the npm
    package statuspage.io 3.1.1.
"""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

ComponentStatus = Literal[
    "operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"
]
Indicator = Literal["none", "minor", "major", "critical", "maintenance"]
IncidentStatus = Literal["investigating", "identified", "monitoring", "resolved", "postmortem"]
MaintenanceStatus = Literal["scheduled", "in_progress", "verifying", "completed"]


class _StatuspageModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class StatuspagePage(_StatuspageModel):
    """The page."""

    id: str
    name: str
    url: str
    time_zone: str
    updated_at: str


class StatuspageStatus(_StatuspageModel):
    """The page's status."""

    indicator: Indicator
    description: str


class StatuspageComponent(_StatuspageModel):
    """A service as a component."""

    id: str
    name: str
    status: ComponentStatus
    created_at: str
    updated_at: str
    position: int
    description: str | None
    showcase: bool
    start_date: str | None
    group_id: str | None
    page_id: str
    group: bool
    only_show_if_degraded: bool


class AffectedComponent(_StatuspageModel):
    """A component whose status an update changed."""

    code: str
    name: str
    old_status: ComponentStatus
    new_status: ComponentStatus


_S = TypeVar("_S", IncidentStatus, MaintenanceStatus)


class StatuspageUpdate(_StatuspageModel, Generic[_S]):
    """An update of an incident."""

    id: str
    status: _S
    body: str
    incident_id: str
    created_at: str
    updated_at: str
    display_at: str
    affected_components: list[AffectedComponent] | None
    deliver_notifications: bool
    custom_tweet: str | None
    tweet_id: str | None


class _StatuspageReport(_StatuspageModel, Generic[_S]):
    id: str
    name: str
    status: _S
    impact: Indicator
    created_at: str
    updated_at: str
    started_at: str
    monitoring_at: str | None
    resolved_at: str | None
    shortlink: str
    page_id: str
    reminder_intervals: str | None
    incident_updates: list[StatuspageUpdate[_S]]
    components: list[StatuspageComponent]


class StatuspageIncident(_StatuspageReport[IncidentStatus]):
    """An incident."""


class StatuspageMaintenance(_StatuspageReport[MaintenanceStatus]):
    """A maintenance."""

    scheduled_for: str
    scheduled_until: str


class StatuspageStatusResponse(_StatuspageModel):
    """`status.json`."""

    page: StatuspagePage
    status: StatuspageStatus


class StatuspageComponentsResponse(_StatuspageModel):
    """`components.json`."""

    page: StatuspagePage
    components: list[StatuspageComponent]


class StatuspageIncidentsResponse(_StatuspageModel):
    """`incidents.json` and `incidents/unresolved.json`."""

    page: StatuspagePage
    incidents: list[StatuspageIncident]


class StatuspageMaintenancesResponse(_StatuspageModel):
    """`scheduled-maintenances.json`, `…/upcoming.json` and `…/active.json`."""

    page: StatuspagePage
    scheduled_maintenances: list[StatuspageMaintenance]


class StatuspageSummaryResponse(_StatuspageModel):
    """`summary.json`: the page, its components, and unresolved incidents and maintenances."""

    page: StatuspagePage
    status: StatuspageStatus
    components: list[StatuspageComponent]
    incidents: list[StatuspageIncident]
    scheduled_maintenances: list[StatuspageMaintenance]
