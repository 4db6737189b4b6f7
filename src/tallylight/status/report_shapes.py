"""The report in our JSON API; these models are its OpenAPI description."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from tallylight.i18n import Translator
from tallylight.model.status import Access, Status
from tallylight.status.views.claims import AnnouncedMaintenance
from tallylight.status.views.report import Report, ServiceReport, fitness_label
from tallylight.verdicts.report import Fitness, Spells


class _ReportModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class SpellsResponse(_ReportModel):
    """The spells of one status."""

    count: int
    per_week: float = Field(description="Spells in a week of monitored time.")
    total_seconds: float
    typical_seconds: float | None = Field(description="Median length; null without a spell.")
    longest_seconds: float | None


class ServiceReportResponse(_ReportModel):
    """The figures of one service."""

    id: str
    name: str
    provider: str
    access: Access
    family: str = Field(description="The model that it sells, to compare kinds of access.")
    stars: int | None = Field(description="1 to 5; null where too little was seen.")
    score: float | None = Field(description="0 to 5; the stars are its rounded value.")
    recommendation: Fitness | None = Field(description="null where too little was seen.")
    recommendation_text: str
    availability: float | None = Field(description="0 to 1; null if nothing was monitored.")
    availability_low: float | None = Field(description="Lower end of the 95% interval.")
    availability_high: float | None = Field(description="Upper end of the 95% interval.")
    coverage: float = Field(description="Monitored share of the time since the first look.")
    first_look: datetime | None = Field(
        description="When monitoring began, if that was inside the window."
    )
    delivered: int = Field(description="Jobs that delivered.")
    failed: int = Field(description="Jobs that the upstream failed.")
    success_rate: float | None = Field(description="Share of jobs that delivered.")
    median_seconds: float | None = Field(description="From create to delivery.")
    p95_seconds: float | None
    cost_per_video_usd: float | None = Field(
        description="What was spent divided by the videos delivered; null if not known."
    )
    claimed_availability: float | None = Field(
        description="What the official status page claims; null if it is not known."
    )
    outages: int
    longest_outage_seconds: float | None
    mtbf_seconds: float | None = Field(description="Mean time up between outages.")
    mttr_seconds: float | None = Field(description="Mean length of an outage.")
    spells: dict[Status, SpellsResponse] = Field(description="By status, as far as it occurred.")


class PlannedMaintenanceResponse(_ReportModel):
    """A maintenance in progress or ahead that an official status page announces."""

    title: str
    start: datetime
    end: datetime | None = Field(description="null if the page names none.")
    services: list[str] = Field(description="Ids of the services that it concerns.")


class ReportResponse(_ReportModel):
    """The figures of every service over a window."""

    start: datetime
    end: datetime
    services: list[ServiceReportResponse]
    planned_maintenances: list[PlannedMaintenanceResponse] = Field(
        description="The earliest first; what concerns several services is listed once."
    )


def report_response(report: Report, to: Translator) -> ReportResponse:
    """Return a report as JSON."""
    return ReportResponse(
        start=report.start,
        end=report.end,
        services=[_service(each, report, to) for each in report.services],
        planned_maintenances=[planned_response(each) for each in report.planned],
    )


def planned_response(planned: AnnouncedMaintenance) -> PlannedMaintenanceResponse:
    """Return a planned maintenance as JSON."""
    return PlannedMaintenanceResponse(
        title=planned.event.title,
        start=planned.event.start,
        end=planned.event.end,
        services=[service.id for service in planned.services],
    )


def _service(each: ServiceReport, report: Report, to: Translator) -> ServiceReportResponse:
    service, figures = each.service, each.figures
    found, jobs = figures.availability, figures.jobs
    is_known = bool(found.monitored)
    cost = figures.cost_per_video
    return ServiceReportResponse(
        id=service.id,
        name=service.name,
        provider=service.upstream.provider,
        access=service.access,
        family=each.family,
        stars=figures.stars,
        score=None if figures.score is None else round(figures.score, 2),
        recommendation=figures.fitness,
        recommendation_text=fitness_label(figures.fitness, to),
        availability=found.uptime if is_known else None,
        availability_low=found.low if is_known else None,
        availability_high=found.high if is_known else None,
        coverage=found.coverage or 0.0,
        first_look=found.first_look,
        delivered=jobs.delivered,
        failed=jobs.failed,
        success_rate=jobs.delivered / jobs.ended if jobs.ended else None,
        median_seconds=_seconds(jobs.median),
        p95_seconds=_seconds(jobs.p95),
        cost_per_video_usd=None if cost is None else round(float(cost), 6),
        claimed_availability=each.claimed_availability(report.start, report.end),
        outages=found.outages,
        longest_outage_seconds=_seconds(figures.longest_outage),
        mtbf_seconds=_seconds(found.mtbf),
        mttr_seconds=_seconds(found.mttr),
        spells={status: _spells(spells) for status, spells in figures.spells.items()},
    )


def _spells(spells: Spells) -> SpellsResponse:
    return SpellsResponse(
        count=spells.count,
        per_week=round(spells.per_week, 3),
        total_seconds=spells.total.total_seconds(),
        typical_seconds=_seconds(spells.typical),
        longest_seconds=_seconds(spells.longest),
    )


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
