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
from tallylight.gateway.routing.capability import Capability, Skills
from tallylight.gateway.routing.circuit_breaker import Circuit, Course
from tallylight.gateway.routing.ranking import Prospect
from tallylight.model.evidence import Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode, Verdict
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.verdicts.blocking import clears, is_probed
from tallylight.verdicts.forecast import Forecast, forecast
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

USUAL_SECONDS = 180.0
"""How long a job is taken to last where none was timed."""

_FRESH = timedelta(seconds=1)
_DOWN = frozenset({Status.SUSPENDED, Status.MAINTENANCE})
_PARTLY = frozenset({Status.DEGRADED, Status.RISK_CONTROL})
_MANY_OF_PARTLY = 10  # failures in a row are no news of a service that fails in part
_UNKNOWN_TRICKLE = 0.1
_TRIAL_TRICKLE = 0.02
_FIRST_TRIAL = timedelta(minutes=5)
_DOUBLINGS = 4


class Standings(Protocol):
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

    def standing(self, id_: ServiceId, /) -> tuple[ServiceState, Policy]:
        """Return all that the judge remembers of a service, and the policy it is judged by."""
        ...


@dataclass(slots=True)
class _Known:
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
    outlook: Forecast
    standing: ServiceState
    capability: Capability
    untroubled: Prospect | None
    until: datetime


class Prospects:
    """Keeps the prospects of all services."""

    def __init__(self, board: Standings, circuit: Circuit, clock: Clock) -> None:
        self._board = board
        self._circuit = circuit
        self._clock = clock
        self._known: dict[ServiceId, _Known] = {}

    def of(self, services: Iterable[ServiceId]) -> list[Prospect]:
        """Return the prospects of services; those that have left the board are left out."""
        now = self._clock.now()
        return [self._prospect(id_, now) for id_ in services if id_ in self._board]

    def _prospect(self, id_: ServiceId, now: datetime) -> Prospect:
        known, course = self._up_to_date(id_, now), self._circuit.course(id_)
        if course is not live.UNTROUBLED:
            return _prospect(known, course, now)
        if known.untroubled is None:
            known.untroubled = _prospect(known, course, now)
        return known.untroubled

    def _up_to_date(self, id_: ServiceId, now: datetime) -> _Known:
        service, verdict = self._board.service(id_), self._board.verdict(id_)
        known = self._known.get(id_)
        is_same = known is not None and known.service is service
        if known is not None and is_same and known.verdict is verdict and now < known.until:
            return known
        standing, policy = self._board.standing(id_)
        fresh = _Known(
            service=service,
            verdict=verdict,
            outlook=forecast(standing, now, policy),
            standing=standing,
            capability=known.capability if known is not None and is_same else capability(service),
            untroubled=None,
            until=now + _FRESH,
        )
        self._known[id_] = fresh
        return fresh


def capability(service: Service) -> Capability:
    """Return what a service can be asked for, by its sheet and its protocol."""
    speaks = adapter_for(service.upstream)
    skills = Skills(
        speaks.operations,
        speaks.takes_reference,
        speaks.takes_reference_url,
        speaks.takes_characters,
    )
    return Capability(service, skills)


def _prospect(known: _Known, course: Course, now: datetime) -> Prospect:
    """Return what is to be expected of a service's next job."""
    verdict, expected, can = known.verdict, known.outlook, known.capability
    service = can.service
    is_trial = _may_be_tried(known, course, now)
    many = _MANY_OF_PARTLY if verdict.status in _PARTLY else live.MANY
    trickle = _TRIAL_TRICKLE if is_trial else live.trickle(course, now, many)
    if verdict.status is Status.UNKNOWN:
        trickle = min(trickle, _UNKNOWN_TRICKLE)
    return Prospect(
        service,
        verdict,
        can,
        expected.success_probability * live.discount(course, now),
        USUAL_SECONDS if expected.expected_seconds is None else expected.expected_seconds,
        expected.p95_seconds,
        trickle,
        live.wait(course, now),
        is_trial,
    )


def _may_be_tried(known: _Known, course: Course, now: datetime) -> bool:
    """Tell whether only a caller's job can find out that a service is back, and it is time to.

    Where nobody pays for probes, a service that is left out for good would never be seen to
    deliver. After each failure it is left alone for twice as long.
    """
    verdict = known.verdict
    if not _is_out(verdict) or _is_probed(known, now):
        return False
    if verdict.reasons[0].code is ReasonCode.MAINTENANCE_SCHEDULED:
        return False
    rest = _FIRST_TRIAL * 2.0 ** min(max(0, course.failures - live.MANY), _DOUBLINGS)
    newest = max(each for each in (verdict.since, course.failed_at) if each is not None)
    return now >= newest + rest


def _is_out(verdict: Verdict) -> bool:
    return verdict.status in _DOWN or verdict.blocked is not None


def _is_probed(known: _Known, now: datetime) -> bool:
    standing, pace = known.standing, known.service.probe_intervals
    if standing.blocked is None or known.verdict.status in _DOWN:
        return pace.generation is not None
    is_key_known = clears(standing, Source.CREDENTIALS)
    return is_probed(standing.blocked, pace, now, is_key_known=is_key_known)
