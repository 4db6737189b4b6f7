"""The scenario file: upstreams, services, their scheduled faults and their status pages.

All models are frozen; times are seconds since the scenario's start.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic import model_validator as validator

from tallylight.simulator.faults import AnyFault
from tallylight.simulator.scenario_section import ScenarioSection

FrameSize = Annotated[str, Field(pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
NonEmptyString = Annotated[str, Field(min_length=1)]
Rate = Annotated[Decimal, Field(ge=0)]


def _to_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


UtcDatetime = Annotated[datetime, AfterValidator(_to_utc)]


class Billing(StrEnum):
    """Which jobs a provider charges for."""

    REFUNDS_FAILURES = "refunds_failures"  # charged at acceptance, refunded if the job fails
    BILLS_DELIVERIES = "bills_deliveries"  # charged at completion
    KEEPS_FAILURES = "keeps_failures"  # charged at acceptance, never refunded


class ScenarioPrice(ScenarioSection):
    """The price of one output, in USD by resolution ("720p"), "*" for all others.

    Args:
        silent: The rates without sound, where the model has a switch for it.
        qualities: The rates of an image by quality, which come before those by resolution.
    """

    unit: Literal["per_second", "per_call"]
    rates: Mapping[str, Rate] = Field(min_length=1)
    silent: Mapping[str, Rate] = Field(default_factory=dict)
    qualities: Mapping[str, Rate] = Field(default_factory=dict)


class ScenarioKey(ScenarioSection):
    """An API key of an upstream, the services that it may use (None: all), and its state.

    Args:
        secret: What the caller signs with; then `key` names the account and is sent in the open.
    """

    key: NonEmptyString
    secret: str = ""
    services: tuple[Slug, ...] | None = None
    state: Literal["good", "exhausted", "expired"] = "good"


def _expand_key(value: object) -> object:
    return {"key": value} if isinstance(value, str) else value


class ScenarioUpstream(ScenarioSection):
    """One base URL; unless it `listens`, connections to its address are refused.

    The protocol and the dialect are names of the registry of protocols.
    """

    provider: Slug
    protocol: Slug
    dialect: Slug
    keys: tuple[Annotated[ScenarioKey, BeforeValidator(_expand_key)], ...] = Field(min_length=1)
    feed: Slug | None = None
    listens: bool = True


class ScheduledFault(ScenarioSection):
    """A fault from `start`, inclusive, to `end`, exclusive.

    Args:
        end: The second after its last, `to` in files; None is forever.
        every: Period in seconds, if the fault repeats for the rest of the day.
    """

    start: float = Field(default=0.0, ge=0, alias="from")
    end: float | None = Field(default=None, alias="to")
    every: float | None = Field(default=None, ge=10)
    fault: AnyFault

    @validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError("'to' must be after 'from'")
        if self.every is not None and (self.end is None or self.end - self.start > self.every):
            raise ValueError("a fault that repeats needs a 'to', and must end before it repeats")
        return self


class ScenarioService(ScenarioSection):
    """One model at one upstream.

    Args:
        aliases: Other ids of the model; a reverse channel has one for each length and orientation.
        latency: Median and 95th percentile of a job's duration in seconds.
        lengths: Allowed clip lengths in seconds, the default first.
        sizes: Allowed sizes, the default first.
        wire: Settings of the protocol for this model, such as the spelling of a field.
        blocked_words: A prompt with one of these words is rejected for its content.
        component: Its component on the status page; "" for none.
    """

    name: NonEmptyString
    upstream: Slug
    model: NonEmptyString
    aliases: tuple[NonEmptyString, ...] = ()
    medium: Literal["video", "image"] = "video"
    access: Literal["official", "reverse", "self_hosted"]
    price: ScenarioPrice
    billing: Billing = Billing.REFUNDS_FAILURES
    latency: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (4.0, 6.0)
    lengths: tuple[Annotated[int, Field(ge=1, le=60)], ...] = ()
    sizes: tuple[FrameSize, ...] = Field(min_length=1)
    result: Literal["html", "double_quotes", "link", "bare", "image"] = "html"
    wire: Mapping[Slug, NonEmptyString] = Field(default_factory=dict)
    blocked_words: tuple[NonEmptyString, ...] = ("gore",)
    component: str = ""
    faults: tuple[ScheduledFault, ...] = ()

    @validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.medium == "video" and not self.lengths:
            raise ValueError("a video service needs lengths")
        if self.latency[1] < self.latency[0]:
            raise ValueError("latency is [median, 95th percentile], the second not smaller")
        return self

    @property
    def wire_names(self) -> tuple[str, ...]:
        """Return all ids of the model."""
        return (self.model, *self.aliases)


class ScenarioMaintenance(ScenarioSection):
    """A maintenance on a status page; its effect on services is among their faults."""

    name: NonEmptyString
    components: tuple[NonEmptyString, ...] = ()
    announced: float = Field(default=0.0, ge=0)
    start: float = Field(ge=0, alias="from")
    end: float = Field(alias="to")


class FeedFault(ScenarioSection):
    """An interval in which the status page itself is broken."""

    start: float = Field(default=0.0, ge=0, alias="from")
    end: float | None = Field(default=None, alias="to")
    response: Literal["html", "not_found", "error", "truncated_json"] = "html"


FeedFormat = Literal[
    "statuspage",
    "incident_io",
    "google",
    "instatus",
    "betterstack",
    "rootly",
    "datadog",
    "rss",
    "atom",
]
FEED_PATHS: Mapping[str, str] = {"rss": "/feed.xml", "atom": "/history.atom"}
"""Of the formats whose configured address is not the page's root, the path that it has."""


