"""The responses of our own JSON API; these models are its OpenAPI description."""

from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tallylight.catalogue.services import PaceBasis
from tallylight.model.evidence import Depth, FailureKind, Fault, Source
from tallylight.model.ledger import EntryState, Purpose
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Basis, Block
from tallylight.status.advice import AdviceState
from tallylight.status.views.uptimes import UptimeWindow


def _milliseconds(latency: timedelta | None) -> int | None:
    return None if latency is None else round(latency.total_seconds() * 1000)


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _rounded(digits: int) -> AfterValidator:
    return AfterValidator(partial(round, ndigits=digits))


_Milliseconds = Annotated[int | None, BeforeValidator(_milliseconds)]
_Seconds = Annotated[float | None, BeforeValidator(_seconds)]


class _ResponseModel(BaseModel):
    # Most responses are made from our values with `model_validate`; an alias names the attribute.
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ErrorResponse(_ResponseModel):
    """An error."""

    detail: str = Field(description="One sentence.")


class OfficialFeedResponse(_ResponseModel):
    """What the provider's status page reports."""

    status: Status = Field(description="unknown if the page cannot be read.")
    note: str
    at: datetime


class UptimeResponse(_ResponseModel):
    """The uptime of one service over one window."""

    id: str
    window: UptimeWindow
    uptime: float | None = Field(
        description="Usable share of the monitored time; null if nothing was monitored."
    )
    low: float | None = Field(description="Lower end of the 95% interval.")
    high: float | None = Field(description="Upper end of the 95% interval.")
    coverage: float = Field(description="Monitored share of the time, maintenance left out.")
    degraded: float | None = Field(
        description="Share of the monitored time that was usable but degraded."
    )
    outages: int = Field(description="Number of periods in which the service was not usable.")
    first_look: datetime | None = Field(
        description="When monitoring began, if that was inside the window; else null."
    )
    seconds: dict[Status, float] = Field(description="Seconds spent in each status.")
    text: str = Field(description="The uptime as text.")


class IncidentUpdateResponse(_ResponseModel):
    """One update of an incident."""

    at: datetime
    status: Status
    reasons: list[str]


class IncidentResponse(_ResponseModel):
    """One incident."""

    id: str
    worst: Status
    started_at: datetime
    ended_at: datetime | None = Field(
        description="null while it lasts; the removal of its service ends it."
    )
    updates: list[IncidentUpdateResponse] = Field(description="Oldest first.")


class ServiceHistoryResponse(_ResponseModel):
    """The uptimes and incidents of a service that is configured, or was."""

    id: str
    name: str = Field(description="The id if the service was removed.")
    removed_at: datetime | None = Field(
        description="When it was removed from the configuration; null if it is configured."
    )
    uptimes: list[UptimeResponse] = Field(description="One for each window, which ends now.")
    incidents: list[IncidentResponse] = Field(description="Latest start first.")


class ServiceResponse(_ResponseModel):
    """One service."""

    id: str
    name: str
    status: Status
    lamp: str
    basis: Basis = Field(
        description="reach while free checks tell of it and no video has ever been checked."
    )
    since: datetime
    confidence: float = Field(description="Probability that the status is right, 0 to 1.")
    reasons: list[str] = Field(description="Sentences, the most telling first.")
    blocked: Block | None = Field(
        description="auth, quota or rate while our key, balance or rate of orders is refused."
    )
    access: Access
    provider: str
    model: str
    official_feed: OfficialFeedResponse | None
    latency_ms: int | None = Field(description="Response time of the latest free probe.")
    job_seconds: float | None = Field(description="From create to video, of the latest job.")
    price: str
    uptime: UptimeResponse = Field(description="Over the last 90 days.")
    shutdown_at: date | None
    replacement: str = Field(
        description="The first live model in its chain of replacements, else the last."
    )
    checked_at: datetime | None


