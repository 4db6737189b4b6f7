"""The driver: the real plan sends probes into a world, the real judge hears what they find.

Nothing is decided here. Virtual time is a heap of what happens next.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.services import ProbeIntervals
from tallylight.model.evidence import Depth, Evidence, Fault, Source
from tallylight.model.money import Budget
from tallylight.model.status import Status
from tallylight.probes.budget_allocation import ALLOCATION_INTERVAL, allocate_schedules
from tallylight.probes.free_probes import FreeProbeResult
from tallylight.probes.plan import ProbeTiming, initial_delay, next_probe
from tallylight.probes.probe_state import ProbeState, plan_input, probe_candidate
from tallylight.rehearsal.budget_tracker import Purse
from tallylight.rehearsal.network_monitor import Line
from tallylight.rehearsal.record import Record, Turn
from tallylight.rehearsal.setup import USUAL_PACE, service_of
from tallylight.rehearsal.world import START, Scene
from tallylight.verdicts.evidence_ttl import service_policy
from tallylight.verdicts.judge import advance_time, initial_state, jobs_are_uncertain, judge
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.state import ServiceState

_ALL, _PAID = tuple(Depth), (Depth.GENERATION,)
_SOURCES = {Depth.REACH: Source.REACH, Depth.CREDENTIALS: Source.CREDENTIALS}
_SHALLOW = frozenset(_SOURCES.values())


@dataclass(frozen=True, slots=True)
class Means:
    """What the watching may use.

    Args:
        pace: How often each depth is probed.
        total: What all paid probes together may spend.
        each: What those of one service may.
        pacing: What else the plan holds to.
        options: What the operator wrote of the judging.
    """

    pace: ProbeIntervals = USUAL_PACE
    total: Budget = field(default_factory=Budget)
    each: Budget = field(default_factory=Budget)
    pacing: ProbeTiming = field(default_factory=ProbeTiming)
    options: PolicyOptions = field(default_factory=PolicyOptions)


_Event = tuple[datetime, int, "_Watched", Depth | Evidence | None]
"""A probe is due at a depth, evidence is heard, or a caller's job arrives; and in which order."""


class _Watched:
    """One service under watch."""

    def __init__(self, scene: Scene, means: Means, opening_at: datetime) -> None:
        self.scene = scene
        self.service = service_of(scene, means.pace, means.each)
        self.policy = service_policy(self.service, means.options)
        self.standing: ServiceState = initial_state(scene.id, START)
        self.diary = ProbeState(opening_at)
        self.due: dict[Depth, datetime] = {}
        self.in_doubt = False
        self.traffic_at: datetime | None = None
        self.seen = plan_input(self.service, self.diary, self.standing, None, jobs_undecided=False)
        self.arrivals: Iterator[datetime] = scene.arrivals()
        self.purse = Purse(means.each)
        self.turns = [Turn(START, Status.UNKNOWN)]
        self.paid = self.withheld = 0

    def stands(self, standing: ServiceState, now: datetime) -> None:
        """Let a standing stand."""
        self.standing = standing
        if standing.verdict.status is not self.turns[-1].status:
            self.turns.append(Turn(now, standing.verdict.status))


