"""What is to be expected of each service now: the board's standing and the newest jobs together.

Kept ready, because every create asks: what follows from the standing is worked out anew when its
verdict changes and once a second, what follows from the newest jobs at every request.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.routing import circuit_breaker as live
from tallylight.gateway.routing.capability import Capability, Features
from tallylight.gateway.routing.circuit_breaker import BreakerState, CircuitBreaker
from tallylight.gateway.routing.ranking import Candidate
from tallylight.model.evidence import Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode, Verdict
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.verdicts.blocking import clears, is_probed
from tallylight.verdicts.forecast import Forecast, forecast
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

DEFAULT_JOB_SECONDS = 180.0
"""How long a job is taken to last where none was timed."""

_CACHE_TTL = timedelta(seconds=1)
_DOWN_STATUSES = frozenset({Status.SUSPENDED, Status.MAINTENANCE})
_IMPAIRED_STATUSES = frozenset({Status.DEGRADED, Status.RISK_CONTROL})
_FAILURES_TO_OPEN_IMPAIRED = 10  # failures in a row are no news of a service that fails in part
_UNKNOWN_SHARE = 0.1
_TRIAL_SHARE = 0.02
_FIRST_TRIAL_AFTER = timedelta(minutes=5)
_MAX_DOUBLINGS = 4


class BoardStates(Protocol):
    """The board, as far as it is asked here."""

    def __contains__(self, id_: ServiceId, /) -> bool:
        """Tell whether a service is on the board."""
        ...

    def service(self, id_: ServiceId, /) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        ...

    def verdict(self, id_: ServiceId, /) -> Verdict:
        """Return the verdict on one service."""
        ...

    def state(self, id_: ServiceId, /) -> tuple[ServiceState, Policy]:
        """Return all that the judge remembers of a service, and the policy it is judged by."""
        ...


@dataclass(slots=True)
class _CacheEntry:
    """What is worked out of one service.

    Args:
        service: As the configuration had it.
        verdict: As it stood.
        outlook: What followed from its standing.
        capability: What it can be asked for.
        standing: What that followed from.
        untroubled: Its prospect while callers' jobs have nothing against it.
        until: When it is worked out anew.
    """

    service: Service
    verdict: Verdict
    forecast: Forecast
    standing: ServiceState
    capability: Capability
    undisturbed: Candidate | None
    expires_at: datetime


class Candidates:
    """Keeps the prospects of all services."""

    def __init__(self, board: BoardStates, breaker: CircuitBreaker, clock: Clock) -> None:
        self._board = board
        self._breaker = breaker
        self._clock = clock
        self._cache: dict[ServiceId, _CacheEntry] = {}

    def for_services(self, services: Iterable[ServiceId]) -> list[Candidate]:
        """Return the prospects of services; those that have left the board are left out."""
        now = self._clock.now()
        return [self._candidate(id_, now) for id_ in services if id_ in self._board]

    def _candidate(self, id_: ServiceId, now: datetime) -> Candidate:
        known, course = self._refreshed(id_, now), self._breaker.state(id_)
        if course is not live.CLOSED_BREAKER:
            return _prospect(known, course, now)
        if known.undisturbed is None:
            known.undisturbed = _prospect(known, course, now)
        return known.undisturbed

    def _refreshed(self, id_: ServiceId, now: datetime) -> _CacheEntry:
        service, verdict = self._board.service(id_), self._board.verdict(id_)
        known = self._cache.get(id_)
        is_same = known is not None and known.service is service
        if known is not None and is_same and known.verdict is verdict and now < known.expires_at:
            return known
        standing, policy = self._board.state(id_)
        fresh = _CacheEntry(
            service=service,
            verdict=verdict,
            forecast=forecast(standing, now, policy),
            standing=standing,
            capability=known.capability
            if known is not None and is_same
            else capability_of(service),
            undisturbed=None,
            expires_at=now + _CACHE_TTL,
        )
        self._cache[id_] = fresh
        return fresh


def capability_of(service: Service) -> Capability:
    """Return what a service can be asked for, by its sheet and its protocol."""
    speaks = adapter_for(service.upstream)
    skills = Features(
        speaks.operations,
        speaks.takes_reference,
        speaks.takes_reference_url,
        speaks.takes_characters,
    )
    return Capability(service, skills)


def _prospect(known: _CacheEntry, course: BreakerState, now: datetime) -> Candidate:
    """Return what is to be expected of a service's next job."""
    verdict, expected, can = known.verdict, known.forecast, known.capability
    service = can.service
    is_trial = _is_due_for_trial(known, course, now)
    many = (
        _FAILURES_TO_OPEN_IMPAIRED
        if verdict.status in _IMPAIRED_STATUSES
        else live.FAILURES_TO_OPEN
    )
    trickle = _TRIAL_SHARE if is_trial else live.traffic_share(course, now, many)
    if verdict.status is Status.UNKNOWN:
        trickle = min(trickle, _UNKNOWN_SHARE)
    return Candidate(
        service,
        verdict,
        can,
        expected.success_probability * live.failure_discount(course, now),
        DEFAULT_JOB_SECONDS if expected.expected_seconds is None else expected.expected_seconds,
        expected.p95_seconds,
        trickle,
        live.remaining_wait(course, now),
        is_trial,
    )


def _is_due_for_trial(known: _CacheEntry, state: BreakerState, now: datetime) -> bool:
    """Tell whether only a caller's job can find out that a service is back, and it is time to.

    Where nobody pays for probes, a service that is left out for good would never be seen to
    deliver. After each failure it is left alone for twice as long.
    """
    verdict = known.verdict
    if not _is_excluded(verdict) or _is_probed(known, now):
        return False
    if verdict.reasons[0].code is ReasonCode.MAINTENANCE_SCHEDULED:
        return False
    rest = _FIRST_TRIAL_AFTER * 2.0 ** min(
        max(0, state.failures - live.FAILURES_TO_OPEN), _MAX_DOUBLINGS
    )
    newest = max(each for each in (verdict.since, state.failed_at) if each is not None)
    return now >= newest + rest


def _is_excluded(verdict: Verdict) -> bool:
    return verdict.status in _DOWN_STATUSES or verdict.blocked is not None


def _is_probed(known: _CacheEntry, now: datetime) -> bool:
    standing, pace = known.standing, known.service.probe_intervals
    if standing.blocked is None or known.verdict.status in _DOWN_STATUSES:
        return pace.generation is not None
    is_key_known = clears(standing, Source.CREDENTIALS)
    return is_probed(standing.blocked, pace, now, is_key_known=is_key_known)
