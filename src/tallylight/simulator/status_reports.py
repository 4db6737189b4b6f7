"""What a status page reports at a scenario second: late, incomplete and sometimes false. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallylight.simulator.faults import ReportedStatus, reported_status
from tallylight.simulator.outcomes import FaultInterval
from tallylight.simulator.scenario import Scenario, ScenarioFeed, ScenarioMaintenance, seeded_draw

_IDENTIFIED_AFTER_S = 60.0  # seconds from "investigating" to "identified"
_MONITORED_FOR_S = 30.0  # seconds from "monitoring" to "resolved"

_SEVERITY = {
    ReportedStatus.OPERATIONAL: 0,
    ReportedStatus.UNDER_MAINTENANCE: 1,
    ReportedStatus.DEGRADED_PERFORMANCE: 2,
    ReportedStatus.PARTIAL_OUTAGE: 3,
    ReportedStatus.MAJOR_OUTAGE: 4,
}

_IMPACT = {
    ReportedStatus.DEGRADED_PERFORMANCE: "minor",
    ReportedStatus.PARTIAL_OUTAGE: "major",
    ReportedStatus.MAJOR_OUTAGE: "critical",
}


@dataclass(frozen=True, slots=True)
class ReportedUpdate:
    """One update of an incident."""

    at: float
    status: str
    body: str


@dataclass(frozen=True, slots=True)
class ReportedIncident:
    """An incident on the page; its times include the page's lag."""

    id: str
    name: str
    component: str
    component_status: ReportedStatus
    started_at: float
    updates: tuple[ReportedUpdate, ...]

    @property
    def status(self) -> str:
        """Return the status of the newest update."""
        return self.updates[-1].status

    @property
    def is_open(self) -> bool:
        """Tell whether it is unresolved."""
        return self.status != "resolved"

    @property
    def impact(self) -> str:
        """Return Statuspage's impact."""
        return _IMPACT.get(self.component_status, "none")


@dataclass(frozen=True, slots=True)
class ReportedMaintenance:
    """A maintenance on the page."""

    id: str
    plan: ScenarioMaintenance
    status: str  # scheduled, in_progress, completed


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Everything that a page reports at one moment.

    Args:
        incidents: Newest first, resolved ones included.
        maintenances: Announced ones, in the scenario's order.
        changed_at: Scenario second of the newest change.
    """

    components: Mapping[str, ReportedStatus]
    incidents: tuple[ReportedIncident, ...]
    maintenances: tuple[ReportedMaintenance, ...]
    changed_at: float

    @property
    def open_incidents(self) -> tuple[ReportedIncident, ...]:
        """Return the unresolved incidents."""
        return tuple(incident for incident in self.incidents if incident.is_open)

    @property
    def worst_status(self) -> ReportedStatus:
        """Return the worst status of any component."""
        return max(self.components.values(), key=_SEVERITY.__getitem__, default=_OPERATIONAL)


_OPERATIONAL = ReportedStatus.OPERATIONAL


def build_report(
    scenario: Scenario,
    feed_id: str,
    intervals: Mapping[str, Sequence[FaultInterval]],
    second: float,
) -> StatusReport:
    """Return what a page reports at a second, given the actual faults of each service."""
    feed = scenario.feeds[feed_id]
    shown = scenario.services_on_feed(feed_id)
    incidents = [
        incident
        for name, service in shown.items()
        for interval in intervals.get(name, ())
        if not _is_unreported(scenario.seed, feed_id, feed, name, interval)
        for incident in _incidents(feed, name, service.component, interval, second)
    ]
    incidents.sort(key=lambda incident: incident.started_at, reverse=True)
    maintenances = tuple(
        ReportedMaintenance(f"m{number}", plan, _maintenance_status(plan, second))
        for number, plan in enumerate(feed.maintenances)
        if plan.announced <= second
    )
    names = dict.fromkeys([*feed.components, *(service.component for service in shown.values())])
    components = {name: _component_status(name, incidents, maintenances) for name in names}
    changes = [update.at for incident in incidents for update in incident.updates]
    for item in maintenances:
        changes += [
            at for at in (item.plan.announced, item.plan.start, item.plan.end) if at <= second
        ]
    return StatusReport(components, tuple(incidents), maintenances, max(changes, default=0.0))


def _is_unreported(
    seed: int, feed_id: str, feed: ScenarioFeed, service: str, interval: FaultInterval
) -> bool:
    return seeded_draw(seed, "blind", feed_id, service, interval.start) < feed.blind


def _incidents(
    feed: ScenarioFeed, service: str, component: str, interval: FaultInterval, second: float
) -> list[ReportedIncident]:
    begin = interval.start + feed.lag
    if begin > second:
        return []
    end = None if interval.end is None else interval.end + feed.lag
    incidents = []
    for number, fault in enumerate(interval.faults):
        status = reported_status(fault)
        if status is _OPERATIONAL:
            continue
        updates = tuple(u for u in _incident_updates(component, begin, end) if u.at <= second)
        title = f"{component}: {status.replace('_', ' ')}"
        # Identified by its start: the live control may cut an interval short.
        incident_id = f"{service}-{interval.start:.3f}-{number}"
        incidents.append(ReportedIncident(incident_id, title, component, status, begin, updates))
    return incidents


def _incident_updates(component: str, begin: float, end: float | None) -> list[ReportedUpdate]:
    updates = [
        ReportedUpdate(begin, "investigating", f"We are investigating an issue with {component}.")
    ]
    if end is None or end > begin + _IDENTIFIED_AFTER_S:
        identified = begin + _IDENTIFIED_AFTER_S
        updates.append(
            ReportedUpdate(identified, "identified", "The cause is known; a fix is under way.")
        )
    if end is not None:
        updates.append(ReportedUpdate(end, "monitoring", "A fix is in place; we are watching it."))
        updates.append(
            ReportedUpdate(end + _MONITORED_FOR_S, "resolved", "This incident is resolved.")
        )
    return updates


def _maintenance_status(plan: ScenarioMaintenance, second: float) -> str:
    if second < plan.start:
        return "scheduled"
    return "in_progress" if second < plan.end else "completed"


def _component_status(
    component: str,
    incidents: Sequence[ReportedIncident],
    maintenances: Sequence[ReportedMaintenance],
) -> ReportedStatus:
    # As on real pages, components are operational once an incident is being monitored.
    statuses = [
        incident.component_status
        for incident in incidents
        if incident.component == component and incident.status in {"investigating", "identified"}
    ]
    if any(
        item.status == "in_progress" and component in item.plan.components for item in maintenances
    ):
        statuses.append(ReportedStatus.UNDER_MAINTENANCE)
    return max(statuses, key=_SEVERITY.__getitem__, default=_OPERATIONAL)


def actual_intervals(
    script: Sequence[FaultInterval], overrides: Sequence[FaultInterval]
) -> tuple[FaultInterval, ...]:
    """Return the actual faults of a service: its script, cut by overrides, and the overrides."""
    pieces = list(script)
    for override in overrides:
        pieces = [part for piece in pieces for part in _subtract(piece, override)]
    return (*pieces, *(override for override in overrides if override.faults))


def _subtract(interval: FaultInterval, cut: FaultInterval) -> list[FaultInterval]:
    parts = []
    if interval.start < cut.start:
        end = cut.start if interval.end is None else min(interval.end, cut.start)
        parts.append(FaultInterval(interval.start, end, interval.faults))
    if cut.end is not None and (interval.end is None or interval.end > cut.end):
        parts.append(FaultInterval(max(interval.start, cut.end), interval.end, interval.faults))
    return parts
