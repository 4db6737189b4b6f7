"""The frozen types of the catalogue: fact sheets, upstreams, services.

Everything that comes from a file was checked at the door (`catalogue.document`); nothing here is
checked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from tallylight.documents.secret import Secret
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Budget, Price
from tallylight.model.order import Order
from tallylight.model.status import Access


class Medium(StrEnum):
    """What a model makes."""

    VIDEO = "video"
    IMAGE = "image"


class BillingBasis(StrEnum):
    """What an upstream takes money for."""

    ACCEPTANCES = "acceptances"  # every accepted job, also one that fails
    DELIVERIES = "deliveries"  # finished videos alone; failed jobs are refunded


class ShutdownPrecision(StrEnum):
    """How well a shutdown date is known."""

    EXACT = "exact"
    NOT_BEFORE = "not_before"
    CONFLICTING = "conflicting"  # sources disagree; the date is the latest of them
    BY = "by"  # it was gone by that day; the day itself is not known


@dataclass(frozen=True, slots=True)
class FactSheet:
    """What is publicly known of a model at a provider.

    The same model name has other dates and prices at another provider, hence the pair.

    Args:
        provider: Who sells it.
        model: The model's id on the wire.
        title: The name for people.
        medium: Video or image.
        access: Official or reverse.
        protocol: The wire dialect family ("openai_videos"), "" where none is public.
        lengths: Allowed clip lengths in seconds, ascending; empty if unknown or not a video.
        sizes: Allowed "WIDTHxHEIGHT", cheapest first; empty if unknown.
        price: What it costs; None if unknown.
        announced_at: When the shutdown was announced.
        shutdown_at: The day on which it stops (00:00 UTC); None while none is announced.
        shutdown_precision: How well that day is known.
        replacement: The model that the provider names instead, "" for none.
        notes: One line for people, "" for none.
        sources: Where the facts stand.
        as_of: When they were true.
        has_audio: Its videos have a sound track; one without falls short.
    """

    provider: ProviderId
    model: str
    title: str
    medium: Medium
    access: Access
    protocol: str
    lengths: tuple[int, ...]
    sizes: tuple[str, ...]
    price: Price | None
    announced_at: date | None
    shutdown_at: date | None
    shutdown_precision: ShutdownPrecision
    replacement: str
    notes: str
    sources: tuple[str, ...]
    as_of: date
    has_audio: bool = False

    @property
    def id(self) -> str:
        """Return the sheet's own name: "openai/sora-2"."""
        return f"{self.provider}/{self.model}"

    def is_retired(self, today: date) -> bool:
        """Tell whether its shutdown date has passed; one that is "not before" retires nothing."""
        is_certain = self.shutdown_precision is not ShutdownPrecision.NOT_BEFORE
        return is_certain and self.shutdown_at is not None and self.shutdown_at <= today


@dataclass(frozen=True, slots=True)
class Feed:
    """A provider's status page.

    Args:
        format: A name in the registry of feed readers ("statuspage", "incident_io").
        url: The page's root ("https://status.example.com").
        component: Name or id of the component to read; "" reads the whole page.
        interval: How often to read it; never under 60 s, the floor that status pages ask for.
    """

    format: str
    url: str
    component: str = ""
    interval: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Upstream:
    """One address with a protocol, a dialect and a key.

    Args:
        id: Its name in the configuration.
        provider: Who stands behind it; unrelated providers failing together are our own network.
        base_url: With the path that the protocol's paths are appended to, no trailing slash
            ("https://api.openai.com/v1").
        protocol: A name in the registry of protocols ("openai_videos", "chat_video").
        dialect: A profile of that protocol ("openai", "new_api", "sora2api").
        key: The secret; None for an upstream without one.
        timeout: The limit of one ordinary call, from connect to the last byte.
        job_timeout: How long a job may take before it counts as stalled.
        ca_file: A PEM file to trust beside the system's, "" for none.
        feed: Its provider's status page, if it has one that we can read.
        bills: What it takes money for; unless its operator knows better, the dearer.
        refuses_with_500: It answers a create with 500 only before it has accepted it; some do so
            afterwards, and then a 500 leaves the job in doubt.
        lists_all_jobs: Its list shows every accepted job within a minute, so that a job which is
            not in it was not accepted.
    """

    id: UpstreamId
    provider: ProviderId
    base_url: str
    protocol: str
    dialect: str
    key: Secret | None
    timeout: timedelta = timedelta(seconds=30)
    job_timeout: timedelta = timedelta(minutes=20)
    ca_file: str = ""
    feed: Feed | None = None
    bills: BillingBasis = BillingBasis.ACCEPTANCES
    refuses_with_500: bool = False
    lists_all_jobs: bool = False


@dataclass(frozen=True, slots=True)
class ProbeIntervals:
    """How often a service is probed, by depth; None where a depth is switched off."""

    reach: timedelta | None = timedelta(seconds=60)
    credentials: timedelta | None = timedelta(minutes=10)
    generation: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One model at one upstream by one kind of access.

    Args:
        id: Its name in the configuration and in addresses ("sora-2-official").
        name: Its name for people ("Sora 2 官轉").
        upstream: Where it is reached.
        model: The model's id on this upstream's wire.
        access: Official, reverse or self-hosted.
        sheet: What is publicly known of it, the operator's own facts laid over.
        pace: How often it is probed.
        budget: What its probes may spend.
        probe_order: The order that a generation probe places: the cheapest the sheet allows.
    """

    id: ServiceId
    name: str
    upstream: Upstream
    model: str
    access: Access
    sheet: FactSheet
    probe_intervals: ProbeIntervals
    budget: Budget
    probe_order: Order | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that the operator has, parsed once."""

    services: Mapping[ServiceId, Service] = field(default_factory=dict)
    total_budget: Budget = field(default_factory=Budget)
