"""Verdicts, the reasons behind them, and the transitions and incidents that they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tallylight.model.evidence import FailureKind
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status


class ReasonCode(StrEnum):
    """Why a verdict stands; `languages` knows the sentence of each."""

    JOBS_DELIVERED = "jobs_delivered"
    JOBS_FAILING = "jobs_failing"
    JOBS_PARTLY_FAILING = "jobs_partly_failing"
    JOBS_SLOW = "jobs_slow"
    NO_RECENT_JOBS = "jobs_unwatched"
    API_RESPONDING = "door_open"
    DOOR_REOPENED = "door_reopened"
    API_DOWN = "door_closed"
    API_PARTLY_FAILING = "door_partly_closed"
    RISK_CONTROL_REPORTED = "risk_control_named"
    RISK_CONTROL_SUSPECTED = "risk_control_signs"
    SUSPENSION_REPORTED = "suspension_named"
    MAINTENANCE_SCHEDULED = "maintenance_planned"
    MAINTENANCE_REPORTED = "maintenance_named"
    FEED_NOT_OPERATIONAL = "feed_reports"
    FEED_UNREADABLE = "feed_unreadable"
    SHUTDOWN_AHEAD = "shutdown_ahead"
    SHUTDOWN_PASSED = "shutdown_passed"
    RETIREMENT_REPORTED = "gone_repeatedly"
    KEY_REFUSED = "key_refused"
    BALANCE_EMPTY = "wallet_empty"
    OWN_NETWORK = "own_network"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence of a verdict, before it is put into a language.

    Args:
        code: Which sentence.
        at: The newest evidence behind it.
        facts: What fills its blanks: counts, shares, seconds, the scrubbed upstream answer
            (`answer`). Only JSON scalars, so that it can be stored as it is.
    """

    code: ReasonCode
    at: datetime
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands about one service.

    Args:
        service: Whom it is about.
        status: The status shown.
        since: When this status began (back-dated to the first evidence for it).
        confidence: Probability from 0.0 to 1.0 that the status is right.
        reasons: The evidence that decided, most telling first; never empty.
        blocked: AUTH or QUOTA while our own key or wallet keeps us out, else None.
    """

    service: ServiceId
    status: Status
    since: datetime
    confidence: float
    reasons: tuple[Reason, ...]
    blocked: FailureKind | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status.

    Args:
        service: Whose.
        at: When it happened, back-dated: an outage to its first bad result, its end to the first
            good one of the run that confirmed it.
        recorded_at: When it was found out.
        before: The verdict that stood.
        after: The verdict that stands since.
    """

    service: ServiceId
    at: datetime
    recorded_at: datetime
    before: Verdict
    after: Verdict


@dataclass(frozen=True, slots=True)
class StatusInterval:
    """A stretch of one status: from `start`, inclusive, to `end`, exclusive."""

    status: Status
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class IncidentUpdate:
    """One entry of an incident's story: the status entered and why."""

    at: datetime
    status: Status
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """A stretch away from operational.

    Args:
        id: Its name in addresses; derived from the service and the start.
        service: Whose.
        started_at: Back-dated as the transition that opened it.
        ended_at: None while it is open.
        worst: The worst status in it.
        updates: Its story, oldest first; the last one of an ended incident is the recovery.
    """

    id: IncidentId
    service: ServiceId
    started_at: datetime
    ended_at: datetime | None
    worst: Status
    updates: tuple[IncidentUpdate, ...]
