"""What is expected of each service now, from its state on the board and its circuit breaker.

Every create needs this, so it is cached: the part from the board is computed again when the
verdict changes and once a second, the part from the circuit breaker at every request.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tallylight.catalogue.fit import Expressible
from tallylight.catalogue.services import Service
from tallylight.catalogue.wording import find_wording
from tallylight.clock import Clock
from tallylight.gateway.routing.circuit_breaker import (
    CLOSED_BREAKER,
    FAILURES_TO_OPEN,
    BreakerState,
    CircuitBreaker,
    failure_discount,
    remaining_wait,
    traffic_share,
)
from tallylight.gateway.routing.fitter import Fitter
from tallylight.gateway.routing.ranking import Candidate
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode, Verdict
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.verdicts.blocking import KeyPeriod, is_of_earlier_key, is_probed
from tallylight.verdicts.forecast import Forecast, forecast
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

DEFAULT_JOB_SECONDS = 180.0
"""Assumed duration of a job while none was timed."""

_CACHE_TTL = timedelta(seconds=1)
_DOWN_STATUSES = frozenset({Status.SUSPENDED, Status.MAINTENANCE})
_IMPAIRED_STATUSES = frozenset({Status.DEGRADED, Status.RISK_CONTROL})
_FAILURES_TO_OPEN_IMPAIRED = 10  # a service that often fails has streaks of failures anyway
_UNKNOWN_SHARE = 0.1
_TRIAL_SHARE = 0.02
_FIRST_TRIAL_AFTER = timedelta(minutes=5)
_MAX_DOUBLINGS = 4


class BoardStates(Protocol):
    """The part of the board that this module reads."""

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
        """Return the judge's state of a service and the policy that it is judged by."""
        ...

    def key_period(self, id_: ServiceId, /) -> KeyPeriod:
        """Return since when this process has used its present key at a service."""
        ...


@dataclass(slots=True)
class _CacheEntry:
    """What was computed for one service.

    Args:
        service: The service as configured.
        verdict: The verdict at that time.
        forecast: The forecast from the state.
        state: The judge's state at that time.
        key_period: Since when this process has used its present key.
        fitter: What fits wishes to the service.
        closed_candidate: The candidate while the breaker is closed; None until computed.
        expires_at: When to compute it again.
    """

    service: Service
    verdict: Verdict
    forecast: Forecast
    state: ServiceState
    key_period: KeyPeriod
    fitter: Fitter
    closed_candidate: Candidate | None
    expires_at: datetime


class Candidates:
    """Computes and caches the candidates of all services."""

    def __init__(self, board: BoardStates, breaker: CircuitBreaker, clock: Clock) -> None:
        self._board = board
        self._breaker = breaker
        self._clock = clock
        self._cache: dict[ServiceId, _CacheEntry] = {}

    def for_services(self, services: Iterable[ServiceId]) -> list[Candidate]:
        """Return the candidates of services; services that are not on the board are skipped."""
        now = self._clock.now()
        return [self._candidate(id_, now) for id_ in services if id_ in self._board]

    def _candidate(self, id_: ServiceId, now: datetime) -> Candidate:
        entry, breaker = self._entry(id_, now), self._breaker.state(id_)
        if breaker is not CLOSED_BREAKER:
            return _candidate(entry, breaker, now)
        if entry.closed_candidate is None:
            entry.closed_candidate = _candidate(entry, breaker, now)
        return entry.closed_candidate

    def _entry(self, id_: ServiceId, now: datetime) -> _CacheEntry:
        service, verdict = self._board.service(id_), self._board.verdict(id_)
        cached = self._cache.get(id_)
        if cached is not None and cached.service is not service:
            cached = None  # the configuration was reloaded
        if cached is not None and cached.verdict is verdict and now < cached.expires_at:
            return cached
        state, policy = self._board.state(id_)
        entry = self._cache[id_] = _CacheEntry(
            service=service,
            verdict=verdict,
            forecast=forecast(state, now, policy),
            state=state,
            key_period=self._board.key_period(id_),
            # It depends on the service alone, and holds a cache of its own.
            fitter=fitter_for(service) if cached is None else cached.fitter,
            closed_candidate=None,
            expires_at=now + _CACHE_TTL,
        )
        return entry


def fitter_for(service: Service) -> Fitter:
    """Return what fits wishes to a service, by its fact sheet and its protocol."""
    adapter = adapter_for(service.upstream)
    features = adapter.features
    can = Expressible(
        features.operations,
        features.inputs,
        characters=adapter.create_character is not None,
        wording=find_wording(features.wordings, service.model),
        derives_from_jobs=features.derives_from_jobs,
    )
    return Fitter(service, can)


def _candidate(entry: _CacheEntry, breaker: BreakerState, now: datetime) -> Candidate:
    """Return what is expected of a service's next job."""
    verdict, expected = entry.verdict, entry.forecast
    is_impaired = verdict.status in _IMPAIRED_STATUSES
    failures_to_open = _FAILURES_TO_OPEN_IMPAIRED if is_impaired else FAILURES_TO_OPEN
    is_trial = _is_due_for_trial(entry, breaker, now)
    share = _TRIAL_SHARE if is_trial else traffic_share(breaker, now, failures_to_open)
    if verdict.status is Status.UNKNOWN:
        share = min(share, _UNKNOWN_SHARE)
    return Candidate(
        entry.service,
        verdict,
        entry.fitter,
        expected.success_probability * failure_discount(breaker, now),
        DEFAULT_JOB_SECONDS if expected.expected_seconds is None else expected.expected_seconds,
        expected.p95_seconds,
        share,
        remaining_wait(breaker, now),
        is_trial,
    )


def _is_due_for_trial(entry: _CacheEntry, breaker: BreakerState, now: datetime) -> bool:
    """Tell whether a caller's job may try an excluded service that no probe tries.

    Without generation probes, an excluded service would never be seen to deliver again. Each
    further failure doubles the time until the next trial. A present key that has not been tried
    since it replaced another one is tried at once.
    """
    verdict = entry.verdict
    if _is_key_untried(entry, breaker):
        return True
    is_excluded = verdict.status in _DOWN_STATUSES or verdict.blocked is not None
    if not is_excluded or _is_recovery_probed(entry, now):
        return False
    if verdict.reasons[0].code is ReasonCode.MAINTENANCE_SCHEDULED:
        return False
    doublings = min(max(0, breaker.failures - FAILURES_TO_OPEN), _MAX_DOUBLINGS)
    newest = max(each for each in (verdict.since, breaker.failed_at) if each is not None)
    return now >= newest + _FIRST_TRIAL_AFTER * 2.0**doublings


def _is_recovery_probed(entry: _CacheEntry, now: datetime) -> bool:
    state, intervals = entry.state, entry.service.probe_intervals
    if state.blocked is None or entry.verdict.status in _DOWN_STATUSES:
        return intervals.generation is not None
    return is_probed(state, intervals, now)


def _is_key_untried(entry: _CacheEntry, breaker: BreakerState) -> bool:
    """Tell whether the only cause to exclude a service is a refusal that an earlier key met."""
    block, period = entry.state.blocked, entry.key_period
    return (
        block is not None
        and entry.verdict.status not in _DOWN_STATUSES
        and is_of_earlier_key(block, period)
        and (breaker.failed_at is None or breaker.failed_at < period.began_at)
    )
