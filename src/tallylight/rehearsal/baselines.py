"""The rules of other monitors: a status from the last probes, or from a status page.

They have two statuses, up and down. No result of theirs expires.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.model.evidence import Depth
from tallylight.model.status import Status
from tallylight.rehearsal.score import RuleResult
from tallylight.rehearsal.world import START, RehearsedService, ShownStatus

SCRIPT_INTERVAL = timedelta(seconds=300)
"""The plain script generates a 4-second video of each model every five minutes."""

FREE_PROBE_INTERVAL = timedelta(seconds=60)
"""The default interval of Gatus and Uptime Kuma."""

_UP, _DOWN = Status.OPERATIONAL, Status.SUSPENDED


@dataclass(frozen=True, slots=True)
class ConsecutiveThresholds:
    """Number of equal results in a row that change the status."""

    failures: int
    successes: int


GATUS_THRESHOLDS = ConsecutiveThresholds(3, 2)
"""Gatus's default alert thresholds: `failure-threshold` 3, `success-threshold` 2."""

UPTIME_KUMA_THRESHOLDS = ConsecutiveThresholds(1, 1)
"""Uptime Kuma's default: no retries."""

UPTIME_KUMA_TWO_RETRIES_THRESHOLDS = ConsecutiveThresholds(3, 1)
"""Uptime Kuma with two retries."""


@dataclass(slots=True)
class _ThresholdTracker:
    thresholds: ConsecutiveThresholds
    changes: list[ShownStatus] = field(default_factory=lambda: [ShownStatus(START, Status.UNKNOWN)])
    is_failing: bool = False
    streak: int = 0

    def record(self, at: datetime, *, has_failed: bool) -> None:
        self.streak = self.streak + 1 if has_failed is self.is_failing else 1
        self.is_failing = has_failed
        needed = self.thresholds.failures if has_failed else self.thresholds.successes
        status = _DOWN if has_failed else _UP
        is_first = self.changes[-1].status is Status.UNKNOWN and not has_failed
        if status is not self.changes[-1].status and (self.streak >= needed or is_first):
            self.changes.append(ShownStatus(at, status))


def plain_script(services: Iterable[RehearsedService], days: float) -> tuple[RuleResult, ...]:
    """Return the results of a paid video every five minutes, judged by the last one."""
    return tuple(_run_script(service, days) for service in services)


def consecutive_rule(
    services: Iterable[RehearsedService], days: float, thresholds: ConsecutiveThresholds
) -> tuple[RuleResult, ...]:
    """Return the results of a free probe with thresholds."""
    results = []
    for service in services:
        tracker = _ThresholdTracker(thresholds)
        for at in _ticks(FREE_PROBE_INTERVAL, days):
            tracker.record(at, has_failed=service.free_probe(Depth.REACH, at) is not None)
        results.append(RuleResult(service, tuple(tracker.changes)))
    return tuple(results)


def feed_only(services: Iterable[RehearsedService]) -> tuple[RuleResult, ...]:
    """Return what the official status pages show; without a page the status is unknown."""
    results = []
    for service in services:
        first = ShownStatus(START, _UP if service.has_feed else Status.UNKNOWN)
        results.append(RuleResult(service, (first, *service.feed_changes())))
    return tuple(results)


def _run_script(service: RehearsedService, days: float) -> RuleResult:
    tracker, spent, paid = _ThresholdTracker(ConsecutiveThresholds(1, 1)), Decimal(0), 0
    running: list[tuple[datetime, bool]] = []
    for at in _ticks(SCRIPT_INTERVAL, days):
        _record_finished(running, tracker, at)
        job = service.submit_job(at)
        paid += 1
        spent += service.price if job.is_accepted else 0
        # The script does not attribute faults: every failure counts.
        heapq.heappush(running, (job.ends_at, job.failure is not None))
    _record_finished(running, tracker, START + timedelta(days=days))
    return RuleResult(service, tuple(tracker.changes), paid, spent)


def _record_finished(
    running: list[tuple[datetime, bool]], tracker: _ThresholdTracker, until: datetime
) -> None:
    while running and running[0][0] <= until:
        at, has_failed = heapq.heappop(running)
        tracker.record(at, has_failed=has_failed)


def _ticks(interval: timedelta, days: float) -> Iterator[datetime]:
    at, end = START + interval / 2, START + timedelta(days=days)
    while at < end:
        yield at
        at += interval
