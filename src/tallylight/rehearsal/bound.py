"""The least wrong time that any plan of routine paid probes can reach for a given spend.

An ideal monitor knows beforehand how often each service fails and what a probe costs, and gives
each service the best constant pace. It raises no false alarm, takes one failed or late probe as
proof (late is what takes longer than 95 % of the jobs of good times), sees trouble that free probes
can see after a minute, believes a status page at once, and sees each
recovery at once. No real rule reaches it: it shows how much of the wrong time the budget explains.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import inf
from typing import NamedTuple

from tallylight.model.status import Status
from tallylight.rehearsal.score import SHORT_OUTAGE_S, Score
from tallylight.rehearsal.world import START, Outage, RehearsedService
from tallylight.verdicts.intervals import ConfidenceInterval, jeffreys_interval

_DAY = 86_400.0
_FREE_PROBE_DELAY_S = 60.0
_VISIBLE_FAILURES = 0.1  # free probes that fail more often than this give an outage away
_SHORTEST_PACE_S = 60.0
_PACE_RATIO = 1.1
_PACES = 110  # up to 60 days
_HALVINGS = 60


def least_wrong(services: Sequence[RehearsedService], days: float, spend_per_day: float) -> Score:
    """Return the score of the best plan for services without callers' jobs, rounded to outages.

    One exchange rate between wrong seconds and USD divides the budget best; bisection finds it. The
    rest of the budget buys a part of the next better plan.
    """
    end, total = days * _DAY, spend_per_day * days
    plans = [_Plan(service, end) for service in services]
    generous, thrifty = 1e-12, 1e12  # wrong seconds that one USD has to save
    for _ in range(_HALVINGS):
        rate = (generous * thrifty) ** 0.5
        if _joint(plans, rate).cost <= total:
            thrifty = rate
        else:
            generous = rate
    least, more = _joint(plans, thrifty), _joint(plans, generous)
    extra = (total - least.cost) / (more.cost - least.cost) if more.cost > total else 0.0
    best = _Outcome(*(a + extra * (b - a) for a, b in zip(least, more, strict=True)))
    outages, seen = sum(len(plan.counted) for plan in plans), round(best.seen)
    return Score(
        outages=outages,
        seen=seen,
        seen_interval=jeffreys_interval(seen, outages) if outages else ConfidenceInterval(0.0, 1.0),
        median_delay=None,
        p90_delay=None,
        wrong_share=best.wrong_s / (end * len(plans)),
        false_alarms=0.0,
        false_alarms_interval=ConfidenceInterval(0.0, 0.0),
        misnamed_share=0.0,
        unknown_share=0.0,
        most_changes=0,
        minutes={},
        paid_probes_per_day=best.probes / len(plans) / days,
        spend_per_day=best.cost / days,
        withheld_per_day=0.0,
    )


class _Outcome(NamedTuple):
    """What the paces of one or more services lead to, over the whole trace."""

    wrong_s: float
    seen: float
    cost: float
    probes: float


@dataclass(frozen=True, slots=True)
class _HiddenOutage:
    """An outage as paid probes find it.

    Args:
        length_s: Its length.
        hidden_s: How long it lasts until a free probe or a page shows it, at most its length.
        failing: Share of jobs that fail in it.
        job_s: Mean time from the create of a failing job until it fails or is late.
    """

    length_s: float
    hidden_s: float
    failing: float
    job_s: float

    def unseen_s(self, pace_s: float) -> float:
        """Return the expected time until it is seen or ends, with probes at a random phase."""
        if pace_s == inf or self.hidden_s <= self.job_s:
            return self.hidden_s
        passes = 1 - self.failing
        whole, rest = divmod((self.hidden_s - self.job_s) / pace_s, 1)
        unseen: float = passes**whole
        periods = whole if passes == 1 else (1 - unseen) / self.failing
        within = rest - self.failing * rest**2 / 2
        return self.job_s + pace_s * (periods * (1 - self.failing / 2) + unseen * within)

    def seen_probability(self, pace_s: float) -> float:
        """Return the probability that it is seen before it ends."""
        if self.hidden_s < self.length_s:
            return 1.0
        if pace_s == inf or self.hidden_s <= self.job_s:
            return 0.0
        whole, rest = divmod((self.hidden_s - self.job_s) / pace_s, 1)
        unseen: float = (1 - self.failing) ** whole * (1 - self.failing * rest)
        return 1 - unseen


class _Plan:
    """The outcomes of one service by the pace of its paid probes."""

    def __init__(self, service: RehearsedService, end: float) -> None:
        outages = tuple(each for each in service.outages() if each.start < end)
        self._price = float(service.price)
        self._up_s = end - sum(min(each.end, end) - each.start for each in outages)
        self._outages = tuple(_hidden(service, each, end) for each in outages)
        self.counted = tuple(e for e in self._outages if e.length_s > SHORT_OUTAGE_S)

    def best(self, rate: float) -> _Outcome:
        """Return the outcome that costs least, at so many wrong seconds for one USD."""
        return min(self._outcomes, key=lambda each: each.wrong_s + rate * each.cost)

    @cached_property
    def _outcomes(self) -> tuple[_Outcome, ...]:
        return tuple(self._outcome(pace_s) for pace_s in _paces())

    def _outcome(self, pace_s: float) -> _Outcome:
        probes = self._up_s / pace_s  # an outage that is known needs no probe
        return _Outcome(
            wrong_s=sum(each.unseen_s(pace_s) for each in self._outages),
            seen=sum(each.seen_probability(pace_s) for each in self.counted),
            cost=probes * self._price,
            probes=probes,
        )


def _joint(plans: Sequence[_Plan], rate: float) -> _Outcome:
    return _Outcome(*map(sum, zip(*(plan.best(rate) for plan in plans), strict=True)))


def _paces() -> Iterator[float]:
    yield from (_SHORTEST_PACE_S * _PACE_RATIO**n for n in range(_PACES))
    yield inf


def _hidden(service: RehearsedService, outage: Outage, end: float) -> _HiddenOutage:
    until = min(outage.end, end)
    length = until - outage.start
    parts = [
        (min(each.end, until) - max(each.start, outage.start), each)
        for each in service.intervals
        if each.start < until and each.end > outage.start
    ]
    patience = _patience(service)
    failing = late = 0.0
    for seconds, each in parts:
        job_s = min(patience, each.job_latency[0])
        delivers = each.deliver_probability if each.job_latency[0] < patience else 0.0
        accepted = seconds * each.accept_probability
        failing += seconds - accepted * delivers
        late += accepted * (1 - delivers) * job_s
    shown = [_first_report(service, outage)]
    for _, each in parts:
        if 1 - min(each.reach, each.credentials) > _VISIBLE_FAILURES:
            shown.append(max(each.start, outage.start) - outage.start + _FREE_PROBE_DELAY_S)
    mean_late = late / failing if failing else 0.0
    return _HiddenOutage(length, min(length, *shown), failing / length, mean_late)


def _patience(service: RehearsedService) -> float:
    """Return the seconds after which a job is late."""
    good = (each for each in service.intervals if each.status is Status.OPERATIONAL)
    return max((each.job_latency[1] for each in good), default=inf)


def _first_report(service: RehearsedService, outage: Outage) -> float:
    """Return the seconds into an outage at which its page reports it; infinite if it does not."""
    begin = START + timedelta(seconds=outage.start)
    end = START + timedelta(seconds=outage.end)
    reports = (each for each in service.feed_changes() if each.status is not Status.OPERATIONAL)
    first = next((each.at for each in reports if begin <= each.at < end), None)
    return inf if first is None else (first - begin).total_seconds()