class FactSheetResponse(_ResponseModel):
    """Public facts about the model at the provider."""

    title: str
    lengths: list[int] = Field(description="Allowed seconds of video.")
    sizes: list[str]
    price: str
    announced_at: date | None
    shutdown_at: date | None
    shutdown_precision: str
    replacement: str
    notes: str
    sources: list[str]
    as_of: date


class UpcomingProbeResponse(_ResponseModel):
    """A planned probe."""

    depth: Depth
    at: datetime
    reason: str = Field(description="first, routine, confirm, undecided or refused.")


class PaidPaceResponse(_ResponseModel):
    """How often paid probes are sent while jobs succeed."""

    basis: PaceBasis
    configured_seconds: float = Field(description="The configured interval.")
    interval_seconds: float = Field(description="The mean interval in force.")
    sees_of_3h: float = Field(description="Share of outages of 3 hours that it sees, 0 to 1.")


class BudgetUsageResponse(_ResponseModel):
    """A limit on spending in a rolling window, and its use."""

    scope: str = Field(description="A service's id, or total for all probes.")
    window: str = Field(description="1h, 24h or 30d.")
    limit_usd: float = Field(validation_alias="limit")
    spent_usd: float = Field(validation_alias="spent", description="Settled and reserved.")


class ClaimedComponentResponse(_ResponseModel):
    """A component of the official status page."""

    name: str
    status: Status


class ClaimedEventResponse(_ResponseModel):
    """An incident or a maintenance of the official status page."""

    title: str
    status: Status = Field(description="maintenance, or what the incident claims.")
    start: datetime
    end: datetime | None = Field(description="null while it is open.")


class OfficialPageResponse(_ResponseModel):
    """What the official status page claims, beside what we measured over the same time."""

    since: datetime
    claimed_availability: float | None = Field(description="0 to 1; null if it is not known.")
    measured_availability: float | None = Field(description="null if nothing was monitored.")
    components: list[ClaimedComponentResponse]
    planned_maintenances: list[ClaimedEventResponse] = Field(description="In progress or ahead.")
    events: list[ClaimedEventResponse] = Field(description="Of the last 90 days, latest first.")


class FeedTrustResponse(_ResponseModel):
    """How far the official status page is believed, from its agreement with jobs."""

    is_used: bool = Field(description="Whether verdicts count it: verdicts.learned_feed_trust.")
    red: Annotated[float, _rounded(4)] = Field(
        description="Probability that trouble on the page is real, 0 to 1."
    )
    green: Annotated[float, _rounded(4)] = Field(
        description="Probability that trouble is over when the page says so, 0 to 1."
    )
    agreed: int = Field(description="Episodes of trouble on the page in which jobs failed.")
    denied: int = Field(description="Episodes that jobs refuted.")
    green_agreed: int = Field(description="Ends of an episode after which jobs went well.")
    green_denied: int = Field(description="Ends of an episode after which a job failed.")


class ServiceDetailResponse(ServiceResponse):
    """One service with its fact sheet, uptimes, probes and budgets."""

    feed_trust: FeedTrustResponse | None = Field(description="null without a status page.")
    official_page: OfficialPageResponse | None = Field(description="null if it was not read yet.")
    sheet: FactSheetResponse
    uptimes: list[UptimeResponse]
    next_probes: list[UpcomingProbeResponse]
    paid_pace: PaidPaceResponse | None = Field(description="null without paid probes.")
    withheld: str | None = Field(
        description="The budget that withholds a paid probe; null if none does."
    )
    budgets: list[BudgetUsageResponse]


class FailureResponse(_ResponseModel):
    """Why an observation failed."""

    kind: FailureKind
    fault: Fault
    rule: str = Field(description="The classifier's rule that decided.")
    text: str = Field(description="The upstream's message, redacted.")
    http_status: int | None
    retry_after_s: _Seconds = Field(validation_alias="retry_after")


class EvidenceResponse(_ResponseModel):
    """One dated observation."""

    service: str
    at: datetime
    source: Source
    good: bool = Field(validation_alias="is_good")
    failure: FailureResponse | None
    latency_ms: _Milliseconds = Field(validation_alias="latency")
    says: Status | None = Field(validation_alias="claimed_status")
    until: datetime | None
    note: str