class _Run:
    def __init__(self, scenes: Iterable[Scene], days: float, means: Means) -> None:
        self._means = means
        self._end = START + timedelta(days=days)
        self._heap: list[_Event] = []
        self._count = 0
        self._line = Line()
        self._total = Purse(means.total)
        self._shared_at = START - ALLOCATION_INTERVAL
        found = tuple(scenes)
        pace = means.pace.reach or means.pace.credentials or timedelta(minutes=1)
        self.watched = [
            _Watched(scene, means, START + initial_delay(position, len(found), pace))
            for position, scene in enumerate(found)
        ]

    def run(self) -> None:
        """Live through it."""
        for watched in self.watched:
            self._begin(watched)
        heap, end = self._heap, self._end
        while heap and heap[0][0] < end:
            now, _, watched, what = heapq.heappop(heap)
            if isinstance(what, Depth):
                if watched.due.get(what) == now:
                    self._probe(watched, what, now)
            elif isinstance(what, Evidence):
                if what.source is Source.GENERATION:
                    watched.diary.in_progress.discard(Depth.GENERATION)
                self._hear(watched, what, None)
            else:
                self._arrive(watched, now)

    def _begin(self, watched: _Watched) -> None:
        for said in watched.scene.told():
            told = Evidence(watched.scene.id, said.at, Source.FEED, claimed_status=said.says)
            self._push(said.at, watched, told)
        self._await_arrival(watched)
        self._plan(watched, _ALL, START)

    def _push(self, at: datetime, watched: _Watched, what: Depth | Evidence | None) -> None:
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, watched, what))

    def _plan(self, watched: _Watched, depths: tuple[Depth, ...], now: datetime) -> None:
        """Let the plan say when these depths are probed next, from what is known now."""
        watched.seen = plan_input(
            watched.service,
            watched.diary,
            watched.standing,
            watched.traffic_at,
            jobs_undecided=watched.in_doubt,
        )
        for depth in depths:
            self._appoint(watched, depth, now)

    def _appoint(self, watched: _Watched, depth: Depth, now: datetime) -> None:
        planned = next_probe(watched.seen, self._means.pacing, depth)
        if planned is None:
            watched.due.pop(depth, None)
            return
        at = max(now, planned.at)
        if watched.due.get(depth) != at:
            watched.due[depth] = at
            self._push(at, watched, depth)

    def _probe(self, watched: _Watched, depth: Depth, now: datetime) -> None:
        del watched.due[depth]
        if depth is Depth.GENERATION:
            self._spend(watched, now)
            return
        failure = watched.scene.shallow(depth, now)
        evidence = Evidence(watched.scene.id, now, _SOURCES[depth], failure)
        diary = watched.diary
        diary.last_probed_at[depth] = now
        if failure is None and not diary.failures_in_a_row:
            self._hear(watched, evidence, depth)  # nothing to enter
        else:
            diary.record_free_probe(FreeProbeResult(evidence))
            self._hear(watched, evidence, None)

    def _share_out(self, now: datetime) -> None:
        if now - self._shared_at < ALLOCATION_INTERVAL:
            return
        self._shared_at = now
        wishes = {
            watched.service.id: wish
            for watched in self.watched
            if (
                wish := probe_candidate(
                    watched.service, watched.diary, watched.standing, now, watched.policy
                )
            )
        }
        shared = allocate_schedules(wishes, self._means.total)
        for watched in self.watched:
            watched.diary.schedule = shared.get(watched.service.id)

    def _spend(self, watched: _Watched, now: datetime) -> None:
        self._share_out(now)
        watched.in_doubt = jobs_are_uncertain(watched.standing, now, watched.policy)
        self._plan(watched, _PAID, now)
        if watched.due.get(Depth.GENERATION) != now:
            return  # time alone has put it off
        del watched.due[Depth.GENERATION]
        price = watched.scene.price
        if not (watched.purse.allows(price, now) and self._total.allows(price, now)):
            watched.withheld += 1
            watched.diary.record_withheld(now, "budget")
            self._plan(watched, _PAID, now)
            return
        asked = watched.scene.job(now)
        watched.paid += 1
        before = watched.diary.last_probed_at.get(Depth.GENERATION)
        if asked.is_accepted:
            watched.purse.spend(price, now)
            self._total.spend(price, now)
        watched.diary.record_intended(now)
        watched.diary.record_cost(now, before, float(price) if asked.is_accepted else 0.0)
        watched.diary.in_progress.add(Depth.GENERATION)
        found = Evidence(
            watched.scene.id, asked.ends_at, Source.GENERATION, asked.failure, asked.ends_at - now
        )
        self._push(asked.ends_at, watched, found)

    def _arrive(self, watched: _Watched, now: datetime) -> None:
        asked = watched.scene.job(now)
        if asked.is_accepted:
            accepted = Evidence(watched.scene.id, now, Source.ACCEPTANCE)
            self._hear(watched, accepted, None)
        took = asked.ends_at - now
        ended = Evidence(watched.scene.id, asked.ends_at, Source.TRAFFIC, asked.failure, took)
        self._push(asked.ends_at, watched, ended)
        self._await_arrival(watched)

    def _await_arrival(self, watched: _Watched) -> None:
        at = next(watched.arrivals, None)
        if at is not None:
            self._push(at, watched, None)

    def _hear(self, watched: _Watched, evidence: Evidence, depth: Depth | None) -> None:
        """Let evidence count as the board does, and plan anew what it may have changed."""
        now, policy = evidence.at, watched.policy
        evidence = self._line.blamed(evidence)
        if evidence.source is Source.TRAFFIC:
            watched.traffic_at = now
        before = watched.standing
        if (
            before.next_change_at is not None
            and before.next_change_at <= now
            and not self._is_cut(evidence)
        ):
            while (settled := advance_time(watched.standing, now, policy)) is not watched.standing:
                watched.stands(settled, now)
        watched.stands(judge(watched.standing, evidence, policy), now)
        after, doubted = watched.standing, watched.in_doubt
        if after.jobs is not before.jobs or depth is not Depth.REACH:
            # By fading alone, over hours, doubt comes early enough at the pace of credentials.
            watched.in_doubt = jobs_are_uncertain(after, now, policy)
        is_as_before = after.verdict is before.verdict and after.jobs is before.jobs
        if depth is not None and is_as_before and doubted is watched.in_doubt:
            self._appoint(watched, depth, now)  # all else that the plan looks at is as it was
        elif evidence.source in _SHALLOW or after.verdict.status is not before.verdict.status:
            self._plan(watched, _ALL, now)
        else:
            self._plan(watched, _PAID, now)  # of jobs alone the plan of free probes knows nothing

    def _is_cut(self, evidence: Evidence) -> bool:
        """Tell whether our own network is away: verdicts freeze."""
        failure = evidence.failure
        return failure is not None and failure.fault is Fault.OURS and self._line.is_down


def rehearsed(scenes: Iterable[Scene], days: float, means: Means) -> tuple[Record, ...]:
    """Return what our own rules make of a world."""
    run = _Run(scenes, days, means)
    run.run()
    return tuple(
        Record(
            scene=watched.scene,
            turns=tuple(watched.turns),
            paid=watched.paid,
            spent=watched.purse.total,
            withheld=watched.withheld,
        )
        for watched in run.watched
    )


NOTHING = Budget(per_day=Decimal(0))
"""A budget that allows no paid probe."""
