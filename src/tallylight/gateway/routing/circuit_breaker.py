"""What callers' videos have just shown of each service, felt by the very next request.

The board's verdict is made to be right; it takes its time. Between two verdicts a failure halves
what is expected of a service for two minutes, failures in a row make it the last resort for a
while, and the way back leads over a trickle of requests that grows with what is delivered.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId

_TRUSTED_AFTER = 5
_FIRST_REST = timedelta(seconds=10)
_LONGEST_REST = timedelta(minutes=5)
_FIRST_TRICKLE = 0.05
_HALVED_FOR = timedelta(minutes=2)
_BREATH = timedelta(seconds=5)  # where a service asks to be left alone and not for how long
_LONGEST_WAIT = timedelta(hours=1)
_LOST = timedelta(minutes=20)  # a trial that nobody tells the end of

MANY = 3
"""So many failures in a row open the circuit of a service that is held to be well."""


@dataclass(frozen=True, slots=True)
class Course:
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
    worst: int = 0
    delivered: int = 0
    under_way: int = 0
    accepted_at: datetime | None = None
    failed_at: datetime | None = None
    wait_until: datetime | None = None


UNTROUBLED = Course()


def with_acceptance(course: Course, at: datetime) -> Course:
    """Return the course after a job was accepted."""
    if not course.worst:
        return course  # nobody counts the jobs of a service that is trusted
    return replace(course, under_way=course.under_way + 1, accepted_at=at)


def with_delivery(course: Course) -> Course:
    """Return the course after a video arrived; enough of them, and all is forgotten."""
    delivered = course.delivered + 1
    if not course.worst or delivered >= _TRUSTED_AFTER:
        return UNTROUBLED
    under_way = max(0, course.under_way - 1)
    return replace(course, failures=0, delivered=delivered, under_way=under_way)


def with_failure(course: Course, failure: Failure, at: datetime) -> Course:
    """Return the course after an accepted job brought no video."""
    return with_refusal(replace(course, under_way=max(0, course.under_way - 1)), failure, at)


def with_refusal(course: Course, failure: Failure, at: datetime) -> Course:
    """Return the course after a job was refused, or may have been.

    What the caller did wrong says nothing; where the service asks to be asked less, it is left
    alone for as long as it says.
    """
    if failure.fault is Fault.CALLER:
        return course
    if failure.kind is FailureKind.RATE_LIMITED:
        pause = min(failure.retry_after or _BREATH, _LONGEST_WAIT)
        return replace(course, wait_until=at + pause)
    failures = course.failures + 1
    return replace(
        course,
        failures=failures,
        worst=max(course.worst, failures),
        delivered=0,
        under_way=0 if failures == MANY else course.under_way,
        failed_at=at,
    )


def wait(course: Course, now: datetime) -> timedelta | None:
    """Return for how long a service wants to be left alone, None if it does not."""
    if course.wait_until is None or course.wait_until <= now:
        return None
    return course.wait_until - now


def discount(course: Course, now: datetime) -> float:
    """Return what failures since the last delivery leave of the expectation, 1.0 for all."""
    if not course.failures or course.failed_at is None:
        return 1.0
    faded = 0.5 ** (max(timedelta(0), now - course.failed_at) / _HALVED_FOR)
    return float(0.5 ** (course.failures * faded))


def trickle(course: Course, now: datetime, many: int = MANY) -> float:
    """Return the share of requests that a service may be the first choice of.

    Args:
        course: How its newest jobs went.
        now: The moment.
        many: So many failures in a row open the circuit.

    Returns:
        1.0 for a service that is trusted, 0.0 for one that rests after failing, and in between
        what grows with its deliveries. It never has more on trial than went well, plus one.
    """
    if course.worst < many:
        return 1.0
    if course.failures and is_resting(course, now, many):
        return 0.0
    if course.under_way > course.delivered and not _is_lost(course, now):
        return 0.0
    return float(min(1.0, _FIRST_TRICKLE * 2**course.delivered))


def is_resting(course: Course, now: datetime, many: int = MANY) -> bool:
    """Tell whether a service that failed has not been left alone for long enough."""
    if course.failed_at is None:
        return False
    beyond = max(0, course.failures - many)
    rest = min(_LONGEST_REST, _FIRST_REST * 2.0 ** min(beyond, 10))
    return now < course.failed_at + rest


def _is_lost(course: Course, now: datetime) -> bool:
    return course.accepted_at is None or now >= course.accepted_at + _LOST


class Circuit:
    """The courses of all services, as this process has seen them."""

    def __init__(self) -> None:
        self._courses: dict[ServiceId, Course] = {}

    def course(self, service: ServiceId) -> Course:
        """Return how a service's newest jobs went."""
        return self._courses.get(service, UNTROUBLED)

    def accepted(self, service: ServiceId, at: datetime) -> None:
        """Note that a job was accepted."""
        self._courses[service] = with_acceptance(self.course(service), at)

    def delivered(self, service: ServiceId, _: datetime) -> None:
        """Note that a video arrived."""
        self._courses[service] = with_delivery(self.course(service))

    def refused(self, service: ServiceId, failure: Failure, at: datetime) -> None:
        """Note that a job was refused, or that nobody knows whether it was."""
        self._courses[service] = with_refusal(self.course(service), failure, at)

    def failed(self, service: ServiceId, failure: Failure, at: datetime) -> None:
        """Note that an accepted job brought no video."""
        self._courses[service] = with_failure(self.course(service), failure, at)
