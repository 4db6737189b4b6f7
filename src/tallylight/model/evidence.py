"""Evidence: one dated observation about a service, and the failure that it may report."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status


class Depth(StrEnum):
    """How far an active probe goes."""

    REACH = "reach"  # free: does the service respond?
    CREDENTIALS = "credentials"  # free: does it accept our key and list the model?
    GENERATION = "generation"  # paid: is a video delivered in time, and is it the requested one?


class Source(StrEnum):
    """The source of evidence."""

    REACH = "reach"
    CREDENTIALS = "credentials"
    ACCEPTANCE = "acceptance"  # a job was accepted: weaker than a delivered video
    GENERATION = "generation"  # a paid probe that ended
    TRAFFIC = "traffic"  # a caller's job that ended
    SIBLING = "sibling"  # another service accepted an order with the same key
    FEED = "feed"  # the provider's status page
    CALENDAR = "calendar"  # the lifecycle dates of the fact sheet
    RETRACTION = "retraction"  # missing answers that counted were our own network's


FREE_SOURCES = frozenset({Source.REACH, Source.CREDENTIALS})
"""The sources of free probes."""

NOT_LISTED_RULE = "models:not_listed"
"""The rule of a free probe's failure if the upstream's list of models lacks ours."""


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
    OURS = "ours"  # our key, balance, request rate or network


@dataclass(frozen=True, slots=True)
class Failure:
    """An unwanted response, or none at all.

    Args:
        rule: The classifier's rule that decided, as an explanation ("code:sentinel_block").
        text: The upstream's own text, redacted and cut to one line; may be empty.
        names_state: Whether the response itself names the state that `kind` stands for
            ("temporarily paused", 風控); False if it only suggests it (a challenge page).
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
        at: The moment it was true: the end of a probe, a change of a feed, a date of the calendar.
        latency: The response time of a free probe, or the age of a job at its end, or when it was
            overdue; None if nothing was timed.
        claimed_status: The status that a feed or the calendar claims; None from other sources. A
            feed that cannot be read claims UNKNOWN.
        until: The scheduled end of a claimed maintenance; the shutdown date of the calendar, or the
            one that the API told a free check.
        note: The headline of a feed, the replacement that the calendar names, the address or model
            that was probably meant in place of the configured one (redacted, one line), or the
            state that a retraction restores.
        vantage: The place of the observer, for installations that monitor from several places.
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
    def began_at(self) -> datetime:
        """Return when the request or the job behind it began, as far as that was timed."""
        return self.at if self.latency is None else self.at - self.latency

    @property
    def duration(self) -> timedelta | None:
        """Return the latency if it is one of a good result: a failure has only an age."""
        return self.latency if self.failure is None else None

    @property
    def is_good(self) -> bool:
        """Return whether it shows that the service works."""
        is_well = self.failure is None and self.claimed_status in {None, Status.OPERATIONAL}
        return is_well and self.source is not Source.RETRACTION

    @property
    def is_bad(self) -> bool:
        """Return whether the upstream failed; a fault of the caller or ours is not bad evidence."""
        return self.failure is not None and self.failure.fault is Fault.UPSTREAM
