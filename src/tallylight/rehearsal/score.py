"""Scores: what a rule showed, compared with the true status.

An outage is an interval in which a service is not operational. It is seen if a problem is shown
before it ends. Unknown claims nothing: it does not see an outage, and is not wrong without one.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import median

from tallylight.model.status import Status
from tallylight.rehearsal.world import START, RehearsedService, ShownStatus
from tallylight.verdicts.intervals import (
    ConfidenceInterval,
    jeffreys_interval,
    mean_time_between_interval,
)

SHORT_OUTAGE_S = 300.0
"""Outages of this length or shorter are not counted."""

_MONTH = 30.0
_DAY = 86_400.0
_MINUTE = 60.0
_NO_PROBLEM = frozenset({Status.OPERATIONAL, Status.UNKNOWN})
_P90 = 0.9


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What a rule showed for one service, and what its probes cost.

    Args:
        changes: Shown statuses, oldest first, from the start of the trace.
        spent: Their cost in USD.
        withheld: Number of paid probes that a budget did not allow.
    """

    service: RehearsedService
    changes: tuple[ShownStatus, ...]
    paid_probes: int = 0
    spent: Decimal = Decimal(0)
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a rule on a trace.

    Args:
        outages: Number of outages over five minutes.
        seen: Number of them that were shown before they ended.
        seen_interval: 95 % confidence interval of the share of seen outages.
        median_delay: Median minutes until a seen outage was shown; None if none was seen.
        p90_delay: 90th percentile of the same.
        wrong_share: Share of time in which a problem was shown without one, or not shown.
        false_alarms: Per month and service, how often a problem was shown without one.
        false_alarms_interval: 95 % confidence interval of the same.
        misnamed_share: Of the time in which a problem was shown, the share with the wrong status.
        unknown_share: Share of time in which the status was unknown.
        most_changes: How often the status of one service changed, of the one that changed most.
        minutes: By true status, the minutes in which each status was shown.
        paid_probes_per_day: Paid probes per day and service.
        spend_per_day: USD per day for all services.
        withheld_per_day: Paid probes that a budget did not allow, per day and service.
    """

    outages: int
    seen: int
    seen_interval: ConfidenceInterval
    median_delay: float | None
    p90_delay: float | None
    wrong_share: float
    false_alarms: float
    false_alarms_interval: ConfidenceInterval
    misnamed_share: float
    unknown_share: float
    most_changes: int
    minutes: Mapping[Status, Mapping[Status, float]]
    paid_probes_per_day: float
    spend_per_day: float
    withheld_per_day: float

    @property
    def seen_share(self) -> float:
        """Return the share of outages that were seen."""
        return self.seen / self.outages if self.outages else 1.0


def score_results(results: Sequence[RuleResult], days: float) -> Score:
    """Return the score of a rule over all services."""
    end = days * _DAY
    delays = [delay for result in results for delay in _delays(result, end)]
    seen = sorted(delay / _MINUTE for delay in delays if delay is not None)
    false_alarms = sum(_false_alarms(result) for result in results)
    shown = _shown_minutes(results, end)
    months = len(results) * days / _MONTH
    between = mean_time_between_interval(false_alarms, months)
    return Score(
        outages=len(delays),
        seen=len(seen),
        seen_interval=jeffreys_interval(len(seen), len(delays))
        if delays
        else ConfidenceInterval(0.0, 1.0),
        median_delay=median(seen) if seen else None,
        p90_delay=seen[min(len(seen) - 1, int(_P90 * len(seen)))] if seen else None,
        wrong_share=_share(
            shown, lambda truth, status: (truth in _NO_PROBLEM) is not (status in _NO_PROBLEM)
        ),
        false_alarms=false_alarms / months,
        false_alarms_interval=ConfidenceInterval(1 / between.high, 1 / between.low),
        misnamed_share=_misnamed(shown),
        unknown_share=_share(shown, lambda _, status: status is Status.UNKNOWN),
        most_changes=max(len(result.changes) - 1 for result in results),
        minutes=_by_truth(shown),
        paid_probes_per_day=sum(result.paid_probes for result in results) / len(results) / days,
        spend_per_day=float(sum(result.spent for result in results)) / days,
        withheld_per_day=sum(result.withheld for result in results) / len(results) / days,
    )


_MinutesByTruth = Mapping[tuple[Status, Status], float]


def _delays(result: RuleResult, end: float) -> Iterable[float | None]:
    """Yield the seconds until each counted outage was shown, None if it never was."""
    moments, statuses = _status_changes(result)
    for outage in result.service.outages():
        if outage.end - outage.start <= SHORT_OUTAGE_S or outage.start >= end:
            continue
        before = bisect_right(moments, outage.start) - 1
        if statuses[before] not in _NO_PROBLEM:
            yield 0.0
            continue
        later = range(before + 1, len(moments))
        first = next((moments[i] for i in later if statuses[i] not in _NO_PROBLEM), outage.end)
        yield first - outage.start if first < outage.end else None


def _false_alarms(result: RuleResult) -> int:
    moments, statuses = _status_changes(result)
    outages = result.service.outages()
    starts = [outage.start for outage in outages]
    count = 0
    for (before, after), at in zip(pairwise(statuses), moments[1:], strict=True):
        if before in _NO_PROBLEM and after not in _NO_PROBLEM:
            index = bisect_right(starts, at) - 1
            count += index < 0 or at >= outages[index].end
    return count


def _shown_minutes(results: Iterable[RuleResult], end: float) -> _MinutesByTruth:
    """Return the minutes of each pair of true and shown status."""
    shown: defaultdict[tuple[Status, Status], float] = defaultdict(float)
    for result in results:
        moments, statuses = _status_changes(result)
        ends = (*moments[1:], end)
        intervals, first = result.service.intervals, 0
        for status, begin, until in zip(statuses, moments, ends, strict=True):
            while intervals[first].end <= begin:
                first += 1
            index = first
            while index < len(intervals) and intervals[index].start < until:
                interval = intervals[index]
                overlap = min(until, interval.end) - max(begin, interval.start)
                shown[interval.status, status] += max(0.0, overlap) / _MINUTE
                index += 1
    return shown


def _status_changes(result: RuleResult) -> tuple[list[float], list[Status]]:
    """Return when each status was first shown, in seconds, and the statuses."""
    moments = [(change.at - START).total_seconds() for change in result.changes]
    return moments, [change.status for change in result.changes]


def _share(shown: _MinutesByTruth, matches: Callable[[Status, Status], bool]) -> float:
    total = sum(shown.values())
    matching = sum(minutes for pair, minutes in shown.items() if matches(*pair))
    return matching / total if total else 0.0


def _misnamed(shown: _MinutesByTruth) -> float:
    both = {pair: m for pair, m in shown.items() if not _NO_PROBLEM.intersection(pair)}
    total = sum(both.values())
    other = sum(minutes for (truth, status), minutes in both.items() if truth is not status)
    return other / total if total else 0.0


def _by_truth(shown: _MinutesByTruth) -> Mapping[Status, Mapping[Status, float]]:
    nested: dict[Status, dict[Status, float]] = {}
    for (truth, status), minutes in sorted(shown.items()):
        nested.setdefault(truth, {})[status] = minutes
    return nested
