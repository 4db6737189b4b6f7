"""What people run today, in the same world: a status by the last answers, or by a page.

They know two words, up and down; none of them names a state or forgets an answer.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.model.evidence import Depth
from tallylight.model.status import Status
from tallylight.rehearsal.record import RuleResult, StatusChange
from tallylight.rehearsal.world import START, RehearsedService

SCRIPT_INTERVAL = timedelta(seconds=300)
"""The plain script: a 4-second video of each model every five minutes."""

FREE_PROBE_INTERVAL = timedelta(seconds=60)
"""The usual interval of Gatus and of Uptime Kuma."""

_UP, _DOWN = Status.OPERATIONAL, Status.SUSPENDED


@dataclass(frozen=True, slots=True)
class ConsecutiveThresholds:
    """So many like answers in a row turn the state.

    Args:
        failures: Bad ones until it is down.
        successes: Good ones until it is up again.
    """

    failures: int
    successes: int


GATUS_THRESHOLDS = ConsecutiveThresholds(3, 2)
"""Gatus's default thresholds of an alert: `failure-threshold` 3, `success-threshold` 2."""

UPTIME_KUMA_THRESHOLDS = ConsecutiveThresholds(1, 1)
"""Uptime Kuma as it comes: no retry."""

UPTIME_KUMA_TWO_RETRIES_THRESHOLDS = ConsecutiveThresholds(3, 1)
"""Uptime Kuma with two retries."""


@dataclass(slots=True)
class _ThresholdTracker:
    thresholds: ConsecutiveThresholds
    changes: list[StatusChange] = field(
        default_factory=lambda: [StatusChange(START, Status.UNKNOWN)]
    )
    is_bad: bool = False
    streak: int = 0

    def record(self, at: datetime, *, is_bad: bool) -> None:
        self.streak = self.streak + 1 if is_bad is self.is_bad else 1
        self.is_bad = is_bad
        needed = self.thresholds.failures if is_bad else self.thresholds.successes
        status = _DOWN if is_bad else _UP
        is_first = self.changes[-1].status is Status.UNKNOWN and not is_bad
        if status is not self.changes[-1].status and (self.streak >= needed or is_first):
            self.changes.append(StatusChange(at, status))


def plain_script(services: Iterable[RehearsedService], days: float) -> tuple[RuleResult, ...]:
    """Return what a paid video every five minutes shows, judged by the last answer."""
    return tuple(_run_script(scene, days) for scene in services)


def consecutive_rule(
    services: Iterable[RehearsedService], days: float, thresholds: ConsecutiveThresholds
) -> tuple[RuleResult, ...]:
    """Return what counting the answers of a free probe shows."""
    records = []
    for scene in services:
        shown = _ThresholdTracker(thresholds)
        for at in _ticks(FREE_PROBE_INTERVAL, days):
            shown.record(at, is_bad=scene.free_probe(Depth.REACH, at) is not None)
        records.append(RuleResult(scene, tuple(shown.changes)))
    return tuple(records)


def feed_only(services: Iterable[RehearsedService]) -> tuple[RuleResult, ...]:
    """Return what the official status pages show; where there is none, nothing is known."""
    records = []
    for scene in services:
        told = scene.feed_changes()
        turns = [StatusChange(START, _UP if scene.has_feed else Status.UNKNOWN)]
        turns += [StatusChange(said.at, said.status) for said in told]
        records.append(RuleResult(scene, tuple(turns)))
    return tuple(records)


def _run_script(service: RehearsedService, days: float) -> RuleResult:
    shown, spent, paid = _ThresholdTracker(ConsecutiveThresholds(1, 1)), Decimal(0), 0
    running: list[tuple[datetime, bool]] = []
    for at in _ticks(SCRIPT_INTERVAL, days):
        _record_finished(running, shown, at)
        asked = service.submit_job(at)
        paid += 1
        spent += service.price if asked.is_accepted else 0
        # The script knows no faults: what did not work is down.
        heapq.heappush(running, (asked.ends_at, asked.failure is not None))
    _record_finished(running, shown, START + timedelta(days=days))
    return RuleResult(service, tuple(shown.changes), paid, spent)


def _record_finished(
    running: list[tuple[datetime, bool]], tracker: _ThresholdTracker, until: datetime
) -> None:
    while running and running[0][0] <= until:
        at, is_bad = heapq.heappop(running)
        tracker.record(at, is_bad=is_bad)


def _ticks(interval: timedelta, days: float) -> Iterator[datetime]:
    at, end = START + interval / 2, START + timedelta(days=days)
    while at < end:
        yield at
        at += interval
