"""Verdicts, their reasons, and the transitions and incidents that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status


class Block(StrEnum):
    """What keeps an upstream from taking our orders, which is no outage."""

    AUTH = "auth"  # it refuses our key
    QUOTA = "quota"  # our balance or quota is used up
    RATE = "rate"  # it has refused each order for ten minutes, because there are too many


class ReasonCode(StrEnum):
    """The kind of a reason; `i18n` has a sentence for each."""

    JOBS_DELIVERED = "jobs_delivered"
    JOBS_FAILING = "jobs_failing"
    JOBS_PARTLY_FAILING = "jobs_partly_failing"
    JOBS_SLOW = "jobs_slow"
    JOBS_OVERDUE = "jobs_overdue"
    NO_RECENT_JOBS = "no_recent_jobs"
    LAST_SEEN = "last_seen"
    API_RESPONDING = "api_responding"
    API_RECOVERED = "api_recovered"
    API_DOWN = "api_down"
    API_PARTLY_FAILING = "api_partly_failing"
    RISK_CONTROL_REPORTED = "risk_control_reported"
    RISK_CONTROL_SUSPECTED = "risk_control_suspected"
    CHALLENGED = "challenged"
    SUSPENSION_REPORTED = "suspension_reported"
    MAINTENANCE_SCHEDULED = "maintenance_scheduled"
    MAINTENANCE_REPORTED = "maintenance_reported"
    FEED_NOT_OPERATIONAL = "feed_not_operational"
    FEED_UNREADABLE = "feed_unreadable"
    SHUTDOWN_AHEAD = "shutdown_ahead"
    SHUTDOWN_DISPROVED = "shutdown_disproved"
    SHUTDOWN_PASSED = "shutdown_passed"
    RETIREMENT_REPORTED = "retirement_reported"
    KEY_REFUSED = "key_refused"
    BALANCE_EMPTY = "balance_empty"
    RATE_LIMITED = "rate_limited"
    SETUP_PROBLEM = "setup_problem"
    OWN_NETWORK = "own_network"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a verdict, independent of language.

    Args:
        at: The time of the newest evidence for it.
        facts: The values in its sentence: counts, shares, seconds, the upstream's redacted text.
            Only JSON scalars, so that it can be stored unchanged.
    """

    code: ReasonCode
    at: datetime
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


class Basis(StrEnum):
    """What a verdict rests on."""

    VIDEOS = "videos"
    REACH = "reach"  # free checks alone: whether videos arrive is not checked


_OF_FREE_CHECKS = frozenset(
    {
        ReasonCode.API_RESPONDING,
        ReasonCode.API_RECOVERED,
        ReasonCode.API_DOWN,
        ReasonCode.API_PARTLY_FAILING,
    }
)
_OF_JOBS = frozenset(
    {
        ReasonCode.JOBS_DELIVERED,
        ReasonCode.JOBS_FAILING,
        ReasonCode.JOBS_PARTLY_FAILING,
        ReasonCode.JOBS_SLOW,
        ReasonCode.JOBS_OVERDUE,
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status of one service, and why.

    Args:
        since: The start of this status, back-dated to the first evidence for it.
        confidence: The probability from 0.0 to 1.0 that the status is right.
        reasons: The reasons, most relevant first; never empty.
        blocked: What keeps the upstream from taking our orders; None if nothing does.
    """

    service: ServiceId
    status: Status
    since: datetime
    confidence: float
    reasons: tuple[Reason, ...]
    blocked: Block | None = None

    @property
    def basis(self) -> Basis:
        """Return REACH while free checks tell of the service and no job ever has."""
        codes = {reason.code for reason in self.reasons}
        of_jobs = codes & _OF_JOBS or any(
            reason.code is ReasonCode.NO_RECENT_JOBS and "last_at" in reason.facts
            for reason in self.reasons
        )
        is_reach = self.status is not Status.OPERATIONAL and codes & _OF_FREE_CHECKS
        return Basis.REACH if is_reach and not of_jobs else Basis.VIDEOS

    @property
    def is_reachable_only(self) -> bool:
        """Tell whether the service answers, and nobody has ever checked that videos arrive."""
        is_open = self.status is Status.UNKNOWN and self.blocked is None and not self.needs_setup
        return is_open and self.basis is Basis.REACH and self._answers

    @property
    def _answers(self) -> bool:
        return any(
            reason.code in {ReasonCode.API_RESPONDING, ReasonCode.API_RECOVERED}
            for reason in self.reasons
        )

    @property
    def needs_setup(self) -> bool:
        """Tell whether nothing is known for a mistake in our configuration."""
        codes = {reason.code for reason in self.reasons}
        return self.status is Status.UNKNOWN and ReasonCode.SETUP_PROBLEM in codes


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status.

    Args:
        at: The time of the change, back-dated: an outage to its first bad result, its end to the
            first good result of the run that confirmed it.
    """

    service: ServiceId
    at: datetime
    recorded_at: datetime
    before: Verdict
    after: Verdict


@dataclass(frozen=True, slots=True)
class StatusInterval:
    """An interval of one status, from `start`, inclusive, to `end`, exclusive."""

    status: Status
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class IncidentUpdate:
    """One change of status within an incident, with its reasons."""

    at: datetime
    status: Status
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """An interval in which a service was not operational.

    Args:
        id: Its id in URLs, derived from the service and the start.
        started_at: The time of the transition that opened it, back-dated.
        ended_at: The time of its end; None while it is open.
        worst: The worst status in it.
        updates: Its changes of status, oldest first; in an ended incident the last is the recovery.
    """

    id: IncidentId
    service: ServiceId
    started_at: datetime
    ended_at: datetime | None
    worst: Status
    updates: tuple[IncidentUpdate, ...]
