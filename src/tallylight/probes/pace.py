"""The paces of paid probes that are in force, for processes that send none."""

from collections.abc import Mapping
from datetime import datetime

from tallylight.board import Board
from tallylight.catalogue.pace import PaceInForce
from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.probes.budget_allocation import ProbeSchedule, allocate_schedules
from tallylight.probes.probe_state import ProbeState, probe_candidates


def pace_in_force(service: Service, schedule: ProbeSchedule | None) -> PaceInForce | None:
    """Return the pace of a service's paid probes; None if it has none."""
    intervals = service.probe_intervals
    if intervals.generation is None:
        return None
    interval = intervals.generation if schedule is None else schedule.routine_interval
    return PaceInForce(intervals.generation_basis, intervals.generation, interval)


def paces_in_force(board: Board, total: Budget, now: datetime) -> Mapping[ServiceId, PaceInForce]:
    """Return the paces of all services with paid probes, as a prober that starts now has them."""
    states = {service.id: ProbeState(now) for service in board.services()}
    schedules = allocate_schedules(probe_candidates(states, board, now), total)
    found = ((each.id, pace_in_force(each, schedules.get(each.id))) for each in board.services())
    return {id_: pace for id_, pace in found if pace is not None}
