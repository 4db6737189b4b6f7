"""The trace file: the true status of every service by interval, which verdicts are scored against.

Its format is a public contract: see `docs/rehearsal.md`.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from tallylight.documents.parsers import Money
from tallylight.documents.validation_messages import model_schema, validation_message
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.model.status import Access, Status

_Document = TypeVar("_Document", bound=BaseModel)

Ratio = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]

_MAX_FILE_BYTES = 256 * 1024 * 1024
_MAX_DAYS = 3660
_DAY = 86_400
UNLISTED = "unlisted"
"""In place of a status: operational, but the upstream's list omits the model."""

_DEFAULT_LATENCY = (60.0, 120.0)
_DEFAULT_SUCCESS: Mapping[Status, float] = {Status.OPERATIONAL: 1.0, Status.DEGRADED: 0.5}
"""Default acceptance and delivery probability by status; 0 for all others."""


class _TraceModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TraceFailure(_TraceModel):
    """How a service fails: a response, or an exception.

    Args:
        http_status: None if there is no response; then `body` is the exception's class and text.
        body: Body of the response.
    """

    http_status: Annotated[int, Field(ge=100, le=599)] | None
    body: str = ""


class TraceInterval(_TraceModel):
    """An interval of one true status.

    Args:
        start: Seconds from the start of the trace, inclusive; `from` in files.
        end: Exclusive; `to` in files.
        status: The true status; never unknown.
        accept: Probability that a job is accepted; by default 1 if operational, 0.5 if degraded,
            else 0.
        deliver: Probability that an accepted job that ends here delivers; defaults as above.
        latency: Median and 95th percentile of the seconds from create to the end of a job that
            is accepted here; by default 60 and 120.
        reach: Probability that a free probe of depth `reach` succeeds.
        credentials: Probability that a free probe of depth `credentials` succeeds.
        failure: The response of a failing request; by default an unspecific 503.
        is_unlisted: The upstream's list omits the model; the status is operational. In files the
            status is "unlisted".
    """

    start: Seconds = Field(alias="from")
    end: Seconds = Field(alias="to")
    status: Status
    accept: Ratio | None = None
    deliver: Ratio | None = None
    latency: tuple[Seconds, Seconds] | None = None
    reach: Ratio = 1.0
    credentials: Ratio = 1.0
    failure: TraceFailure | None = None
    is_unlisted: bool = Field(default=False, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _read_unlisted(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("status") == UNLISTED:
            return {**values, "status": Status.OPERATIONAL, "is_unlisted": True}
        return values

    @field_serializer("status")
    def _write_unlisted(self, status: Status) -> str:
        return UNLISTED if self.is_unlisted else status.value

    @field_validator("status")
    @classmethod
    def _check_status(cls, status: Status) -> Status:
        if status is Status.UNKNOWN:
            raise ValueError("the true status of a service cannot be unknown")
        return status

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.end <= self.start:
            raise ValueError("'to' must be greater than 'from'")
        if self.latency is not None and self.latency[1] < self.latency[0]:
            raise ValueError("latency is [median, 95th percentile]; the second must not be smaller")
        return self

    @property
    def accept_probability(self) -> float:
        """Return the probability that a job is accepted."""
        return _DEFAULT_SUCCESS.get(self.status, 0.0) if self.accept is None else self.accept

    @property
    def deliver_probability(self) -> float:
        """Return the probability that an accepted job delivers."""
        return _DEFAULT_SUCCESS.get(self.status, 0.0) if self.deliver is None else self.deliver

    @property
    def job_latency(self) -> tuple[float, float]:
        """Return the median and 95th percentile of a job's duration in seconds."""
        return self.latency or _DEFAULT_LATENCY


class TraceService(_TraceModel):
    """One service; between its intervals it is operational.

    Args:
        provider: Who sells it; services of one provider fail together, and are no witnesses of each
            other for our own network. By default each service has its own.
        price: USD of a paid probe.
    """

    provider: ProviderId | None = None
    access: Access = Access.OFFICIAL
    price: Money = Decimal(0)
    intervals: tuple[TraceInterval, ...] = Field(default=(), alias="spells")

    @field_validator("intervals")
    @classmethod
    def _check_overlap(cls, intervals: tuple[TraceInterval, ...]) -> tuple[TraceInterval, ...]:
        ordered = tuple(sorted(intervals, key=lambda interval: interval.start))
        for before, after in pairwise(ordered):
            if after.start < before.end:
                raise ValueError(
                    f"the interval from {after.start:g} starts before the one from "
                    f"{before.start:g} ends at {before.end:g}"
                )
        return ordered


class FalseFeedReport(_TraceModel):
    """An interval in which a page reports trouble that there is not."""

    start: Seconds = Field(alias="from")
    end: Seconds = Field(alias="to")
    status: Status = Status.SUSPENDED

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end <= self.start:
            raise ValueError("'to' must be greater than 'from'")
        if self.status in {Status.OPERATIONAL, Status.UNKNOWN}:
            raise ValueError("a false report names trouble")
        return self


class TraceFeed(_TraceModel):
    """A service's status page.

    Args:
        lag: Its mean delay in seconds.
        blind: The share of outages that it omits.
        false_reports: When it reports trouble that there is not; `false` in files.
    """

    lag: Seconds = 0.0
    blind: Ratio = 0.0
    false_reports: tuple[FalseFeedReport, ...] = Field(default=(), alias="false")


class Trace(_TraceModel):
    """A trace file.

    Args:
        duration: Length in seconds.
        services: Services by id, in the order of their first probes.
        feeds: Status pages by service.
        traffic: Callers' jobs per hour by service.
    """

    duration: Annotated[float, Field(gt=0, le=_MAX_DAYS * _DAY)]
    services: Mapping[ServiceId, TraceService] = Field(min_length=1)
    feeds: Mapping[ServiceId, TraceFeed] = Field(default_factory=dict)
    traffic: Mapping[ServiceId, Annotated[float, Field(ge=0, le=36_000)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for section, named in (("feeds", self.feeds), ("traffic", self.traffic)):
            for id_ in named:
                if id_ not in self.services:
                    raise ValueError(f"{section}: no service {id_} in this trace")
        return self

    @property
    def days(self) -> float:
        """Return the length in days."""
        return self.duration / _DAY


def parse_trace(text: str, name: str) -> Trace:
    """Return the trace in a JSON text; raise ConfigurationError with every error."""
    return parse_json_model(Trace, text, name)


def parse_json_model(model: type[_Document], text: str, name: str) -> _Document:
    """Return the trace or recipe in a JSON text; raise ConfigurationError with every error."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        schema = model_schema(model)
        problems = []
        for finding in error.errors(include_url=False):
            key_path = tuple(finding["loc"])
            message = validation_message(finding, key_path, schema)
            problems.append(Problem(name, ".".join(map(str, key_path)), message))
        raise ConfigurationError(tuple(problems)) from None


def read_trace(path: Path) -> Trace:
    """Return the trace in a file; raise ConfigurationError if it cannot be read or is invalid."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigurationError((Problem(str(path), "", "is larger than 256 MB"),))
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError((Problem(str(path), "", f"cannot be read: {error}"),)) from None
    return parse_trace(text, path.name)


def dump_trace(trace: Trace) -> str:
    """Return a trace as JSON text, without default values."""
    return trace.model_dump_json(by_alias=True, exclude_defaults=True) + "\n"
