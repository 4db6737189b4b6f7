"""The words of the house: services, evidence, failures, verdicts.

Everything here is a frozen value. The long form of each word stands in `docs/glossary.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from tallylight.quick import quick

ProviderId = NewType("ProviderId", str)
UpstreamId = NewType("UpstreamId", str)
ServiceId = NewType("ServiceId", str)
AttemptId = NewType("AttemptId", str)
IncidentId = NewType("IncidentId", str)
VideoId = NewType("VideoId", str)
KeyId = NewType("KeyId", str)

NO_SERVICE = ServiceId("")
NO_VIDEO = VideoId("")
NO_KEY = KeyId("")


class Access(StrEnum):
    """How a service reaches its model."""

    OFFICIAL = "official"  # 官轉: the maker's API, direct or forwarded
    REVERSE = "reverse"  # 官逆: resold consumer accounts
    SELF_HOSTED = "self_hosted"


class Depth(StrEnum):
    """How far an active probe goes."""

    REACH = "reach"  # free: does it answer?
    CREDENTIALS = "credentials"  # free: does it know our key and still list the model?
    GENERATION = "generation"  # paid: does a video arrive, in time, and is it the one asked for?


class Source(StrEnum):
    """Who says it."""

    REACH = "reach"
    CREDENTIALS = "credentials"
    ACCEPTANCE = "acceptance"  # a job was accepted: less than a video that arrived
    GENERATION = "generation"  # a paid probe that ended
    TRAFFIC = "traffic"  # a caller's job that ended
    FEED = "feed"  # the provider's status page
    CALENDAR = "calendar"  # the lifecycle dates of the fact sheet


class Layer(StrEnum):
    """The two layers that a service is judged in (`reference/verdict-rules.md`, rule 1)."""

    DOOR = "door"  # reach, credentials
    JOBS = "jobs"  # generations, accepted and finished traffic, feed


class Status(StrEnum):
    """What a service is, as far as anybody can tell."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    RISK_CONTROL = "risk_control"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"
    UNKNOWN = "unknown"

    @property
    def lamp(self) -> str:
        """Return the lamp that the status lights; always shown beside its word."""
        return _LAMPS[self]


_LAMPS: Mapping[Status, str] = {
    Status.OPERATIONAL: "🟢",
    Status.DEGRADED: "🟡",
    Status.RISK_CONTROL: "🟡",
    Status.SUSPENDED: "🔴",
    Status.MAINTENANCE: "🟡",
    Status.RETIRED: "⚫",
    Status.UNKNOWN: "⚪",
}


class FailureKind(StrEnum):
    """What went wrong; the labels of the error corpus."""

    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    RISK_CONTROL = "risk_control"
    DEGRADED = "degraded"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"
    CONTENT_REJECTED = "content_rejected"
    INVALID_REQUEST = "invalid_request"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """Who caused a failure."""

    UPSTREAM = "upstream"
    CALLER = "caller"  # a bad parameter, refused content: the service is alive
    OURS = "ours"  # our key, our wallet, our pace, our network


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer, or the lack of one, that is not what was asked for.

    Args:
        kind: What went wrong.
        fault: Who caused it.
        rule: The classifier's rule that decided, for whoever asks why ("code:sentinel_block").
        text: The upstream's own words, scrubbed of secrets and cut to a line; may be empty.
        named: The answer itself names the state that `kind` stands for ("temporarily paused",
            風控), where False means a sign that only points at it (a challenge page).
        http_status: The HTTP status, None where no answer came.
        retry_after: How long the upstream asks us to wait.
    """

    kind: FailureKind
    fault: Fault
    rule: str
    text: str = ""
    named: bool = False
    http_status: int | None = None
    retry_after: timedelta | None = None


@quick
@dataclass(frozen=True, slots=True)
class Evidence:
    """One dated observation about a service.

    Args:
        service: Whom it is about.
        at: When it was true: the end of a probe, the change of a feed, the date of a calendar.
        source: Who says it.
        failure: What went wrong; None where nothing did.
        latency: Time to the answer of a shallow probe; from create to the delivered video of a
            job; None where nothing was timed.
        says: The status that a feed or the calendar claims; None from all others. A feed that
            cannot be read says UNKNOWN.
        until: When a claimed maintenance is planned to end; the shutdown date of a calendar.
        note: The feed's headline, the replacement a calendar names; scrubbed, one line.
        vantage: From where it was seen, for installations that watch from several places.
    """

    service: ServiceId
    at: datetime
    source: Source
    failure: Failure | None = None
    latency: timedelta | None = None
    says: Status | None = None
    until: datetime | None = None
    note: str = ""
    vantage: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether it speaks for the service."""
        return self.failure is None and self.says in {None, Status.OPERATIONAL}

    @property
    def is_bad(self) -> bool:
        """Tell whether it speaks against the service; a caller's fault and ours never do."""
        return self.failure is not None and self.failure.fault is Fault.UPSTREAM


class ReasonCode(StrEnum):
    """Why a verdict stands; `languages` knows the sentence of each."""

    JOBS_DELIVERED = "jobs_delivered"
    JOBS_FAILING = "jobs_failing"
    JOBS_PARTLY_FAILING = "jobs_partly_failing"
    JOBS_SLOW = "jobs_slow"
    JOBS_UNWATCHED = "jobs_unwatched"
    DOOR_OPEN = "door_open"
    DOOR_REOPENED = "door_reopened"
    DOOR_CLOSED = "door_closed"
    DOOR_PARTLY_CLOSED = "door_partly_closed"
    RISK_CONTROL_NAMED = "risk_control_named"
    RISK_CONTROL_SIGNS = "risk_control_signs"
    SUSPENSION_NAMED = "suspension_named"
    MAINTENANCE_PLANNED = "maintenance_planned"
    MAINTENANCE_NAMED = "maintenance_named"
    FEED_REPORTS = "feed_reports"
    FEED_UNREADABLE = "feed_unreadable"
    SHUTDOWN_AHEAD = "shutdown_ahead"
    SHUTDOWN_PASSED = "shutdown_passed"
    GONE_REPEATEDLY = "gone_repeatedly"
    KEY_REFUSED = "key_refused"
    WALLET_EMPTY = "wallet_empty"
    OWN_NETWORK = "own_network"
    NO_EVIDENCE = "no_evidence"


@quick
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


@quick
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
class Spell:
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


class Operation(StrEnum):
    """How a video is made."""

    CREATE = "create"
    REMIX = "remix"  # a finished video anew, with another prompt
    EDIT = "edit"  # a video changed
    EXTEND = "extend"  # seconds added to a video


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture or a film that an order builds on: its bytes, or the address where it lies.

    Args:
        url: An http or https address, "" where the bytes are here.
        body: The bytes, empty where they lie at the address.
        media_type: "image/png"; "" if unknown.
        name: The file's name as the caller gave it.
    """

    url: str = ""
    body: bytes = field(default=b"", repr=False)
    media_type: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a service.

    Args:
        prompt: The text.
        seconds: Length of the video; of an extension, the seconds added.
        size: Width and height in pixels, "1280x720".
        operation: How it is made.
        source: The upstream's id of the job whose video is remixed, edited or extended; "" where
            `reference` is that video, or there is none.
        reference: What it builds on.
        characters: The upstream's ids of the characters that appear.
        extras: Fields of the request that we do not know; they go along as they came.
    """

    prompt: str
    seconds: int
    size: str
    operation: Operation = Operation.CREATE
    source: str = ""
    reference: Reference | None = None
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
