"""What a status page says at a second: late, partly blind, and not always true. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallylight.simulator.faults import ComponentWord, word_on_feed
from tallylight.simulator.outcomes import Stretch
from tallylight.simulator.scenario import FeedPart, Maintenance, Scenario, chance_of

_IDENTIFIED_AFTER = 60.0  # seconds from "investigating" to "identified"
_MONITORED_FOR = 30.0  # seconds from "monitoring" to "resolved"

_BADNESS = {
    ComponentWord.OPERATIONAL: 0,
    ComponentWord.UNDER_MAINTENANCE: 1,
    ComponentWord.DEGRADED_PERFORMANCE: 2,
    ComponentWord.PARTIAL_OUTAGE: 3,
    ComponentWord.MAJOR_OUTAGE: 4,
}

_IMPACT = {
    ComponentWord.DEGRADED_PERFORMANCE: "minor",
    ComponentWord.PARTIAL_OUTAGE: "major",
    ComponentWord.MAJOR_OUTAGE: "critical",
}


@dataclass(frozen=True, slots=True)
class Update:
    """One entry of an incident's story."""

    at: float
    status: str
    body: str


@dataclass(frozen=True, slots=True)
class StatedIncident:
    """An incident as the page tells it; times are the page's, hence late."""

    id: str
    name: str
    component: str
    word: ComponentWord
    started: float
    updates: tuple[Update, ...]

    @property
    def status(self) -> str:
        """Return the newest update's status."""
        return self.updates[-1].status

    @property
    def is_open(self) -> bool:
        """Tell whether it is not resolved yet."""
        return self.status != "resolved"

    @property
    def impact(self) -> str:
        """Return Statuspage's word for how bad it is."""
        return _IMPACT.get(self.word, "none")


@dataclass(frozen=True, slots=True)
class StatedMaintenance:
    """A planned work as the page tells it."""

    id: str
    plan: Maintenance
    status: str  # scheduled, in_progress, completed


@dataclass(frozen=True, slots=True)
class Statement:
    """All that a page says at one moment.

    Args:
        components: Their words in the page's order.
        incidents: Newest first, resolved ones included.
        maintenances: Announced ones, newest first.
        changed: The second of the newest change.
    """

    components: Mapping[str, ComponentWord]
    incidents: tuple[StatedIncident, ...]
    maintenances: tuple[StatedMaintenance, ...]
    changed: float

    @property
    def open_incidents(self) -> tuple[StatedIncident, ...]:
        """Return the incidents that are not resolved."""
        return tuple(incident for incident in self.incidents if incident.is_open)

    @property
    def worst(self) -> ComponentWord:
        """Return the worst word of any component."""
        return max(self.components.values(), key=_BADNESS.__getitem__, default=_WELL)


_WELL = ComponentWord.OPERATIONAL


def statement(
    scenario: Scenario, feed_id: str, lives: Mapping[str, Sequence[Stretch]], second: float
) -> Statement:
    """Return what a page says at a second.

    Args:
        scenario: The world.
        feed_id: Which page.
        lives: What really happened to each service, script and live control together.
        second: When the page is asked.
    """
    feed = scenario.feeds[feed_id]
    shown = scenario.shown_on(feed_id)
    incidents = [
        incident
        for name, service in shown.items()
        for stretch in lives.get(name, ())
        if not _is_overlooked(scenario.seed, feed_id, feed, name, stretch)
        for incident in _incidents(feed, name, service.component, stretch, second)
    ]
    incidents.sort(key=lambda incident: incident.started, reverse=True)
    maintenances = tuple(
        StatedMaintenance(f"m{number}", plan, _phase(plan, second))
        for number, plan in enumerate(feed.maintenances)
        if plan.announced <= second
    )
    names = dict.fromkeys([*feed.components, *(service.component for service in shown.values())])
    components = {name: _word(name, incidents, maintenances) for name in names}
    changes = [update.at for incident in incidents for update in incident.updates]
    for item in maintenances:
        changes += [
            at for at in (item.plan.announced, item.plan.start, item.plan.end) if at <= second
        ]
    return Statement(components, tuple(incidents), maintenances, max(changes, default=0.0))


def _is_overlooked(seed: int, feed_id: str, feed: FeedPart, service: str, stretch: Stretch) -> bool:
    return chance_of(seed, "blind", feed_id, service, stretch.start) < feed.blind


def _incidents(
    feed: FeedPart, service: str, component: str, stretch: Stretch, second: float
) -> list[StatedIncident]:
    begin = stretch.start + feed.lag
    if begin > second:
        return []
    end = None if stretch.end is None else stretch.end + feed.lag
    stated = []
    for number, trouble in enumerate(stretch.troubles):
        word = word_on_feed(trouble)
        if word is _WELL:
            continue
        updates = tuple(u for u in _story(component, begin, end) if u.at <= second)
        title = f"{component}: {word.replace('_', ' ')}"
        # Named by its start: live control may cut a stretch, and its incident stays the same one.
        name = f"{service}-{stretch.start:.3f}-{number}"
        stated.append(StatedIncident(name, title, component, word, begin, updates))
    return stated


def _story(component: str, begin: float, end: float | None) -> list[Update]:
    story = [Update(begin, "investigating", f"We are investigating an issue with {component}.")]
    if end is None or end > begin + _IDENTIFIED_AFTER:
        identified = begin + _IDENTIFIED_AFTER
        story.append(Update(identified, "identified", "The cause is known; a fix is under way."))
    if end is not None:
        story.append(Update(end, "monitoring", "A fix is in place; we are watching it."))
        story.append(Update(end + _MONITORED_FOR, "resolved", "This incident is resolved."))
    return story


def _phase(plan: Maintenance, second: float) -> str:
    if second < plan.start:
        return "scheduled"
    return "in_progress" if second < plan.end else "completed"


def _word(
    component: str,
    incidents: Sequence[StatedIncident],
    maintenances: Sequence[StatedMaintenance],
) -> ComponentWord:
    # While an incident is monitored its components are green already, as on real pages.
    words = [
        incident.word
        for incident in incidents
        if incident.component == component and incident.status in {"investigating", "identified"}
    ]
    if any(
        item.status == "in_progress" and component in item.plan.components for item in maintenances
    ):
        words.append(ComponentWord.UNDER_MAINTENANCE)
    return max(words, key=_BADNESS.__getitem__, default=_WELL)


def lives_of(script: Sequence[Stretch], overrides: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Return what really happened to a service: its script, cut by the live control's overrides."""
    pieces = list(script)
    for override in overrides:
        pieces = [part for piece in pieces for part in _outside(piece, override)]
    return (*pieces, *(override for override in overrides if override.troubles))


def _outside(piece: Stretch, cut: Stretch) -> list[Stretch]:
    parts = []
    if piece.start < cut.start:
        end = cut.start if piece.end is None else min(piece.end, cut.start)
        parts.append(Stretch(piece.start, end, piece.troubles))
    if cut.end is not None and (piece.end is None or piece.end > cut.end):
        parts.append(Stretch(max(piece.start, cut.end), piece.end, piece.troubles))
    return parts
