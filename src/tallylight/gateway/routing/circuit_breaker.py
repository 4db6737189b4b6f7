"""What callers' videos have just shown of each service, felt by the very next request.

The board's verdict is made to be right; it takes its time. Between two verdicts a failure halves
what is expected of a service for two minutes, failures in a row make it the last resort for a
while, and the way back leads over a trickle of requests that grows with what is delivered.
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
_DEFAULT_RETRY_AFTER = timedelta(
    seconds=5
)  # where a service asks to be left alone and not for how long
_MAX_WAIT = timedelta(hours=1)
_TRIAL_TIMEOUT = timedelta(minutes=20)  # a trial that nobody tells the end of

FAILURES_TO_OPEN = 3
"""So many failures in a row open the circuit of a service that is held to be well."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """How one service's newest jobs went.

    Args:
        failures: In a row, up to now.
        worst: The longest such row since it was last trusted.
        delivered: Since the last failure.
        under_way: Accepted and not ended, since its failures opened the circuit.
        accepted_at: The newest acceptance.
        failed_at: The newest failure.
        wait_until: It asked to be left alone until then.
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
    """Return the course after a job was accepted."""
    if not state.longest_streak:
        return state  # nobody counts the jobs of a service that is trusted
    return replace(state, in_flight=state.in_flight + 1, accepted_at=at)


def with_delivery(state: BreakerState) -> BreakerState:
    """Return the course after a video arrived; enough of them, and all is forgotten."""
    delivered = state.deliveries + 1
    if not state.longest_streak or delivered >= _DELIVERIES_TO_CLOSE:
        return CLOSED_BREAKER
    under_way = max(0, state.in_flight - 1)
    return replace(state, failures=0, deliveries=delivered, in_flight=under_way)


def with_failure(state: BreakerState, failure: Failure, at: datetime) -> BreakerState:
    """Return the course after an accepted job brought no video."""
    return with_refusal(replace(state, in_flight=max(0, state.in_flight - 1)), failure, at)


def with_refusal(state: BreakerState, failure: Failure, at: datetime) -> BreakerState:
    """Return the course after a job was refused, or may have been.

    What the caller did wrong says nothing; where the service asks to be asked less, it is left
    alone for as long as it says.
    """
    if failure.fault is Fault.CALLER:
        return state
    if failure.kind is FailureKind.RATE_LIMITED:
        pause = min(failure.retry_after or _DEFAULT_RETRY_AFTER, _MAX_WAIT)
        return replace(state, wait_until=at + pause)
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
    """Return for how long a service wants to be left alone, None if it does not."""
    if state.wait_until is None or state.wait_until <= now:
        return None
    return state.wait_until - now


def failure_discount(state: BreakerState, now: datetime) -> float:
    """Return what failures since the last delivery leave of the expectation, 1.0 for all."""
    if not state.failures or state.failed_at is None:
        return 1.0
    faded = 0.5 ** (max(timedelta(0), now - state.failed_at) / _DISCOUNT_HALF_LIFE)
    return float(0.5 ** (state.failures * faded))


def traffic_share(
    state: BreakerState, now: datetime, failures_to_open: int = FAILURES_TO_OPEN
) -> float:
    """Return the share of requests that a service may be the first choice of.

    Args:
        course: How its newest jobs went.
        now: The moment.
        many: So many failures in a row open the circuit.

    Returns:
        1.0 for a service that is trusted, 0.0 for one that rests after failing, and in between
        what grows with its deliveries. It never has more on trial than went well, plus one.
    """
    if state.longest_streak < failures_to_open:
        return 1.0
    if state.failures and is_breaker_open(state, now, failures_to_open):
        return 0.0
    if state.in_flight > state.deliveries and not _is_trial_lost(state, now):
        return 0.0
    return float(min(1.0, _FIRST_SHARE * 2**state.deliveries))


def is_breaker_open(
    state: BreakerState, now: datetime, failures_to_open: int = FAILURES_TO_OPEN
) -> bool:
    """Tell whether a service that failed has not been left alone for long enough."""
    if state.failed_at is None:
        return False
    beyond = max(0, state.failures - failures_to_open)
    rest = min(_MAX_OPEN_PERIOD, _FIRST_OPEN_PERIOD * 2.0 ** min(beyond, 10))
    return now < state.failed_at + rest


def _is_trial_lost(state: BreakerState, now: datetime) -> bool:
    return state.accepted_at is None or now >= state.accepted_at + _TRIAL_TIMEOUT


class CircuitBreaker:
    """The courses of all services, as this process has seen them."""

    def __init__(self) -> None:
        self._states: dict[ServiceId, BreakerState] = {}

    def state(self, service: ServiceId) -> BreakerState:
        """Return how a service's newest jobs went."""
        return self._states.get(service, CLOSED_BREAKER)

    def record_acceptance(self, service: ServiceId, at: datetime) -> None:
        """Note that a job was accepted."""
        self._states[service] = with_acceptance(self.state(service), at)

    def record_delivery(self, service: ServiceId, _: datetime) -> None:
        """Note that a video arrived."""
        self._states[service] = with_delivery(self.state(service))

    def record_refusal(self, service: ServiceId, failure: Failure, at: datetime) -> None:
        """Note that a job was refused, or that nobody knows whether it was."""
        self._states[service] = with_refusal(self.state(service), failure, at)

    def record_failure(self, service: ServiceId, failure: Failure, at: datetime) -> None:
        """Note that an accepted job brought no video."""
        self._states[service] = with_failure(self.state(service), failure, at)
