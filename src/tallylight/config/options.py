"""The sections of the configuration that say what exists: upstreams, services, probes, budgets.

Which protocols, dialects and feed formats there are is known to the rooms above; `app.settings`
checks their names, and all references from one entry to another.
"""

from datetime import date, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from tallylight.catalogue.orders import PROBE_PROMPT
from tallylight.catalogue.prices import PriceOptions
from tallylight.catalogue.services import BillingBasis, Medium, ProbeIntervals, ShutdownPrecision
from tallylight.documents.addresses import HttpUrl
from tallylight.documents.budget import BudgetOptions
from tallylight.documents.parsers import Duration, IntervalOption, Lengths, Size, Sizes
from tallylight.documents.secret import SecretText
from tallylight.documents.section import Name, Section
from tallylight.model.status import Access

_MIN_FEED_INTERVAL = timedelta(seconds=60)


def _checked_feed_interval(value: timedelta) -> timedelta:
    if value < _MIN_FEED_INTERVAL:
        raise ValueError("is under the 60s that status pages ask their readers to wait")
    return value


ConfigId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=100)]


class FeedOptions(Section):
    """A provider's status page."""

    format: str = Field(description="The page's format: a name in the registry of feed readers.")
    url: HttpUrl = Field(description="The page's root, https://status.example.com.")
    component: str = Field(
        "", description="Name or id of the component to read; without it the whole page counts."
    )
    interval: Annotated[Duration, AfterValidator(_checked_feed_interval)] = Field(
        timedelta(minutes=2), description="How often to read it, 60s at least."
    )


class UpstreamOptions(Section):
    """One address with a protocol, a dialect and a key."""

    provider: Name = Field(
        description="Who stands behind it. Fact sheets are found by it, and unrelated providers "
        "that fail in the same moment point to our own network."
    )
    base_url: HttpUrl = Field(
        description="The address that the protocol's paths are appended to, "
        "https://api.example.com/v1."
    )
    protocol: str = Field("openai_videos", description="The wire protocol that it speaks.")
    dialect: str = Field(
        "", description="The profile of that protocol; without it the protocol's own default."
    )
    key: SecretText | None = Field(
        None, description="The secret; write ${NAME} or {file: path} rather than the key itself."
    )
    timeout: Duration = Field(
        timedelta(seconds=30), description="The limit of one ordinary call, first to last byte."
    )
    job_timeout: Duration = Field(
        timedelta(minutes=20), description="How long a job may take before it counts as stalled."
    )
    ca_file: str = Field("", description="A PEM file of authorities to trust beside the system's.")
    bills: BillingBasis = Field(
        BillingBasis.ACCEPTANCES,
        description="What it takes money for: acceptances (every accepted job) or deliveries "
        "(finished videos alone, failed jobs are refunded).",
    )
    refuses_with_500: bool = Field(
        default=False,
        description="It answers a create with 500 only before it has accepted it. Some answer so "
        "afterwards, hence a 500 leaves a job in doubt unless you know better.",
    )
    lists_all_jobs: bool = Field(
        default=False,
        description="Its list shows every accepted job within a minute: a job that is not in it "
        "was not accepted. Lists lag and end, hence one proves nothing unless you know better.",
    )
    feed: FeedOptions | None = Field(None, description="The provider's status page.")


class ServiceProbeOptions(Section):
    """How one service is probed; what is left out holds as in `probes`."""

    reach: IntervalOption = Field(None, description="Pace of the free probe: does it answer?")
    credentials: IntervalOption = Field(
        None, description="Pace of the free probe: does it know our key and list the model?"
    )
    generation: IntervalOption = Field(
        None, description="Pace of the paid probe: does a video arrive? Needs a budget."
    )
    seconds: int | None = Field(
        None, gt=0, description="Length of the probe's video; without it the cheapest."
    )
    size: Size | None = Field(
        None, description="Size of the probe's video; without it the cheapest."
    )

    def merged_with(self, default: ProbeIntervals) -> ProbeIntervals:
        """Return the paces that hold for the service."""
        said = self.model_fields_set
        return ProbeIntervals(
            reach=self.reach if "reach" in said else default.reach,
            credentials=self.credentials if "credentials" in said else default.credentials,
            generation=self.generation if "generation" in said else default.generation,
        )


class ServiceOptions(Section):
    """One model at one upstream by one kind of access."""

    name: str = Field("", description="Its name for people; without it the fact sheet's title.")
    upstream: str = Field(description="Where it is reached: an entry of `upstreams`.")
    model: str = Field(min_length=1, description="The model's id on this upstream's wire.")
    access: Access | None = Field(
        None,
        description="official (官轉), reverse (官逆) or self_hosted; without it the fact sheet's.",
    )
    sheet: str | None = Field(
        None,
        description="The built-in fact sheet, provider/model; without it the one of the upstream's "
        "provider and the model, where there is such a sheet; null for none.",
    )
    price: PriceOptions | None = Field(None, description="What it costs you.")
    lengths: Lengths | None = Field(None, description="Clip lengths in seconds that it accepts.")
    sizes: Sizes | None = Field(None, description="Sizes that it accepts.")
    medium: Medium | None = Field(None, description="What it makes: video or image.")
    announced_at: date | None = Field(None, description="When its shutdown was announced.")
    shutdown_at: date | None = Field(
        None, description="The day on which it stops (00:00 UTC); null for none."
    )
    shutdown_precision: ShutdownPrecision | None = Field(
        None,
        description="How well that day is known: exact, not_before (retires nothing), conflicting "
        "(the latest of several) or by (gone at the latest then).",
    )
    replacement: str | None = Field(None, description="The model that the provider names instead.")
    notes: str | None = Field(None, description="One line for people.")
    sources: tuple[str, ...] | None = Field(None, description="Where your facts stand.")
    as_of: date | None = Field(
        None, description="When your facts were true; without it the day the file was changed."
    )
    probes: ServiceProbeOptions = Field(
        default_factory=ServiceProbeOptions,
        description="How it is probed, where that differs from `probes`.",
    )
    budget: BudgetOptions = Field(
        default_factory=BudgetOptions,
        description="What its probes may spend.",
    )


class ProbeOptions(Section):
    """How services are probed, unless they say otherwise."""

    reach: IntervalOption = Field(
        timedelta(seconds=60), description="Pace of the free probe: does it answer?"
    )
    credentials: IntervalOption = Field(
        timedelta(minutes=10),
        description="Pace of the free probe: does it know our key and list the model?",
    )
    generation: IntervalOption = Field(
        None, description="Pace of the paid probe: does a video arrive? Needs a budget."
    )
    in_doubt_pace: Duration = Field(
        timedelta(minutes=5),
        description="The shortest time between two paid probes of a service whose jobs are in "
        "doubt.",
    )
    retry: tuple[Duration, ...] = Field(
        (timedelta(seconds=10), timedelta(seconds=20)),
        max_length=10,
        description="How soon to look again after the first, second, … bad free probe in a row.",
    )
    concurrency: int = Field(
        50, ge=1, le=1000, description="How many probes may be under way at once."
    )
    prompt: str = Field(
        PROBE_PROMPT, min_length=1, max_length=1000, description="The text of a paid probe."
    )

    def intervals(self) -> ProbeIntervals:
        """Return the paces that hold where a service says nothing."""
        return ProbeIntervals(self.reach, self.credentials, self.generation)


UpstreamsSection = dict[ConfigId, UpstreamOptions]
ServicesSection = dict[ConfigId, ServiceOptions]
