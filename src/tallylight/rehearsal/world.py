"""The services of a trace, which answer probes and jobs in virtual time.

The interval in which a job is sent decides its acceptance and duration; the interval in which it
ends decides its delivery. The real classifier reads the failures.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tallylight.model.evidence import Depth, Failure, FailureKind, Fault
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.model.status import Status
from tallylight.rehearsal.rng import RandomSequence, draw, log_normal, purpose_seed
from tallylight.rehearsal.trace import Trace, TraceFailure, TraceFeed, TraceInterval, TraceService
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.model_list import not_listed

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The start of every trace."""

STALLED_AFTER = timedelta(minutes=20)
"""A longer job counts as stalled; the default of `Upstream.job_timeout`."""

_STALLED = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "job:stalled", "the job never ended")
_GENERIC_FAILURE = TraceFailure(http_status=503, body='{"error":{"message":"service unavailable"}}')
_OK = 200
_MICROSECONDS = 1_000_000  # per second


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of a job.

    Args:
        ends_at: When it ends or is refused.
        failure: Why it does not deliver; None if it does.
        is_accepted: Whether it was accepted, and so billed.
    """

    ends_at: datetime
    failure: Failure | None
    is_accepted: bool


@dataclass(frozen=True, slots=True)
class ShownStatus:
    """A status that a rule or a status page shows, and from when."""

    at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class Outage:
    """An interval in which a service is not operational, and its worst status."""

    start: float
    end: float
    worst: Status


@dataclass(frozen=True, slots=True)
class ClassifiedInterval:
    """An interval of a trace and its failures by request, as classified."""

    interval: TraceInterval
    reach: Failure | None
    credentials: Failure | None
    create: Failure | None
    job: Failure | None


class RehearsedService:
    """One service of a trace."""

    def __init__(self, id_: ServiceId, trace: Trace, seed: int) -> None:
        service = trace.services[id_]
        self.id, self.access, self.price = id_, service.access, service.price
        self.provider = service.provider or ProviderId(id_)
        self._seed = seed
        self._intervals = [
            _classify_interval(one) for one in _without_gaps(service, trace.duration)
        ]
        self._starts = [one.interval.start for one in self._intervals]
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
        """Return its intervals, without gaps."""
        return tuple(one.interval for one in self._intervals)

    @property
    def has_feed(self) -> bool:
        """Tell whether it has a status page."""
        return self._feed is not None

    def free_probe(self, depth: Depth, at: datetime) -> Failure | None:
        """Return the failure of a free probe, None if it succeeds."""
        moment = _microseconds_at(at)
        now = self._interval_at(moment / _MICROSECONDS)
        if depth is Depth.REACH:
            return now.reach if draw(self._reach, moment) > now.interval.reach else None
        passes = draw(self._credentials, moment) <= now.interval.credentials
        if passes and now.interval.is_unlisted:
            return not_listed(self.id, _OK)
        return None if passes else now.credentials

    def submit_job(self, at: datetime) -> JobResult:
        """Return the result of a job that is sent at a given time."""
        moment = _microseconds_at(at)
        now = self._interval_at(moment / _MICROSECONDS)
        if draw(self._accept, moment) > now.interval.accept_probability:
            return JobResult(at + timedelta(seconds=1), now.create, is_accepted=False)
        seconds = log_normal(self._latency, moment, *now.interval.job_latency)
        ends_at = at + timedelta(seconds=seconds)
        if ends_at > at + STALLED_AFTER:
            return JobResult(at + STALLED_AFTER, _STALLED, is_accepted=True)
        last = self._interval_at(moment / _MICROSECONDS + seconds)
        delivers = draw(self._deliver, moment) <= last.interval.deliver_probability
        return JobResult(ends_at, None if delivers else last.job, is_accepted=True)

    def caller_job_times(self) -> Iterator[datetime]:
        """Yield the times at which callers send jobs."""
        if not self._traffic:
            return
        draws, at = RandomSequence(purpose_seed(self._seed, self.id, "traffic")), 0.0
        while (at := at + draws.exponential(3600 / self._traffic)) < self._end:
            yield START + timedelta(seconds=at)

    def feed_changes(self) -> tuple[ShownStatus, ...]:
        """Return the status changes on the service's page.

        Their delays are exponential. An outage that ends before its report is never reported.
        """
        if self._feed is None:
            return ()
        return _with_false_reports(self._true_feed_changes(self._feed), self._feed, self._end)

    def _true_feed_changes(self, feed: TraceFeed) -> tuple[ShownStatus, ...]:
        draws = RandomSequence(purpose_seed(self._seed, self.id, "feed"))
        changes: list[ShownStatus] = []
        for outage in self.outages():
            is_blind = draws.uniform() < feed.blind
            begin = outage.start + _feed_delay(draws, feed)
            end = outage.end + _feed_delay(draws, feed)
            if is_blind or begin >= outage.end:
                continue
            starts_at = START + timedelta(seconds=begin)
            if changes and changes[-1].at >= starts_at:
                changes.pop()  # the end of the previous outage is not reported yet
            changes.append(ShownStatus(starts_at, _feed_status(outage.worst)))
            if outage.end < self._end:
                changes.append(ShownStatus(START + timedelta(seconds=end), Status.OPERATIONAL))
        return tuple(changes)

    def outages(self) -> tuple[Outage, ...]:
        """Return the outages; adjacent ones count as one."""
        outages: list[Outage] = []
        for interval in self.intervals:
            if interval.status is Status.OPERATIONAL:
                continue
            if outages and outages[-1].end == interval.start:
                before = outages.pop()
                worst = max(before.worst, interval.status, key=_SEVERITY.index)
                outages.append(Outage(before.start, interval.end, worst))
            else:
                outages.append(Outage(interval.start, interval.end, interval.status))
        return tuple(outages)

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
    """Return every service of a trace."""
    return tuple(RehearsedService(id_, trace, seed) for id_ in trace.services)


def _without_gaps(service: TraceService, end: float) -> Iterator[TraceInterval]:
    """Yield the intervals up to the end, with operational ones in the gaps."""
    at = 0.0
    for interval in service.intervals:
        if interval.start >= end:
            break
        if interval.start > at:
            yield TraceInterval(start=at, end=interval.start, status=Status.OPERATIONAL)
        at = min(interval.end, end)
        yield interval.model_copy(update={"end": at})
    if at < end:
        yield TraceInterval(start=at, end=end, status=Status.OPERATIONAL)


def _classify_interval(interval: TraceInterval) -> ClassifiedInterval:
    failure = interval.failure or _GENERIC_FAILURE
    return ClassifiedInterval(
        interval,
        # A free probe must fail even where the failure of jobs does not concern it.
        _classified(failure, Phase.REACH) or _classified(_GENERIC_FAILURE, Phase.REACH),
        _classified(failure, Phase.PROBE),
        _classified(failure, Phase.CREATE),
        _classified(failure, Phase.POLL),
    )


def _classified(failure: TraceFailure, phase: Phase) -> Failure | None:
    error = failure.body or "TimeoutError: no answer" if failure.http_status is None else ""
    body = "" if failure.http_status is None else failure.body
    return classify(Reply(phase, failure.http_status, {}, body, error))


def _with_false_reports(
    changes: tuple[ShownStatus, ...], feed: TraceFeed, end: float
) -> tuple[ShownStatus, ...]:
    """Return the changes on a page that also reports trouble that there is not.

    Where both speak, the true report is shown; after a false one the page is as it would be.
    """
    shown = list(changes)
    for report in feed.false_reports:
        start, until = (
            START + timedelta(seconds=min(at, end)) for at in (report.start, report.end)
        )
        if _shown_at(changes, start) is Status.OPERATIONAL and start < until:
            next_change = min((c.at for c in changes if start < c.at), default=until)
            shown.append(ShownStatus(start, report.status))
            if until < next_change and report.end < end:
                shown.append(ShownStatus(until, Status.OPERATIONAL))
    return tuple(sorted(shown, key=lambda change: change.at))


def _shown_at(changes: tuple[ShownStatus, ...], at: datetime) -> Status:
    return next((c.status for c in reversed(changes) if c.at <= at), Status.OPERATIONAL)


def _feed_delay(draws: RandomSequence, feed: TraceFeed) -> float:
    return draws.exponential(feed.lag) if feed.lag else 0.0


def _feed_status(status: Status) -> Status:
    """Return the status on a status page: none reports risk control."""
    return Status.SUSPENDED if status is Status.RISK_CONTROL else status
