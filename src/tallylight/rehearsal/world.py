"""A trace come to life: it answers whoever asks, and is the same for all who ask.

A job is accepted by the spell in which it is sent, takes as long as jobs of that spell do, and
delivers by the spell in which it ends. Answers are read by the real classifier.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tallylight.model.evidence import Depth, Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.rehearsal.rng import RandomSequence, draw, log_normal, purpose_seed
from tallylight.rehearsal.trace import Trace, TraceFailure, TraceFeed, TraceInterval, TraceService
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When every trace begins."""

STALLED_AFTER = timedelta(minutes=20)
"""A job that takes longer is given up, as `Upstream.job_timeout` has it by default."""

HEALTHY_STATUSES = frozenset({Status.OPERATIONAL})

_STALLED = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "job:stalled", "the job never ended")
_GENERIC_FAILURE = TraceFailure(http_status=503, body='{"error":{"message":"service unavailable"}}')
_MICROSECONDS = 1_000_000  # a moment is counted in microseconds


@dataclass(frozen=True, slots=True)
class JobResult:
    """What becomes of a job.

    Args:
        ends_at: When it ends, or is refused.
        failure: Why it does not deliver; None if it does.
        is_accepted: Whether it was accepted, hence billed.
    """

    ends_at: datetime
    failure: Failure | None
    is_accepted: bool


@dataclass(frozen=True, slots=True)
class FeedChange:
    """A change of a status page."""

    at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch away from operational, whatever its names."""

    start: float
    end: float
    worst: Status


@dataclass(frozen=True, slots=True)
class ClassifiedInterval:
    """A spell with its failures as the classifier reads them."""

    interval: TraceInterval
    reach: Failure | None
    credentials: Failure | None
    create: Failure | None
    job: Failure | None


class RehearsedService:
    """One service of the world."""

    def __init__(self, id_: ServiceId, trace: Trace, seed: int) -> None:
        service = trace.services[id_]
        self.id, self.access, self.price = id_, service.access, service.price
        self._seed = seed
        self._intervals = [
            _classify_interval(spell) for spell in _without_gaps(service, trace.duration)
        ]
        self._starts = [stretch.interval.start for stretch in self._intervals]
        self._reach = purpose_seed(seed, id_, "reach")
        self._credentials = purpose_seed(seed, id_, "credentials")
        self._accept = purpose_seed(seed, id_, "accept")
        self._deliver = purpose_seed(seed, id_, "deliver")
        self._latency = purpose_seed(seed, id_, "latency")
        self._end = trace.duration
        self._traffic = trace.traffic.get(id_, 0.0)
        self._feed = trace.feeds.get(id_)

    @property
    def intervals(self) -> tuple[TraceInterval, ...]:
        """Return its whole life without gaps."""
        return tuple(stretch.interval for stretch in self._intervals)

    @property
    def has_feed(self) -> bool:
        """Tell whether it has a status page."""
        return self._feed is not None

    def free_probe(self, depth: Depth, at: datetime) -> Failure | None:
        """Return what a free probe meets."""
        moment = _microseconds_at(at)
        stretch = self._interval_at(moment / _MICROSECONDS)
        if depth is Depth.REACH:
            return stretch.reach if draw(self._reach, moment) > stretch.interval.reach else None
        passes = draw(self._credentials, moment) <= stretch.interval.credentials
        return None if passes else stretch.credentials

    def submit_job(self, at: datetime) -> JobResult:
        """Return what becomes of a job that is sent at a moment."""
        moment = _microseconds_at(at)
        stretch = self._interval_at(moment / _MICROSECONDS)
        if draw(self._accept, moment) > stretch.interval.accept_probability:
            return JobResult(at + timedelta(seconds=1), stretch.create, is_accepted=False)
        seconds = log_normal(self._latency, moment, *stretch.interval.job_latency)
        ends_at = at + timedelta(seconds=seconds)
        if ends_at > at + STALLED_AFTER:
            return JobResult(at + STALLED_AFTER, _STALLED, is_accepted=True)
        last = self._interval_at(moment / _MICROSECONDS + seconds)
        delivers = draw(self._deliver, moment) <= last.interval.deliver_probability
        return JobResult(ends_at, None if delivers else last.job, is_accepted=True)

    def caller_job_times(self) -> Iterator[datetime]:
        """Yield when callers' jobs are sent."""
        if not self._traffic:
            return
        luck, at = RandomSequence(purpose_seed(self._seed, self.id, "traffic")), 0.0
        while (at := at + luck.exponential(3600 / self._traffic)) < self._end:
            yield START + timedelta(seconds=at)

    def feed_changes(self) -> tuple[FeedChange, ...]:
        """Return what the service's status page says, and when.

        Its delays are exponential. What is over before it is told is never told.
        """
        if self._feed is None:
            return ()
        luck, said = RandomSequence(purpose_seed(self._seed, self.id, "feed")), list[FeedChange]()
        for outage in self.outages():
            is_blind = luck.uniform() < self._feed.blind
            begin, end = (
                outage.start + _feed_delay(luck, self._feed),
                outage.end + _feed_delay(luck, self._feed),
            )
            if is_blind or begin >= outage.end:
                continue
            starts_at = START + timedelta(seconds=begin)
            if said and said[-1].at >= starts_at:
                said.pop()  # the former end was not told yet
            said.append(FeedChange(starts_at, _feed_status(outage.worst)))
            if outage.end < self._end:
                said.append(FeedChange(START + timedelta(seconds=end), Status.OPERATIONAL))
        return tuple(said)

    def outages(self) -> tuple[Outage, ...]:
        """Return the stretches away from operational, those that touch as one."""
        found: list[Outage] = []
        for spell in self.intervals:
            if spell.status in HEALTHY_STATUSES:
                continue
            if found and found[-1].end == spell.start:
                before = found.pop()
                worst = max(before.worst, spell.status, key=_SEVERITY.index)
                found.append(Outage(before.start, spell.end, worst))
            else:
                found.append(Outage(spell.start, spell.end, spell.status))
        return tuple(found)

    def _interval_at(self, seconds: float) -> ClassifiedInterval:
        return self._intervals[bisect_right(self._starts, seconds) - 1]


