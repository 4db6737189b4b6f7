"""A circuit breaker for each service, driven by the newest jobs of callers.

The board's verdict needs several pieces of evidence, so it changes slowly. The breaker acts on the
next request: one failure halves the expected success rate, which then recovers over minutes;
consecutive failures open the breaker, so that the service is the last resort for a while; after
that it receives a small share of requests, which doubles with each delivery.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId

_DELIVERIES_TO_CLOSE = 5
_FIRST_OPEN_PERIOD = timedelta(seconds=10)
_MAX_OPEN_PERIOD = timedelta(minutes=5)
_FIRST_SHARE = 0.05
_DISCOUNT_HALF_LIFE = timedelta(minutes=2)
_DEFAULT_RETRY_AFTER = timedelta(seconds=5)  # of a rate limit that names no time
_MAX_WAIT = timedelta(hours=1)
_TRIAL_TIMEOUT = timedelta(minutes=20)  # another process may have finished the trial

FAILURES_TO_OPEN = 3
"""Consecutive failures that open the breaker of a service with a good verdict."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """The breaker of one service.

    Args:
        failures: Consecutive failures up to now.
        longest_streak: The most consecutive failures since the breaker was last closed; 0 means
            closed.
        deliveries: Deliveries since the last failure.
        in_flight: Jobs accepted since the breaker opened that have not ended yet.
        accepted_at: Time of the newest acceptance.
        failed_at: Time of the newest failure.
        wait_until: The service asked for no requests until then.
    """

    failures: int = 0
    longest_streak: int = 0
    deliveries: int = 0
    in_flight: int = 0
    accepted_at: datetime | None = None
    failed_at: datetime | None = None
    wait_until: datetime | None = None


CLOSED_BREAKER = BreakerState()


def with_acceptance(state: BreakerState, at: datetime) -> BreakerState:
    """Return the state after a job was accepted."""
    if not state.longest_streak:
        return state  # the jobs of a closed breaker are not counted
    return replace(state, in_flight=state.in_flight + 1, accepted_at=at)


def with_delivery(state: BreakerState) -> BreakerState:
    """Return the state after a delivery; enough deliveries close the breaker."""
    deliveries = state.deliveries + 1
    if not state.longest_streak or deliveries >= _DELIVERIES_TO_CLOSE:
        return CLOSED_BREAKER
    in_flight = max(0, state.in_flight - 1)
    return replace(state, failures=0, deliveries=deliveries, in_flight=in_flight)


def with_failure(state: BreakerState, failure: Failure, at: datetime) -> BreakerState:
    """Return the state after an accepted job failed."""
    return with_refusal(replace(state, in_flight=max(0, state.in_flight - 1)), failure, at)


def with_refusal(state: BreakerState, failure: Failure, at: datetime) -> BreakerState:
    """Return the state after a create was refused, or may have been.

    A caller's fault changes nothing. A rate limit is no failure: the service receives no requests
    for the time that it names.
    """
    if failure.fault is Fault.CALLER:
        return state
    if failure.kind is FailureKind.RATE_LIMITED:
        wait = min(failure.retry_after or _DEFAULT_RETRY_AFTER, _MAX_WAIT)
        return replace(state, wait_until=at + wait)
    failures = state.failures + 1
    return replace(
        state,
        failures=failures,
        longest_streak=max(state.longest_streak, failures),
        deliveries=0,
        in_flight=0 if failures == FAILURES_TO_OPEN else state.in_flight,
        failed_at=at,
    )


def remaining_wait(state: BreakerState, now: datetime) -> timedelta | None:
    """Return for how long the service still asks for no requests; None if it does not."""
    if state.wait_until is None or state.wait_until <= now:
        return None
    return state.wait_until - now


def failure_discount(state: BreakerState, now: datetime) -> float:
    """Return the factor by which recent failures reduce the expected success rate, up to 1.0."""
    if not state.failures or state.failed_at is None:
        return 1.0
    faded = 0.5 ** (max(timedelta(0), now - state.failed_at) / _DISCOUNT_HALF_LIFE)
    return float(0.5 ** (state.failures * faded))


def traffic_share(
    state: BreakerState, now: datetime, failures_to_open: int = FAILURES_TO_OPEN
) -> float:
    """Return the share of requests of which the service may be the first choice.

    Args:
        state: The service's breaker.
        now: The current time.
        failures_to_open: Consecutive failures that open the breaker.

    Returns:
        1.0 while the breaker is closed, 0.0 while it is open; in between a share that grows with
        the deliveries. A recovering service never has more than its deliveries plus one in flight.
    """
    if state.longest_streak < failures_to_open:
        return 1.0
    if state.failures and _is_open(state, now, failures_to_open):
        return 0.0
    if state.in_flight > state.deliveries and not _is_trial_lost(state, now):
        return 0.0
    return float(min(1.0, _FIRST_SHARE * 2**state.deliveries))


def _is_open(state: BreakerState, now: datetime, failures_to_open: int = FAILURES_TO_OPEN) -> bool:
    """Tell whether the open period after the last failure has not ended yet."""
    if state.failed_at is None:
        return False
    doublings = min(max(0, state.failures - failures_to_open), 10)
    return now < state.failed_at + min(_MAX_OPEN_PERIOD, _FIRST_OPEN_PERIOD * 2.0**doublings)


def _is_trial_lost(state: BreakerState, now: datetime) -> bool:
    return state.accepted_at is None or now >= state.accepted_at + _TRIAL_TIMEOUT


class CircuitBreaker:
    """The breakers of all services, from the traffic of this process."""

    def __init__(self) -> None:
        self._states: dict[ServiceId, BreakerState] = {}

    def state(self, service: ServiceId) -> BreakerState:
        """Return the breaker of a service."""
        return self._states.get(service, CLOSED_BREAKER)

    def record_acceptance(self, service: ServiceId, at: datetime) -> None:
        """Record that a job was accepted."""
        self._states[service] = with_acceptance(self.state(service), at)

    def record_delivery(self, service: ServiceId, _: datetime) -> None:
        """Record that a video was delivered."""
        self._states[service] = with_delivery(self.state(service))

    def record_refusal(self, service: ServiceId, failure: Failure, at: datetime) -> None:
        """Record that a create was refused, or may have been."""
        self._states[service] = with_refusal(self.state(service), failure, at)

    def record_failure(self, service: ServiceId, failure: Failure, at: datetime) -> None:
        """Record that an accepted job failed."""
        self._states[service] = with_failure(self.state(service), failure, at)
