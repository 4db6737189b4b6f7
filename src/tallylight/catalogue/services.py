"""The types of the catalogue: fact sheets, upstreams, services.

Values from files were validated when they were parsed, so nothing is validated here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tallylight.catalogue.modes import Mode, frames_of, lengths_of
from tallylight.catalogue.wording import Wording
from tallylight.documents.secret import Secret
from tallylight.documents.section import Section
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Budget, Price
from tallylight.model.order import Medium, Order
from tallylight.model.status import Access


class BillingBasis(StrEnum):
    """What an upstream charges for."""

    ACCEPTANCES = "acceptances"  # every accepted job, including failed ones
    DELIVERIES = "deliveries"  # finished videos only; failed jobs are free or refunded


class ShutdownPrecision(StrEnum):
    """How precisely a shutdown date is known."""

    EXACT = "exact"
    NOT_BEFORE = "not_before"  # the earliest possible date
    CONFLICTING = "conflicting"  # sources disagree; the date is the latest of them
    BY = "by"  # on or before that date
    TOLD = "told"  # by the API itself


class Successor(NamedTuple):
    """A model that replaces another one, and the day on which it shuts down for certain."""

    model: str
    shutdown_at: date | None = None

    def is_retired(self, today: date) -> bool:
        """Tell whether it was shut down itself."""
        return self.shutdown_at is not None and self.shutdown_at <= today


TOLD_SOURCE = "shutdown_date in the API's own list of models"
"""The source of a date that an API tells."""


@dataclass(frozen=True, slots=True)
class FactSheet:
    """What is publicly known of a model at a provider.

    The same model has different dates and prices at different providers.

    Args:
        model: The model's id on the wire.
        protocol: The protocol ("openai_videos"), "" if none is public.
        modes: The boxes of which an order must lie in one; none if nothing is known.
        price: The price; None if unknown.
        shutdown_at: The shutdown date (00:00 UTC); None while none is announced.
        shutdown_precision: How precisely that date is known.
        replacement: The model that the provider recommends instead, "" for none.
        successors: The replacement and what replaces it in turn, with their shutdown dates.
        earlier_shutdown_at: The earlier date, where sources disagree; None if it is not known.
        is_dated_by_operator: The operator has set the shutdown date; then no API changes it.
        notes: A note of one line, "" for none.
        sources: URLs or titles of the sources.
        has_audio: Its videos have an audio track, unless an order says otherwise; a video without
            one is defective.
        wire: How orders of it are spelled; None for the protocol's own wording.
        alias_of: The model's first id, if this is a further one of the same model; else "".
    """

    provider: ProviderId
    model: str
    title: str
    medium: Medium
    access: Access
    protocol: str
    modes: tuple[Mode, ...]
    price: Price | None
    announced_at: date | None
    shutdown_at: date | None
    shutdown_precision: ShutdownPrecision
    replacement: str
    notes: str
    sources: tuple[str, ...]
    as_of: date
    has_audio: bool = False
    wire: Wording | None = None
    successors: tuple[Successor, ...] = ()
    earlier_shutdown_at: date | None = None
    alias_of: str = ""
    is_dated_by_operator: bool = False

    @property
    def lengths(self) -> tuple[int, ...]:
        """Return all lengths in seconds, ascending; none if they are not known."""
        return lengths_of(self.modes)

    @property
    def sizes(self) -> tuple[str, ...]:
        """Return all sizes, "1280x720", cheapest first; none if they are not known."""
        return tuple(dict.fromkeys(each.size for each in frames_of(self.modes) if each.size))

    @property
    def id(self) -> str:
        """Return the sheet's id, "openai/sora-2"."""
        return f"{self.provider}/{self.model}"

    def with_told_shutdown(self, day: date) -> "FactSheet":
        """Return the sheet with the shutdown date that the API tells, which goes before its own."""
        if self.is_dated_by_operator:
            return self
        return replace(
            self,
            shutdown_at=day,
            shutdown_precision=ShutdownPrecision.TOLD,
            earlier_shutdown_at=None,
            sources=(TOLD_SOURCE, *self.sources),
        )

    def replacement_on(self, today: date) -> Successor | None:
        """Return the first replacement that is live on a day, else the last; None without any."""
        unknown = (Successor(self.replacement),) if self.replacement else ()
        chain = self.successors or unknown
        live = (each for each in chain if not each.is_retired(today))
        return next(live, chain[-1] if chain else None)

    def is_retired(self, today: date) -> bool:
        """Tell whether the shutdown date has passed; a "not before" date retires nothing."""
        is_certain = self.shutdown_precision is not ShutdownPrecision.NOT_BEFORE
        return is_certain and self.shutdown_at is not None and self.shutdown_at <= today


