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
from tallylight.quick import quick
from tallylight.rehearsal.rng import Sequence, draw, duration, salt
from tallylight.rehearsal.trace import Trace, TraceFailure, TraceFeed, TraceService, TraceSpell
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When every trace begins."""

STALLED_AFTER = timedelta(minutes=20)
"""A job that takes longer is given up, as `Upstream.job_timeout` has it by default."""

GOOD = frozenset({Status.OPERATIONAL})

_STALLED = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "job:stalled", "the job never ended")
_UNSPECIFIC = TraceFailure(http_status=503, body='{"error":{"message":"service unavailable"}}')
_SECOND = 1_000_000  # a moment is counted in microseconds


@quick
@dataclass(frozen=True, slots=True)
class Asked:
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
class Said:
    """A change of a status page."""

    at: datetime
    says: Status


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch away from operational, whatever its names."""

    start: float
    end: float
    worst: Status


@dataclass(frozen=True, slots=True)
class Stretch:
    """A spell with its failures as the classifier reads them."""

    spell: TraceSpell
    reach: Failure | None
    credentials: Failure | None
    create: Failure | None
    job: Failure | None


class Scene:
    """One service of the world."""

    def __init__(self, id_: ServiceId, trace: Trace, seed: int) -> None:
        service = trace.services[id_]
        self.id, self.access, self.price = id_, service.access, service.price
        self._seed = seed
        self._stretches = [_stretch(spell) for spell in _unbroken(service, trace.duration)]
        self._starts = [stretch.spell.start for stretch in self._stretches]
        self._reach = salt(seed, id_, "reach")
        self._credentials = salt(seed, id_, "credentials")
        self._accept = salt(seed, id_, "accept")
        self._deliver = salt(seed, id_, "deliver")
        self._latency = salt(seed, id_, "latency")
        self._end = trace.duration
        self._traffic = trace.traffic.get(id_, 0.0)
        self._feed = trace.feeds.get(id_)

    @property
    def spells(self) -> tuple[TraceSpell, ...]:
        """Return its whole life without gaps."""
        return tuple(stretch.spell for stretch in self._stretches)

    @property
    def has_feed(self) -> bool:
        """Tell whether it has a status page."""
        return self._feed is not None

    def shallow(self, depth: Depth, at: datetime) -> Failure | None:
        """Return what a free probe meets."""
        moment = _moment(at)
        stretch = self._at(moment / _SECOND)
        if depth is Depth.REACH:
            return stretch.reach if draw(self._reach, moment) > stretch.spell.reach else None
        passes = draw(self._credentials, moment) <= stretch.spell.credentials
        return None if passes else stretch.credentials

    def job(self, at: datetime) -> Asked:
        """Return what becomes of a job that is sent at a moment."""
        moment = _moment(at)
        stretch = self._at(moment / _SECOND)
        if draw(self._accept, moment) > stretch.spell.accepts:
            return Asked(at + timedelta(seconds=1), stretch.create, is_accepted=False)
        seconds = duration(self._latency, moment, *stretch.spell.takes)
        ends_at = at + timedelta(seconds=seconds)
        if ends_at > at + STALLED_AFTER:
            return Asked(at + STALLED_AFTER, _STALLED, is_accepted=True)
        last = self._at(moment / _SECOND + seconds)
        delivers = draw(self._deliver, moment) <= last.spell.delivers
        return Asked(ends_at, None if delivers else last.job, is_accepted=True)

    def arrivals(self) -> Iterator[datetime]:
        """Yield when callers' jobs are sent."""
        if not self._traffic:
            return
        luck, at = Sequence(salt(self._seed, self.id, "traffic")), 0.0
        while (at := at + luck.waiting(3600 / self._traffic)) < self._end:
            yield START + timedelta(seconds=at)

    def told(self) -> tuple[Said, ...]:
        """Return what the service's status page says, and when.

        Its delays are exponential. What is over before it is told is never told.
        """
        if self._feed is None:
            return ()
        luck, said = Sequence(salt(self._seed, self.id, "feed")), list[Said]()
        for outage in self.outages():
            is_blind = luck.share() < self._feed.blind
            begin, end = (
                outage.start + _late(luck, self._feed),
                outage.end + _late(luck, self._feed),
            )
            if is_blind or begin >= outage.end:
                continue
            starts_at = START + timedelta(seconds=begin)
            if said and said[-1].at >= starts_at:
                said.pop()  # the former end was not told yet
            said.append(Said(starts_at, _on_a_page(outage.worst)))
            if outage.end < self._end:
                said.append(Said(START + timedelta(seconds=end), Status.OPERATIONAL))
        return tuple(said)

    def outages(self) -> tuple[Outage, ...]:
        """Return the stretches away from operational, those that touch as one."""
        found: list[Outage] = []
        for spell in self.spells:
            if spell.status in GOOD:
                continue
            if found and found[-1].end == spell.start:
                before = found.pop()
                worst = max(before.worst, spell.status, key=_BADNESS.index)
                found.append(Outage(before.start, spell.end, worst))
            else:
                found.append(Outage(spell.start, spell.end, spell.status))
        return tuple(found)

    def _at(self, seconds: float) -> Stretch:
        return self._stretches[bisect_right(self._starts, seconds) - 1]


_BADNESS = [
    Status.OPERATIONAL,
    Status.DEGRADED,
    Status.RISK_CONTROL,
    Status.SUSPENDED,
    Status.MAINTENANCE,
    Status.RETIRED,
]


def _moment(at: datetime) -> int:
    since = at - START
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds


def scenes(trace: Trace, seed: int) -> tuple[Scene, ...]:
    """Return every service of a trace, come to life."""
    return tuple(Scene(id_, trace, seed) for id_ in trace.services)


def _unbroken(service: TraceService, end: float) -> Iterator[TraceSpell]:
    """Yield the spells up to the end, with the gaps between them operational."""
    at = 0.0
    for spell in service.spells:
        if spell.start >= end:
            break
        if spell.start > at:
            yield TraceSpell(start=at, end=spell.start, status=Status.OPERATIONAL)
        at = min(spell.end, end)
        yield spell.model_copy(update={"end": at})
    if at < end:
        yield TraceSpell(start=at, end=end, status=Status.OPERATIONAL)


def _stretch(spell: TraceSpell) -> Stretch:
    failure = spell.failure or _UNSPECIFIC
    return Stretch(
        spell,
        # What fails at the door must be a closed door, whatever the spell's jobs are told.
        _classified(failure, Phase.REACH) or _classified(_UNSPECIFIC, Phase.REACH),
        _classified(failure, Phase.PROBE),
        _classified(failure, Phase.CREATE),
        _classified(failure, Phase.POLL),
    )


def _classified(failure: TraceFailure, phase: Phase) -> Failure | None:
    error = failure.body or "TimeoutError: no answer" if failure.http_status is None else ""
    body = "" if failure.http_status is None else failure.body
    return classify(Reply(phase, failure.http_status, {}, body, error))


def _late(luck: Sequence, feed: TraceFeed) -> float:
    return luck.waiting(feed.lag) if feed.lag else 0.0


def _on_a_page(status: Status) -> Status:
    """Return how a status page would call it: none speaks of risk control."""
    return Status.SUSPENDED if status is Status.RISK_CONTROL else status