_SEVERITY = [
    Status.OPERATIONAL,
    Status.DEGRADED,
    Status.RISK_CONTROL,
    Status.SUSPENDED,
    Status.MAINTENANCE,
    Status.RETIRED,
]


def _microseconds_at(at: datetime) -> int:
    since = at - START
    return (since.days * 86_400 + since.seconds) * _MICROSECONDS + since.microseconds


def rehearsed_services(trace: Trace, seed: int) -> tuple[RehearsedService, ...]:
    """Return every service of a trace, come to life."""
    return tuple(RehearsedService(id_, trace, seed) for id_ in trace.services)


def _without_gaps(service: TraceService, end: float) -> Iterator[TraceInterval]:
    """Yield the spells up to the end, with the gaps between them operational."""
    at = 0.0
    for spell in service.spells:
        if spell.start >= end:
            break
        if spell.start > at:
            yield TraceInterval(start=at, end=spell.start, status=Status.OPERATIONAL)
        at = min(spell.end, end)
        yield spell.model_copy(update={"end": at})
    if at < end:
        yield TraceInterval(start=at, end=end, status=Status.OPERATIONAL)


def _classify_interval(interval: TraceInterval) -> ClassifiedInterval:
    failure = interval.failure or _GENERIC_FAILURE
    return ClassifiedInterval(
        interval,
        # What fails at the door must be a closed door, whatever the spell's jobs are told.
        _classified(failure, Phase.REACH) or _classified(_GENERIC_FAILURE, Phase.REACH),
        _classified(failure, Phase.PROBE),
        _classified(failure, Phase.CREATE),
        _classified(failure, Phase.POLL),
    )


def _classified(failure: TraceFailure, phase: Phase) -> Failure | None:
    error = failure.body or "TimeoutError: no answer" if failure.http_status is None else ""
    body = "" if failure.http_status is None else failure.body
    return classify(Reply(phase, failure.http_status, {}, body, error))


def _feed_delay(draws: RandomSequence, feed: TraceFeed) -> float:
    return draws.exponential(feed.lag) if feed.lag else 0.0


def _feed_status(status: Status) -> Status:
    """Return how a status page would call it: none speaks of risk control."""
    return Status.SUSPENDED if status is Status.RISK_CONTROL else status