class LedgerEntryResponse(_ResponseModel):
    """One entry of the spending ledger."""

    id: str
    service: str
    purpose: Purpose
    note: str
    state: EntryState
    estimate_usd: float | None = Field(
        validation_alias="estimate", description="null if the price is not known."
    )
    amount_usd: float | None = Field(
        validation_alias="amount",
        description="The amount that counts against the budgets; null if it is not known.",
    )
    at: datetime


class LedgerResponse(_ResponseModel):
    """Budgets and the latest spending."""

    budgets: list[BudgetUsageResponse]
    entries: list[LedgerEntryResponse]


class AdviceRowResponse(_ResponseModel):
    """The result of one budget."""

    budget_usd_per_day: float | None = Field(
        validation_alias="budget", description="null without a limit."
    )
    spend_usd_per_day: Annotated[float, _rounded(4)] = Field(validation_alias="spend")
    seen_share: Annotated[float, _rounded(4)] = Field(
        description="Share of the outages over five minutes detected before they ended, 0 to 1."
    )
    median_delay_minutes: Annotated[float, _rounded(2)] | None = Field(
        validation_alias="median_delay",
        description="Median delay of detection; null if no outage was detected.",
    )
    wrong_share: Annotated[float, _rounded(6)] = Field(
        description="Share of time in which the wrong status was shown, 0 to 1."
    )


class AdviceResponse(_ResponseModel):
    """What daily budgets buy for this catalogue's services, rehearsed in virtual time."""

    state: AdviceState = Field(
        description="computing: poll again soon. unpriced: no service has a probe of known price."
    )
    own_usd_per_day: float | None = Field(
        validation_alias="own_budget",
        description="What the configuration's budgets allow; null without a limit.",
    )
    priced: int = Field(description="Services with a probe of known price.")
    unpriced: int = Field(description="The other services, which are left out.")
    rehearsed: int = Field(
        validation_alias="rehearsed_services", description="Services rehearsed, as a sample of all."
    )
    days: float = Field(description="Virtual days rehearsed.")
    outages: int = Field(description="Outages over five minutes in them, the same in every row.")
    rows: list[AdviceRowResponse] = Field(description="One for each budget; empty until ready.")
    plain_script: AdviceRowResponse | None = Field(
        description="A script that orders a video of each service every five minutes."
    )


class RankedServiceResponse(_ResponseModel):
    """A service that can serve the request."""

    id: str
    name: str
    status: Status
    access: Access
    seconds: int = Field(description="The length that would be requested.")
    size: str
    price_usd: float | None = Field(description="Price of one job; null if unknown.")
    delivered_price_usd: float | None = Field(description="Expected price of a delivered video.")
    job_seconds: float = Field(description="Duration of a job that delivers.")
    expected_seconds: float = Field(
        description="Expected time to a delivered video, with failed attempts."
    )
    delivery: float = Field(description="Probability that a job delivers, 0 to 1.")
    why: list[str] = Field(
        description="What ranks it beside price, time and success, as sentences."
    )


class ExcludedServiceResponse(_ResponseModel):
    """A service that the request is not sent to."""

    id: str
    name: str
    status: Status
    reason: str = Field(
        description="capability, retired, suspended, maintenance, blocked, policy or circuit_open."
    )
    why: str = Field(description="The reason as a sentence.")


class RecommendationResponse(_ResponseModel):
    """The services in the order in which the gateway would try them."""

    policy: str = Field(description="The preset or preference; empty if the route sets the order.")
    meaning: str = Field(description="How the policy ranks services.")
    model: str = Field(description="The route; empty for all services.")
    ranked: list[RankedServiceResponse] = Field(description="The best first.")
    left_out: list[ExcludedServiceResponse]
    delivery: float = Field(
        description="Probability that one of them delivers if all are tried, 0 to 1."
    )
