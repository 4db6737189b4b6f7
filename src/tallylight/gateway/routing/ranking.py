"""The input and the result of a ranking: candidates, choices, exclusions."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from tallylight.catalogue.services import BillingBasis, Service
from tallylight.gateway.routing.fitter import Fitter
from tallylight.model.ids import ServiceId
from tallylight.model.order import Order
from tallylight.model.verdict import Verdict
from tallylight.model.wish import Wish


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is expected of a service's next job.

    Args:
        service: The service.
        verdict: The current verdict on it.
        fitter: What fits wishes to it.
        delivery: The probability that its next job delivers.
        seconds: The expected time from create to video, if the job delivers.
        p95_seconds: The 95th percentile of that time; None if too few jobs are known.
        traffic_share: The share of requests it may be the first choice of, 1.0 unless it is
            recovering or unknown; 0.0 makes it the last resort.
        wait: The rest of the time for which it asked for no requests; None if it asked for none.
        is_trial: The service counts as down or blocked, but only callers' jobs can show that it
            has recovered, so one may try it.
    """

    service: Service
    verdict: Verdict
    fitter: Fitter
    delivery: float
    seconds: float
    p95_seconds: float | None = None
    traffic_share: float = 1.0
    wait: timedelta | None = None
    is_trial: bool = False


class RankingReason(StrEnum):
    """Why a service has its rank, beside its score."""

    EXPLICIT = "explicit"  # the route sets the order
    PREFERRED = "preferred"  # the policy puts its kind of access first
    TIE = "tie"  # others are as good; a draw by weight decided
    CANARY = "canary"  # recovering or unknown, and this is one of the few requests that try it
    RECOVERING = "recovering"  # too few deliveries since it failed
    UNKNOWN = "unknown"  # there is no fresh evidence
    FAILING = "failing"  # its newest jobs failed in a row: the last resort
    UNRELIABLE = "unreliable"  # its success rate is below the policy's minimum


class ExclusionReason(StrEnum):
    """Why a service is excluded."""

    CAPABILITY = "capability"
    RETIRED = "retired"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    BLOCKED = "blocked"
    BUDGET = "budget"
    UNPRICED = "unpriced"  # a measure of the request could change its price unseen
    POLICY = "policy"
    TRIED = "tried"
    CIRCUIT_OPEN = "circuit_open"


_TRANSIENT_REASONS = frozenset(
    {
        ExclusionReason.SUSPENDED,
        ExclusionReason.MAINTENANCE,
        ExclusionReason.BLOCKED,
        ExclusionReason.CIRCUIT_OPEN,
    }
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A service that can serve the request.

    Args:
        service: The service.
        wish: What the caller asked for.
        fitted: The order that fits, without the wish's texts and inputs.
        cost: The price of one job in USD; 0 if it is not known.
        delivery: The probability that the job delivers.
        seconds: The expected time from create to video, if the job delivers.
        score: The policy's cost of a delivered video from price, time and failures, in weighted
            dollars, lowest first; in an explicit order the position.
        p95_seconds: The 95th percentile of that time; None if too few jobs are known.
        reasons: Why the service has its rank, beside the score.
        is_priced: The price is known; otherwise the highest known price is assumed.
    """

    service: Service
    wish: Wish
    fitted: Order
    cost: Decimal
    delivery: float
    seconds: float
    score: float
    p95_seconds: float | None = None
    reasons: tuple[RankingReason, ...] = ()
    is_priced: bool = True

    @property
    def order(self) -> Order:
        """Return the order as it will be submitted to the service."""
        return self.wish.complete(self.fitted)

    @property
    def expected_cost(self) -> Decimal:
        """Return the expected price of a delivered video, in USD, if only this service is used."""
        if self.service.upstream.bills is BillingBasis.DELIVERIES:
            return self.cost
        return (self.cost / Decimal(self.delivery)).quantize(Decimal("0.000001"))

    @property
    def expected_seconds(self) -> float:
        """Return the expected time of a delivered video if only this service is used."""
        return self.seconds / self.delivery


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An excluded service and the reason.

    Args:
        service: The service.
        reason: Why it is excluded.
        param: The field that it cannot serve, "" for none.
        requested: The requested value.
        allowed: The values that it accepts.
        wait: When it may be used again; None if that is not known.
    """

    service: ServiceId
    reason: ExclusionReason
    param: str = ""
    requested: str = ""
    allowed: str = ""
    wait: timedelta | None = None

    @property
    def message(self) -> str:  # noqa: PLR0911  # one clause for each reason
        """Return one clause for an error message."""
        match self.reason:
            case ExclusionReason.CAPABILITY:
                allowed = f"; it takes {self.allowed}" if self.allowed else ""
                return f"cannot serve {self.param} {self.requested}".rstrip() + allowed
            case ExclusionReason.CIRCUIT_OPEN if self.wait is not None:
                return f"asked for no requests for another {self.wait.total_seconds():.0f} s"
            case ExclusionReason.BLOCKED:
                return "is blocked until its operator resolves the cause"
            case ExclusionReason.BUDGET:
                return "has no known price, and a spending limit applies"
            case ExclusionReason.UNPRICED:
                return f"has a price that {self.requested} could change; {self.allowed}"
            case ExclusionReason.POLICY:
                return f"is {self.requested}, which the policy excludes"
            case ExclusionReason.MAINTENANCE:
                return "is under maintenance"
            case ExclusionReason.TRIED:
                return "was tried already"
            case _:
                return f"is {self.reason.value}"


@dataclass(frozen=True, slots=True)
class Ranking:
    """The usable services in their order, and the excluded ones."""

    choices: tuple[Choice, ...]
    excluded: tuple[Exclusion, ...] = field(default=())

    @property
    def retry_after(self) -> timedelta | None:
        """Return when the first excluded service may be used again; None if none says so."""
        return min((each.wait for each in self.excluded if each.wait is not None), default=None)

    @property
    def may_change(self) -> bool:
        """Tell whether an excluded service may become usable later."""
        return any(each.reason in _TRANSIENT_REASONS for each in self.excluded)

    @property
    def delivery(self) -> float:
        """Return the probability that one of the services delivers, all tried in turn."""
        failing = 1.0
        for choice in self.choices:
            failing *= 1 - choice.delivery
        return 1 - failing