class ScenarioFeed(ScenarioSection):
    """A provider's status page.

    Args:
        lag: Seconds from a fault to its report.
        blind: Share of faults that it never reports.
        components: Components besides those that services name.
    """

    format: FeedFormat
    title: NonEmptyString
    lag: float = Field(default=0.0, ge=0)
    blind: float = Field(default=0.0, ge=0, le=1)
    components: tuple[NonEmptyString, ...] = ()
    maintenances: tuple[ScenarioMaintenance, ...] = ()
    faults: tuple[FeedFault, ...] = ()


class CatalogueFacts(ScenarioSection):
    """Content of the client's configuration beyond what is simulated.

    Args:
        services: Catalogue settings by service: announced_at, shutdown_at, replacement, notes etc.
        sections: Further sections of the configuration, copied as they are.
    """

    services: Mapping[Slug, Mapping[str, object]] = Field(default_factory=dict)
    sections: Mapping[str, object] = Field(default_factory=dict)


class Scenario(ScenarioSection):
    """A scenario file; `start` is the date of second 0.

    Args:
        history: What came before, as a recipe of `tallylight rehearse`; its groups are services.
    """

    title: NonEmptyString
    about: str = ""
    start: UtcDatetime
    seed: int = 0
    upstreams: Mapping[Slug, ScenarioUpstream] = Field(min_length=1)
    services: Mapping[Slug, ScenarioService] = Field(min_length=1)
    feeds: Mapping[Slug, ScenarioFeed] = Field(default_factory=dict)
    catalogue: CatalogueFacts = CatalogueFacts()
    history: Mapping[str, object] = Field(default_factory=dict)

    @validator(mode="after")
    def _check_references(self) -> Self:
        if "status" in self.upstreams:
            raise ValueError("upstreams.status: this name is reserved for the status pages")
        for name, service in self.services.items():
            _check_defined(f"services.{name}.upstream", service.upstream, self.upstreams)
        for name, upstream in self.upstreams.items():
            if upstream.feed is not None:
                _check_defined(f"upstreams.{name}.feed", upstream.feed, self.feeds)
        for name in self.catalogue.services:
            _check_defined("catalogue.services", name, self.services)
        return self

    def services_at(self, upstream: str) -> Mapping[str, ScenarioService]:
        """Return an upstream's services by id."""
        return {
            name: service for name, service in self.services.items() if service.upstream == upstream
        }

    def services_on_feed(self, feed: str) -> Mapping[str, ScenarioService]:
        """Return the services that a status page has a component for, by id."""
        return {
            name: service
            for name, service in self.services.items()
            if service.component and self.upstreams[service.upstream].feed == feed
        }


def _check_defined(key: str, value: str, defined: Mapping[str, object]) -> None:
    if value not in defined:
        allowed = ", ".join(defined) or "none"
        raise ValueError(f"{key}: '{value}' is not defined; allowed are {allowed}")


def seeded_draw(seed: int, *purpose: object) -> float:
    """Return a number from 0.0 to 1.0 that depends on seed and purpose only."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:7]) / (1 << 56)