@dataclass(frozen=True, slots=True)
class Feed:
    """A provider's status page.

    Args:
        format: A name in the registry of feed readers ("statuspage", "incident_io"), or "auto".
        url: The page's root ("https://status.example.com"), or the address of its RSS or Atom.
        component: Name or id of the component to read; "" reads the whole page.
        interval: How often to poll it; at least 60 s, the minimum that status pages ask for.
    """

    format: str
    url: str
    component: str = ""
    interval: timedelta = timedelta(minutes=2)


NO_OPTIONS = Section()

LISTED_AFTER = timedelta(seconds=60)
"""Longest delay until a complete list shows a job (`lists_all_jobs`), once no answer to its create
can arrive any more."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One address with a protocol, a dialect and a key.

    Args:
        id: Its name in the configuration.
        provider: The provider. Unrelated providers failing together indicate our own network.
        base_url: The URL that the protocol's paths are appended to, without a trailing slash
            ("https://api.openai.com/v1").
        protocol: A name in the registry of protocols ("openai_videos", "chat_video").
        dialect: A profile of that protocol ("openai", "new_api", "sora2api").
        key: The secret; None for an upstream without one.
        timeout: Time limit of an ordinary request, from connect to the last byte.
        job_timeout: How long a job may take before it counts as stalled.
        ca_file: A PEM file of additional trusted certificates, "" for none.
        feed: The provider's status page; None if it has none that we can read.
        bills: What it charges for; the more expensive basis unless the operator knows better.
        refuses_with_500: A 500 to a create means that it was not accepted. Without this, a 500
            leaves the job in doubt, because some upstreams send it after accepting.
        lists_all_jobs: Its list shows every accepted job within a minute, so a job that is not in
            the list was not accepted.
        options: What the protocol needs besides, in its own model.
        wordings: How orders are spelled, by the models that have a wording of their own (`wire`).
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
    options: Section = NO_OPTIONS
    wordings: Mapping[str, Wording] = field(default_factory=dict)


class PaceBasis(StrEnum):
    """What the interval of the paid probes of a service means."""

    AT_LEAST = "at_least"  # one at least so often, as far as the budget allows
    ABOUT = "about"  # the money that the interval costs, spent where it finds the most outages


@dataclass(frozen=True, slots=True)
class ProbeIntervals:
    """How often a service is probed at each depth; None disables a depth."""

    reach: timedelta | None = timedelta(seconds=60)
    credentials: timedelta | None = timedelta(minutes=10)
    generation: timedelta | None = None
    generation_basis: PaceBasis = PaceBasis.ABOUT


_REVERSE_WEIGHT = 0.25


@dataclass(frozen=True, slots=True)
class Service:
    """One model at one upstream by one kind of access.

    Args:
        id: Its name in the configuration and in addresses ("sora-2-official").
        name: The display name ("Sora 2 官轉").
        model: The model's id on this upstream's wire.
        access: Official, reverse or self-hosted.
        sheet: The public facts, overridden by the operator's own.
        probe_order: The order of a generation probe, the cheapest that the sheet allows; None if
            it allows none.
        own_status_weight: Its share in the state of the whole, if the operator sets one.
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
    own_status_weight: float | None = None

    @property
    def status_weight(self) -> float:
        """Return its share in the state of the whole; that of reverse access is a quarter."""
        if self.own_status_weight is not None:
            return self.own_status_weight
        return _REVERSE_WEIGHT if self.access is Access.REVERSE else 1.0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All configured services and the budget of their probes together."""

    services: Mapping[ServiceId, Service] = field(default_factory=dict)
    total_budget: Budget = field(default_factory=Budget)
