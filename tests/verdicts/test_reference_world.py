"""The judge in the world in which the usual rules of monitoring were measured.

60 days, an outage each 2 days that lasts an hour, 60 % of them invisible to free checks, noise
in every source, a feed that is 15 minutes late and silent on 23 %. Virtual time only.
"""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import pairwise
from statistics import median

import pytest

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.verdicts.judge import initial_state, is_alertable, jobs_are_uncertain, judge
from tallylight.verdicts.policy import Policy
from tests.builders import BROKEN

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
END = DAYS * 86400.0
SERVICE = ServiceId("sora-2")
BAD = frozenset({Status.DEGRADED, Status.RISK_CONTROL, Status.SUSPENDED})
PAID_PACE, DOUBT_PACE = 3 * 3600.0, 300.0
FEED_LAG = 900.0


@dataclass(frozen=True, slots=True)
class Outage:
    start: float
    end: float
    shows: bool  # to shallow probes
    is_reported: bool  # by the feed


@dataclass(slots=True)
class Observation:
    """One service, observe to the end; what was shown changed at `turns`."""

    outages: list[Outage]
    turns: list[tuple[float, bool]] = field(default_factory=lambda: [(0.0, False)])
    paid: int = 0
    alerts: list[float] = field(default_factory=list)

    @property
    def delays(self) -> list[float | None]:
        """For each outage over 5 minutes, after how long it showed; None if it never did."""
        long = [o for o in self.outages if o.end - o.start > 300 and o.start < END]
        return [self._delay(outage) for outage in long]

    @property
    def false_alarms(self) -> int:
        """How often a service that was up was called down."""
        return sum(is_bad and not self._is_down(at) for at, is_bad in self.turns)

    @property
    def false_alerts(self) -> int:
        """How often people were notified of a service that was up."""
        return sum(not self._is_down(at) and not self._fell_in_an_outage(at) for at in self.alerts)

    @property
    def wrong(self) -> float:
        """For how many seconds the wrong lamp was lit."""
        ends = [e for o in self.outages for e in (o.start, o.end)]
        edges = sorted({0.0, END, *(e for e in ends if e < END), *(at for at, _ in self.turns)})
        spans = pairwise(edges)
        return sum(b - a for a, b in spans if self._is_down(a) is not self._shows(a))

    def _delay(self, outage: Outage) -> float | None:
        if self._shows(outage.start):
            return 0.0
        result = (at - outage.start for at, bad in self.turns if bad and at >= outage.start)
        delay = next(result, math.inf)
        return delay if outage.start + delay < outage.end else None

    def _fell_in_an_outage(self, at: float) -> bool:
        fell = max((t for t, is_bad in self.turns if is_bad and t <= at), default=at)
        return self._is_down(fell)

    def _shows(self, at: float) -> bool:
        return self.turns[bisect_right(self.turns, (at, True)) - 1][1]

    def _is_down(self, at: float) -> bool:
        return any(o.start <= at < o.end for o in self.outages)


def outages(rng: random.Random) -> list[Outage]:
    result, at = [], rng.expovariate(1 / (2 * 86400))
    while at < END:
        end = at + rng.expovariate(1 / 3600)
        result.append(Outage(at, end, rng.random() >= 0.6, rng.random() >= 0.23))
        at = end + rng.expovariate(1 / (2 * 86400))
    return result


Event = tuple[float, int, Source, Status | None]


def _events_ahead(result: list[Outage], traffic_a_minute: float, rng: random.Random) -> list[Event]:
    reported = [o for o in result if o.is_reported]
    events: list[Event] = [(o.start + FEED_LAG, 0, Source.FEED, Status.SUSPENDED) for o in reported]
    events += [(o.end + FEED_LAG, 0, Source.FEED, Status.OPERATIONAL) for o in reported]
    if traffic_a_minute:
        first = rng.expovariate(traffic_a_minute / 60)
        events.append((first, 0, Source.TRAFFIC, None))
    return events


