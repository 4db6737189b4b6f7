"""Evidence: one dated observation about a service, and the failure that it may report."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status


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

    API = "door"  # reach, credentials
    JOBS = "jobs"  # generations, accepted and finished traffic, feed


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
    names_state: bool = False
    http_status: int | None = None
    retry_after: timedelta | None = None


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
    claimed_status: Status | None = None
    until: datetime | None = None
    note: str = ""
    vantage: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether it speaks for the service."""
        return self.failure is None and self.claimed_status in {None, Status.OPERATIONAL}

    @property
    def is_bad(self) -> bool:
        """Tell whether it speaks against the service; a caller's fault and ours never do."""
        return self.failure is not None and self.failure.fault is Fault.UPSTREAM
