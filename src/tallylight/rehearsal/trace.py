"""The trace file: a world told spell by spell, with the truth that verdicts are held against.

Its form is a public contract and stands in `docs/rehearsal.md`.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tallylight.documents.parsers import Money
from tallylight.documents.validation_messages import validation_message
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status

Ratio = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]

_MAX_FILE_BYTES = 256 * 1024 * 1024
_MAX_DAYS = 3660
_DAY = 86_400
_DEFAULT_LATENCY = (60.0, 120.0)
_DEFAULT_SUCCESS: Mapping[Status, float] = {Status.OPERATIONAL: 1.0, Status.DEGRADED: 0.5}
"""What passes in a spell that does not say it; of all other states nothing does."""


class _TraceModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TraceFailure(_TraceModel):
    """How a service fails: an answer, or the exception in place of one.

    Args:
        http_status: None where no answer comes; then `body` is the exception's class and text.
        body: The answer's body.
    """

    http_status: Annotated[int, Field(ge=100, le=599)] | None
    body: str = ""


class TraceInterval(_TraceModel):
    """One stretch of a service's life.

    Args:
        start: Seconds from the trace's begin, inclusive.
        end: Exclusive.
        status: What the service truly is; never unknown.
        accept: The probability that a job is accepted; by default 1 where the service is
            operational, 0.5 where it is degraded, else 0.
        deliver: The probability that an accepted job that ends here delivers; by default likewise.
        latency: Median and 95th percentile of the seconds from create to the end of a job that
            is accepted here; by default 60 and 120.
        reach: The probability that the free question "does it answer?" goes well.
        credentials: The same for "does it know our key and list the model?".
        failure: What a failing answer is; by default an unspecific 503.
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

    @field_validator("status")
    @classmethod
    def _check_status(cls, status: Status) -> Status:
        if status is Status.UNKNOWN:
            raise ValueError("a trace tells the truth, which is never unknown")
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
        """Return the median and 95th percentile of a job's seconds."""
        return self.latency or _DEFAULT_LATENCY


class TraceService(_TraceModel):
    """One service of a trace; time between its spells is operational and without fault.

    Args:
        access: Official, reverse or self-hosted.
        price: USD of one paid probe: the cheapest video it makes.
        spells: Its life; not overlapping.
    """

    access: Access = Access.OFFICIAL
    price: Money = Decimal(0)
    spells: tuple[TraceInterval, ...] = ()

    @field_validator("spells")
    @classmethod
    def _check_overlap(cls, spells: tuple[TraceInterval, ...]) -> tuple[TraceInterval, ...]:
        ordered = tuple(sorted(spells, key=lambda spell: spell.start))
        for before, after in pairwise(ordered):
            if after.start < before.end:
                raise ValueError(
                    f"the spell from {after.start:g} begins before the one from "
                    f"{before.start:g} ends, at {before.end:g}"
                )
        return ordered


class TraceFeed(_TraceModel):
    """A service's status page.

    Args:
        lag: How many seconds it is late on average.
        blind: The share of outages that it never mentions.
    """

    lag: Seconds = 0.0
    blind: Ratio = 0.0


class Trace(_TraceModel):
    """A whole world.

    Args:
        duration: Its length in seconds.
        services: By id, in the order in which they are probed first.
        feeds: Status pages by service; a service without one has none.
        traffic: Callers' jobs an hour by service.
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
                    raise ValueError(f"{section}: {id_} is no service of this trace")
        return self

    @property
    def days(self) -> float:
        """Return its length in days."""
        return self.duration / _DAY


def parse_trace(text: str, name: str) -> Trace:
    """Return the trace that a JSON text describes.

    Raises:
        ConfigurationError: with every fault and its place.
    """
    try:
        return Trace.model_validate_json(text)
    except ValidationError as error:
        schema = Trace.model_json_schema()
        problems = []
        for finding in error.errors(include_url=False):
            place = tuple(finding["loc"])
            key = ".".join(map(str, place))
            problems.append(Problem(name, key, validation_message(finding, place, schema)))
        raise ConfigurationError(tuple(problems)) from None


def read_trace(path: Path) -> Trace:
    """Return the trace of a file.

    Raises:
        ConfigurationError: if it cannot be read, or with every fault and its place.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigurationError((Problem(str(path), "", "is larger than 256 MB"),))
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError((Problem(str(path), "", f"cannot be read: {error}"),)) from None
    return parse_trace(text, path.name)


def dump_trace(trace: Trace) -> str:
    """Return a trace as JSON text, without what is at its default."""
    return trace.model_dump_json(by_alias=True, exclude_defaults=True) + "\n"
