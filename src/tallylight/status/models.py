"""What our own JSON API answers; these models are its OpenAPI description."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from tallylight.model.evidence import Depth, FailureKind, Fault, Source
from tallylight.model.ledger import EntryState, Purpose
from tallylight.model.status import Access, Status
from tallylight.status.advice import AdviceState
from tallylight.status.views.uptimes import UptimeWindow


class _ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorResponse(_ResponseModel):
    """Why a request could not be answered."""

    detail: str = Field(description="One sentence.")


class OfficialFeedResponse(_ResponseModel):
    """What the provider's status page says."""

    status: Status = Field(description="unknown where the page cannot be read.")
    note: str
    at: datetime


class UptimeResponse(_ResponseModel):
    """The uptime of one service over one window."""

    id: str
    window: UptimeWindow
    uptime: float | None = Field(
        description="Usable share of the watched time, 0 to 1; null where under half was watched."
    )
    low: float | None = Field(description="Lower end of its 95 % interval.")
    high: float | None = Field(description="Upper end of its 95 % interval.")
    coverage: float = Field(description="Watched share of the time, maintenance left out.")
    degraded: float | None = Field(
        description="Share of the watched time that was usable but degraded."
    )
    outages: int = Field(description="Stretches of not being usable.")
    seconds: dict[Status, float] = Field(description="How long it was what.")
    text: str = Field(description="The same for people.")


class ServiceResponse(_ResponseModel):
    """One service."""

    id: str
    name: str
    status: Status
    lamp: str
    since: datetime
    confidence: float = Field(description="Probability that the status is right, 0 to 1.")
    reasons: list[str] = Field(description="Sentences, the most telling first.")
    blocked: FailureKind | None = Field(description="auth or quota while that keeps us out.")
    access: Access
    provider: str
    model: str
    official_feed: OfficialFeedResponse | None
    latency_ms: int | None = Field(description="Of the newest answer to a free probe.")
    job_seconds: float | None = Field(description="From create to video, of the newest job.")
    price: str
    uptime: UptimeResponse = Field(description="Over the last 90 days.")
    shutdown_at: date | None
    replacement: str
    checked_at: datetime | None


class FactSheetResponse(_ResponseModel):
    """What is publicly known of the model at the provider."""

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
    """A probe to come."""

    depth: Depth
    at: datetime


class BudgetUsageResponse(_ResponseModel):
    """What may be spent in a rolling window, and what was."""

    scope: str = Field(description="A service's id, or total.")
    window: str = Field(description="1h, 24h or 30d.")
    limit_usd: float
    spent_usd: float = Field(description="Settled and reserved.")


class ServiceDetailResponse(ServiceResponse):
    """One service with all that is known of it."""

    sheet: FactSheetResponse
    uptimes: list[UptimeResponse]
    next_probes: list[UpcomingProbeResponse]
    withheld: str | None = Field(description="The budget that keeps a paid probe from being sent.")
    budgets: list[BudgetUsageResponse]


class FailureResponse(_ResponseModel):
    """What went wrong."""

    kind: FailureKind
    fault: Fault
    rule: str = Field(description="The classifier's rule that decided.")
    text: str = Field(description="The upstream's own words, scrubbed.")
    http_status: int | None
    retry_after_s: float | None


class EvidenceResponse(_ResponseModel):
    """One dated observation."""

    service: str
    at: datetime
    source: Source
    good: bool
    failure: FailureResponse | None
    latency_ms: int | None
    says: Status | None
    until: datetime | None
    note: str


class LedgerEntryResponse(_ResponseModel):
    """One piece of spending."""

    id: str
    service: str
    purpose: Purpose
    note: str
    state: EntryState
    estimate_usd: float
    amount_usd: float = Field(description="What counts against the budgets.")
    at: datetime


class LedgerResponse(_ResponseModel):
    """Budgets and the newest spending."""

    budgets: list[BudgetUsageResponse]
    entries: list[LedgerEntryResponse]


class AdviceRowResponse(_ResponseModel):
    """What one way of spending buys."""

    budget_usd_per_day: float | None = Field(description="null where nothing limits it.")
    spend_usd_per_day: float
    seen_share: float = Field(
        description="Of the outages over five minutes, those seen before they ended, 0 to 1."
    )
    median_delay_minutes: float | None = Field(
        description="Until half of those seen were shown; null where none was seen."
    )
    wrong_share: float = Field(description="Share of time with the wrong lamp, 0 to 1.")


class AdviceResponse(_ResponseModel):
    """What daily budgets buy for the services of this catalogue, rehearsed in virtual time."""

    state: AdviceState = Field(
        description="computing: ask again soon. unpriced: no service has a probe of known price."
    )
    own_usd_per_day: float | None = Field(
        description="What the configuration's budgets allow; null where nothing limits it."
    )
    priced: int = Field(description="Services with a probe of known price.")
    unpriced: int = Field(description="The others, which are left out.")
    rehearsed: int = Field(description="Services that stood for all.")
    days: float = Field(description="Virtual days.")
    outages: int = Field(description="Outages over five minutes in them, the same in every row.")
    rows: list[AdviceRowResponse] = Field(description="By budget; empty until ready.")
    plain_script: AdviceRowResponse | None = Field(
        description="A script that orders a video of each service every five minutes."
    )


class RankedServiceResponse(_ResponseModel):
    """A service that can be asked."""

    id: str
    name: str
    status: Status
    access: Access
    seconds: int = Field(description="The length that it would be asked for.")
    size: str
    price_usd: float | None = Field(description="Of one job; null if it is not known.")
    delivered_price_usd: float | None = Field(description="Of a video that arrives.")
    job_seconds: float = Field(description="How long a job takes that delivers.")
    expected_seconds: float = Field(description="How long a video that arrives takes.")
    delivery: float = Field(description="Probability that a job delivers, 0 to 1.")
    why: list[str] = Field(description="What else has put it where it is, as sentences.")


class ExcludedServiceResponse(_ResponseModel):
    """A service that is not asked."""

    id: str
    name: str
    status: Status
    reason: str = Field(
        description="capability, retired, suspended, maintenance, blocked, policy or circuit_open."
    )
    why: str = Field(description="The same as a sentence.")


class RecommendationResponse(_ResponseModel):
    """The services in the order in which a request would be offered to them."""

    policy: str = Field(description="The preset or preference; empty where a route says the order.")
    meaning: str = Field(description="How it orders.")
    model: str = Field(description="The route; empty for all services.")
    ranked: list[RankedServiceResponse] = Field(description="The best first.")
    left_out: list[ExcludedServiceResponse]
    delivery: float = Field(
        description="Probability that one of them delivers, all asked in turn, 0 to 1."
    )
