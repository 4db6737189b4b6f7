"""What was shown, held against the truth.

An outage is a stretch away from operational, whatever its names. It is seen once any trouble is
shown within it. Unknown claims nothing: it sees no outage, and in good times it is not wrong.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from tallylight.model.status import Status
from tallylight.rehearsal.record import RuleResult
from tallylight.rehearsal.world import START
from tallylight.verdicts.intervals import (
    ConfidenceInterval,
    jeffreys_interval,
    mean_time_between_interval,
)

SHORT_OUTAGE_S = 300.0
"""Outages of so many seconds or less are not asked for."""

_MONTH = 30.0
_DAY = 86_400.0
_MINUTE = 60.0
_NO_TROUBLE = frozenset({Status.OPERATIONAL, Status.UNKNOWN})
_P90 = 0.9


@dataclass(frozen=True, slots=True)
class Score:
    """How a rule fared in a world.

    Args:
        outages: How many lasted over five minutes.
        seen: How many of them were shown before they ended.
        seen_interval: The share that agrees with these counts, at 95 %.
        median_delay: Minutes until half of those seen were shown; None if none was.
        p90_delay: Minutes until nine in ten of them were.
        wrong: The share of time in which trouble was shown and not there, or there and not shown.
        false_alarms: Times a month and service that trouble was shown that was not there.
        false_interval: The rate that agrees with this count, at 95 %.
        misnamed: Of the time in which trouble was there and shown, the share with another name.
        unknown: The share of time in which nothing was claimed.
        minutes: Of each truth, the minutes that each status was shown in it.
        paid: Paid probes a day and service.
        spend: USD a day for all services together.
        withheld: How often a budget did not allow a probe, a day and service.
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
    minutes: Mapping[Status, Mapping[Status, float]]
    paid_probes_per_day: float
    spend_per_day: float
    withheld_per_day: float

    @property
    def seen_share(self) -> float:
        """Return the share of outages over five minutes that were seen."""
        return self.seen / self.outages if self.outages else 1.0


def score_results(results: Sequence[RuleResult], days: float) -> Score:
    """Return how a rule fared, over all its services."""
    end = days * _DAY
    delays = [delay for record in results for delay in _delays(record, end)]
    found = sorted(delay / _MINUTE for delay in delays if delay is not None)
    false = sum(_false_alarms(record) for record in results)
    shown = _shown_minutes(results, end)
    months = len(results) * days / _MONTH
    between = mean_time_between_interval(false, months)
    return Score(
        outages=len(delays),
        seen=len(found),
        seen_interval=jeffreys_interval(len(found), len(delays))
        if delays
        else ConfidenceInterval(0.0, 1.0),
        median_delay=median(found) if found else None,
        p90_delay=found[min(len(found) - 1, int(_P90 * len(found)))] if found else None,
        wrong_share=_share(
            shown, lambda truth, said: (truth in _NO_TROUBLE) is not (said in _NO_TROUBLE)
        ),
        false_alarms=false / months,
        false_alarms_interval=ConfidenceInterval(1 / between.high, 1 / between.low),
        misnamed_share=_misnamed(shown),
        unknown_share=_share(shown, lambda _, said: said is Status.UNKNOWN),
        minutes=_by_truth(shown),
        paid_probes_per_day=sum(record.paid_probes for record in results) / len(results) / days,
        spend_per_day=float(sum(record.spent for record in results)) / days,
        withheld_per_day=sum(record.withheld for record in results) / len(results) / days,
    )


_MinutesByTruth = Mapping[tuple[Status, Status], float]


def _delays(record: RuleResult, end: float) -> Iterable[float | None]:
    """Yield for each longer outage after how many seconds it showed, None if it never did."""
    moments, statuses = _status_changes(record)
    for outage in record.service.outages():
        if outage.end - outage.start <= SHORT_OUTAGE_S or outage.start >= end:
            continue
        before = bisect_right(moments, outage.start) - 1
        if statuses[before] not in _NO_TROUBLE:
            yield 0.0
            continue
        later = range(before + 1, len(moments))
        first = next((moments[i] for i in later if statuses[i] not in _NO_TROUBLE), outage.end)
        yield first - outage.start if first < outage.end else None


def _false_alarms(record: RuleResult) -> int:
    moments, statuses = _status_changes(record)
    outages = record.service.outages()
    starts = [outage.start for outage in outages]
    count = 0
    for (before, after), at in zip(pairwise(statuses), moments[1:], strict=True):
        if before in _NO_TROUBLE and after not in _NO_TROUBLE:
            place = bisect_right(starts, at) - 1
            count += place < 0 or at >= outages[place].end
    return count


def _shown_minutes(records: Iterable[RuleResult], end: float) -> _MinutesByTruth:
    shown: defaultdict[tuple[Status, Status], float] = defaultdict(float)
    for record in records:
        moments, statuses = _status_changes(record)
        ends = (*moments[1:], end)
        spells, place = record.service.intervals, 0
        for said, begin, until in zip(statuses, moments, ends, strict=True):
            while spells[place].end <= begin:
                place += 1
            index = place
            while index < len(spells) and spells[index].start < until:
                spell = spells[index]
                overlap = min(until, spell.end) - max(begin, spell.start)
                shown[spell.status, said] += max(0.0, overlap) / _MINUTE
                index += 1
    return shown


def _status_changes(record: RuleResult) -> tuple[list[float], list[Status]]:
    moments = [(turn.at - START).total_seconds() for turn in record.changes]
    return moments, [turn.status for turn in record.changes]


def _share(shown: _MinutesByTruth, matches: Callable[[Status, Status], bool]) -> float:
    total = sum(shown.values())
    meant = sum(minutes for (truth, said), minutes in shown.items() if matches(truth, said))
    return meant / total if total else 0.0


def _misnamed(shown: _MinutesByTruth) -> float:
    both = {pair: m for pair, m in shown.items() if not _NO_TROUBLE.intersection(pair)}
    total = sum(both.values())
    other = sum(minutes for (truth, said), minutes in both.items() if truth is not said)
    return other / total if total else 0.0


def _by_truth(shown: _MinutesByTruth) -> Mapping[Status, Mapping[Status, float]]:
    nested: dict[Status, dict[Status, float]] = {}
    for (truth, said), minutes in sorted(shown.items()):
        nested.setdefault(truth, {})[said] = minutes
    return nested
