"""The sections of the configuration: upstreams, services, probes, database, listen address.

`config.assembly` checks the names of protocols, dialects and feed formats, and all references
from one entry to another.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from tallylight.catalogue.fit import PROBE_PROMPT
from tallylight.catalogue.mode_options import Modes
from tallylight.catalogue.prices import PriceOptions
from tallylight.catalogue.services import BillingBasis, ProbeIntervals, ShutdownPrecision
from tallylight.catalogue.wire_options import WireOptions
from tallylight.config.pace_option import PaceOption, PaidPace
from tallylight.documents.addresses import HttpUrl
from tallylight.documents.budget import BudgetOptions
from tallylight.documents.parsers import Duration, IntervalOption, Lengths, Size, Sizes
from tallylight.documents.secret import SecretText
from tallylight.documents.section import DisplayText, Name, Section
from tallylight.model.order import Medium
from tallylight.model.status import Access
from tallylight.status.options import StatusOptions
from tallylight.storage.options import DEFAULT_POOL_SIZE, RetentionOptions
from tallylight.upstreams.feeds.detection import AUTO
from tallylight.upstreams.protocols.registry import DEFAULT_PROTOCOL

_MIN_FEED_INTERVAL = timedelta(seconds=60)


def _checked_feed_interval(value: timedelta) -> timedelta:
    if value < _MIN_FEED_INTERVAL:
        raise ValueError("must be at least 60s, the minimum that status pages ask for")
    return value


ConfigId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=100)]


class FeedOptions(Section):
    """A provider's status page."""

    format: str = Field(
        AUTO,
        description="The page's format; auto finds it when the page is first read, and again when "
        "it has moved.",
    )
    url: HttpUrl = Field(
        description="The page's root, https://status.example.com; the path of its API is trimmed. "
        "For rss and atom the address of the feed itself."
    )
    component: DisplayText = Field(
        "",
        description="Name or id of the component to read (default: the whole page). For rss and "
        "atom a word: only entries that have it count.",
    )
    interval: Annotated[Duration, AfterValidator(_checked_feed_interval)] = Field(
        timedelta(minutes=2), description="How often to read it; at least 60s."
    )


class UpstreamOptions(Section):
    """One address with a protocol, a dialect and a key."""

    provider: Name = Field(
        description="The company that operates it. Fact sheets are found by provider. Whether our "
        "own network lost an answer is decided by other providers' answers."
    )
    base_url: HttpUrl = Field(
        description="The address that the protocol's paths are appended to, "
        "https://api.example.com/v1."
    )
    protocol: str = Field(DEFAULT_PROTOCOL, description="The wire protocol that it speaks.")
    dialect: str = Field(
        "", description="The dialect of the protocol (default: the protocol's own)."
    )
    key: SecretText | None = Field(
        None, description="The secret; write ${NAME} or {file: path} rather than the key itself."
    )
    timeout: Duration = Field(
        timedelta(seconds=30), description="Limit of one ordinary request, from first to last byte."
    )
    job_timeout: Duration = Field(
        timedelta(minutes=20), description="How long a job may take before it counts as stalled."
    )
    ca_file: str = Field(
        "",
        description="A PEM file with certificate authorities to trust in addition to the system's.",
    )
    bills: BillingBasis = Field(
        BillingBasis.ACCEPTANCES,
        description="What it bills: acceptances (every accepted job) or deliveries "
        "(finished videos only; failed jobs are refunded).",
    )
    refuses_with_500: bool = Field(
        default=False,
        description="It answers a create with 500 only if it has not accepted the job. Some "
        "upstreams answer 500 after acceptance, so by default a 500 leaves a job in doubt.",
    )
    lists_all_jobs: bool = Field(
        default=False,
        description="Its list shows every accepted job within a minute, so a job that is missing "
        "was not accepted. By default a list proves nothing: lists lag and are cut off.",
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="What the protocol needs besides; see its page."
    )
    feed: FeedOptions | None = Field(None, description="The provider's status page.")


class ServiceProbeOptions(Section):
    """How one service is probed; omitted keys are inherited from `probes`."""

    reach: IntervalOption = Field(None, description="Interval of the free probe: does it answer?")
    credentials: IntervalOption = Field(
        None, description="Interval of the free probe: does it accept our key and list the model?"
    )
    generation: PaceOption = Field(
        PaidPace(),
        description="Interval of the paid probe: is a video delivered? Needs a budget. `6h` "
        "or `{at_least: 6h}`: at least so often. `{about: 6h}`: the money of that interval, spent "
        "where it finds the most outages.",
    )
    seconds: int | None = Field(
        None, gt=0, description="Length of the probe's video (default: the cheapest)."
    )
    size: Size | None = Field(
        None, description="Size of the probe's video (default: the cheapest)."
    )

    def merged_with(self, default: ProbeIntervals) -> ProbeIntervals:
        """Return the probe intervals of the service."""
        configured = self.model_fields_set
        inherited = PaidPace(default.generation, default.generation_basis)
        pace = self.generation if "generation" in configured else inherited
        return ProbeIntervals(
            reach=self.reach if "reach" in configured else default.reach,
            credentials=self.credentials if "credentials" in configured else default.credentials,
            generation=pace.interval,
            generation_basis=pace.basis,
        )


class ServiceStatusOptions(Section):
    """How the page shows one service."""

    weight: float | None = Field(
        None,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Its share in the state of the whole (default: 1; 0.25 for reverse access); 0 "
        "leaves it out.",
    )