def observe(traffic_a_minute: float, seed: int, policy: Policy) -> Observation:
    """Watch one service with free probes, paid ones in doubt, a feed, and callers' jobs."""
    rng = random.Random(seed)  # noqa: S311  # a seeded world
    watch = Observation(outages(rng))
    state, bad_in_a_row, paid_at, count = initial_state(SERVICE, START), 0, -math.inf, 0
    is_alerted = False
    queue: list[Event] = [(1.0, 0, Source.REACH, None)]
    queue += _events_ahead(watch.outages, traffic_a_minute, rng)
    queue.sort()
    noise = {Source.REACH: 0.01, Source.GENERATION: 0.02, Source.TRAFFIC: 0.03}
    left = list(watch.outages)
    while queue and queue[0][0] < END:
        at, _, source, says = heappop(queue)
        moment, count = START + timedelta(seconds=at), count + 1
        while left and left[0].end <= at:
            left.pop(0)
        is_down = (
            bool(left) and left[0].start <= at and (source is not Source.REACH or left[0].shows)
        )
        bad = says is None and (is_down or rng.random() < noise[source])
        evidence = Evidence(SERVICE, moment, source, BROKEN if bad else None, claimed_status=says)
        state = judge(state, evidence, policy)
        shown = state.verdict.status in BAD
        if shown is not watch.turns[-1][1]:
            watch.turns.append((at, shown))
            is_alerted = False
        if shown and not is_alerted and is_alertable(state, policy):
            is_alerted = True
            watch.alerts.append(at)
        if source is Source.REACH:
            bad_in_a_row = bad_in_a_row + 1 if bad else 0
            again = {1: 10.0, 2: 20.0}.get(bad_in_a_row, 60.0)
            heappush(queue, (at + again, count, source, None))
        elif source is Source.TRAFFIC:
            wait = rng.expovariate(traffic_a_minute / 60)
            heappush(queue, (at + wait, count, source, None))
        is_rested = at >= paid_at + DOUBT_PACE
        in_doubt = is_rested and jobs_are_uncertain(state, moment, policy)
        if in_doubt or at >= paid_at + PAID_PACE:
            paid_at, watch.paid = at, watch.paid + 1
            heappush(queue, (at + 1, count, Source.GENERATION, None))
    return watch


@dataclass(frozen=True, slots=True)
class Figures:
    seen: float
    delay_minutes: float
    false_alarms: float
    false_alerts: float
    wrong: float
    paid_a_day: float


def figures(traffic: float, services: int, policy: Policy, seed: int = 0) -> Figures:
    watches = [observe(traffic, seed + n, policy) for n in range(services)]
    delays = [d for w in watches for d in w.delays]
    result = [d for d in delays if d is not None]
    return Figures(
        seen=len(result) / len(delays),
        delay_minutes=median(result) / 60,
        false_alarms=sum(w.false_alarms for w in watches) / services / DAYS * 30,
        false_alerts=sum(w.false_alerts for w in watches) / services / DAYS * 30,
        wrong=sum(w.wrong for w in watches) / services / END,
        paid_a_day=sum(w.paid for w in watches) / services / DAYS,
    )


# What the table of `docs/verdicts.md` says for "filter and a paid probe when in doubt", at 0,
# 0.2 and 2 outcomes of callers' jobs a minute: share seen, share of time wrong.
REFERENCE = {0.0: (0.74, 0.0069), 0.2: (0.95, 0.0039), 2.0: (1.0, 0.0008)}


@pytest.mark.parametrize(("traffic", "services"), [(0.0, 3), (0.2, 2)])
def test_the_judge_keeps_up_with_the_reference_figures(traffic: float, services: int) -> None:
    seen, wrong = REFERENCE[traffic]

    result = figures(traffic, services, Policy(), seed=100)

    assert result.seen >= seen - 0.06  # 60 to 90 outages: three standard errors would be 0.15
    assert result.wrong <= wrong * 1.15
    assert result.false_alarms <= 0.5
    assert result.false_alerts <= 0.25  # one in four months of a service
    assert result.delay_minutes <= 15
