"""The history that a demo begins with: its scenario's past, rehearsed by our own rules."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from pydantic import ValidationError

from tallylight.catalogue.services import ProbeIntervals
from tallylight.clock import Clock
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.ledger import Purpose
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Reason, ReasonCode, Transition, Verdict
from tallylight.rehearsal.behaviour import Recipe
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.history import RehearsedHistory, rehearse_history
from tallylight.rehearsal.run import RehearsalOptions
from tallylight.rehearsal.world import rehearsed_services
from tallylight.storage.database import open_storage
from tallylight.storage.transition_record import TransitionRecord
from tallylight.verdicts import incidents
from tallylight.verdicts.judge import initial_state
from tallylight.verdicts.snapshot import dump_state

# Slower than a server's probes, and no second free depth, so that a demo starts soon.
_PACE = ProbeIntervals(reach=timedelta(minutes=15), credentials=None, generation=timedelta(hours=6))


def rehearsed_past(recipe: Mapping[str, object], end: datetime) -> tuple[RehearsedHistory, ...]:
    """Return the history of a scenario's recipe, which ends at a time.

    Raises:
        ConfigurationError: if the recipe is invalid.
    """
    try:
        parsed = Recipe.model_validate(recipe)
    except ValidationError as error:
        raise ConfigurationError((Problem("--scenario", "history", str(error)),)) from None
    services = rehearsed_services(generate_trace(parsed), parsed.seed)
    found = rehearse_history(services, parsed.days, RehearsalOptions(pace=_PACE))
    return tuple(each.ending_at(end, parsed.days) for each in found)


async def store_past(address: str, past: Iterable[RehearsedHistory], clock: Clock) -> None:
    """Store a history in a new database, so that the server starts after it."""
    async with open_storage(address, clock) as storage:
        now = clock.now()
        for history in past:
            for piece in history.jobs:
                storage.add_evidence(piece)
            records = tuple(_records(history, now))
            await storage.record_transitions(partial(tuple, records))
            for at, cost in _weekly(history.costs).items():
                await storage.ledger.charge(
                    history.service, Purpose.PROBE, cost, at=at, note="rehearsed"
                )
        await storage.update_rollups()


def _records(history: RehearsedHistory, now: datetime) -> Iterator[TransitionRecord]:
    """Yield the transitions with their incidents; after the last one nothing is known any more."""
    state = dump_state(initial_state(history.service, now))
    incident: Incident | None = None
    for transition in (*history.transitions, *_end(history, now)):
        incident = incidents.apply_transition(incident, transition)
        if incident is not None and transition.recorded_at == now and incident.ended_at is None:
            incident = incidents.ended(incident, transition.after, now)
        yield TransitionRecord(history.service, transition, state, incident)
        if incident is not None and incident.ended_at is not None:
            incident = None


def _end(history: RehearsedHistory, now: datetime) -> Iterator[Transition]:
    if history.transitions:
        before = history.transitions[-1].after
        reasons = (Reason(ReasonCode.NO_EVIDENCE, now),)
        after = Verdict(history.service, Status.UNKNOWN, now, before.confidence, reasons)
        yield Transition(history.service, now, now, before, after)


def _weekly(costs: Iterable[tuple[datetime, Decimal]]) -> Mapping[datetime, Decimal]:
    """Return the costs of each week, at the time of its first one."""
    weeks: dict[tuple[int, int], list[tuple[datetime, Decimal]]] = defaultdict(list)
    for at, cost in costs:
        weeks[at.isocalendar()[:2]].append((at, cost))
    return {
        min(at for at, _ in each): sum((cost for _, cost in each), Decimal(0))
        for each in weeks.values()
    }