class ServiceOptions(Section):
    """One model at one upstream by one kind of access."""

    name: DisplayText = Field(
        "",
        max_length=200,
        description="Display name (default: the fact sheet's title). Services of the same name are "
        "shown with their provider.",
    )
    upstream: str = Field(description="The upstream: an entry of `upstreams`.")
    model: str = Field(min_length=1, description="The model's id in requests to this upstream.")
    access: Access | None = Field(
        None,
        description="official (官轉), reverse (官逆) or self_hosted (default: the fact sheet's).",
    )
    sheet: str | None = Field(
        None,
        description="The built-in fact sheet, provider/model (default: the sheet of the upstream's "
        "provider and the model, if there is one); null for none.",
    )
    price: PriceOptions | None = Field(None, description="What it costs.")
    lengths: Lengths | None = Field(None, description="Clip lengths in seconds that it accepts.")
    sizes: Sizes | None = Field(None, description="Sizes that it accepts.")
    modes: Modes | None = Field(
        None,
        description="What it can make, in place of `lengths` and `sizes`: boxes of which an order "
        "must lie in one.",
    )
    wire: WireOptions | None = Field(
        None, description="How orders of it are spelled (default: as its protocol spells them)."
    )
    medium: Medium | None = Field(None, description="What it generates: video or image.")
    announced_at: date | None = Field(
        None, description="The day on which its shutdown was announced."
    )
    shutdown_at: date | None = Field(
        None, description="The day on which it shuts down (00:00 UTC); null for none."
    )
    shutdown_precision: ShutdownPrecision | None = Field(
        None,
        description="Precision of `shutdown_at`: exact, not_before (retires nothing), "
        "conflicting (the latest of several dates) or by (the latest possible day).",
    )
    replacement: str | None = Field(
        None, description="The model that the provider recommends instead."
    )
    notes: str | None = Field(None, description="A note, one line.")
    sources: tuple[str, ...] | None = Field(None, description="Sources of your facts.")
    as_of: date | None = Field(
        None, description="The date of your facts (default: the day of the file's last change)."
    )
    probes: ServiceProbeOptions = Field(
        default_factory=ServiceProbeOptions,
        description="Probe options that differ from `probes`.",
    )
    budget: BudgetOptions = Field(
        default_factory=BudgetOptions,
        description="Spending limits of its probes.",
    )
    status: ServiceStatusOptions = Field(
        default_factory=ServiceStatusOptions, description="How the page shows it."
    )

    @model_validator(mode="after")
    def _one_form_of_modes(self) -> Self:
        if self.modes is not None and (self.lengths is not None or self.sizes is not None):
            raise ValueError("has modes; lengths and sizes are the short form of one mode")
        return self


class ProbeOptions(Section):
    """How services are probed, unless they set their own options."""

    reach: IntervalOption = Field(
        timedelta(seconds=60), description="Interval of the free probe: does it answer?"
    )
    credentials: IntervalOption = Field(
        timedelta(minutes=10),
        description="Interval of the free probe: does it accept our key and list the model?",
    )
    generation: PaceOption = Field(
        PaidPace(),
        description="Interval of the paid probe: is a video delivered? Needs a budget. `6h` "
        "or `{at_least: 6h}`: at least so often. `{about: 6h}`: the money of that interval, spent "
        "where it finds the most outages.",
    )
    in_doubt_pace: Duration = Field(
        timedelta(minutes=5),
        description="Minimum time between two paid probes of a service whose job evidence is "
        "contradictory.",
    )
    retry: tuple[Duration, ...] = Field(
        (timedelta(seconds=10), timedelta(seconds=20)),
        max_length=10,
        description="Delays before the first, second, … retry after failed free probes in a row.",
    )
    concurrency: int = Field(50, ge=1, le=1000, description="Maximum number of concurrent probes.")
    prompt: str = Field(
        PROBE_PROMPT, min_length=1, max_length=1000, description="The prompt of paid probes."
    )

    def intervals(self) -> ProbeIntervals:
        """Return the intervals of services that do not set their own."""
        return ProbeIntervals(self.reach, self.credentials, *self.generation)


UpstreamsSection = dict[ConfigId, UpstreamOptions]
ServicesSection = dict[ConfigId, ServiceOptions]


DEFAULT_DATABASE = "sqlite:///tallylight.db"
_LAST_PORT = 65_535


def _checked_database_url(url: str) -> str:
    # The address itself is not shown: it may hold a password.
    if not url.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("is not an address; write sqlite:///path or postgresql://user@host/name")
    return url


class DatabaseOptions(Section):
    """The database of the history."""

    url: Annotated[str, AfterValidator(_checked_database_url), Field(repr=False)] = Field(
        DEFAULT_DATABASE,
        description="sqlite:///file relative to the working directory, sqlite:////absolute/file, "
        "or postgresql://user@host/name.",
    )
    pool: int = Field(
        DEFAULT_POOL_SIZE,
        ge=3,
        le=1000,
        description="Connections to PostgreSQL that a server opens at most for its transactions; "
        "it opens 2 more for its group commit and its heartbeat.",
    )
    retention: RetentionOptions = Field(
        default_factory=RetentionOptions,
        description="How long evidence, videos and the ledger are kept.",
    )


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The address that the server listens on."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the address as it is written in the file."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _parse_listen_address(value: object) -> ListenAddress:
    if isinstance(value, ListenAddress):
        return value
    host, colon, port = str(value).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(f"'{value}' is not a listen address; write 127.0.0.1:8080")
    return ListenAddress(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104  # ":8080", as written


class PageOptions(StatusOptions):
    """The status page and the listen address."""

    listen: Annotated[
        ListenAddress,
        BeforeValidator(_parse_listen_address),
        PlainSerializer(str),
        WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8080", ":8080"]}),
    ] = Field(
        ListenAddress("127.0.0.1", 8080),
        description="The listen address, host:port; port 0 takes a free port.",
    )
