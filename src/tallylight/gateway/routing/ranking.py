"""What goes into a choice among services and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from tallylight.catalogue.services import BillingBasis, Service
from tallylight.gateway.routing.capability import Capability
from tallylight.model.ids import ServiceId
from tallylight.model.order import Order
from tallylight.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is to be expected of a service's next job.

    Args:
        service: Whose.
        verdict: What stands about it.
        capability: What it can be asked for.
        delivery: The probability that its next job delivers.
        seconds: From create to the video, where it delivers.
        p95_seconds: The time that 19 of 20 of its jobs stay within; None if too few are known.
        trickle: The share of requests it may be the first choice of, 1.0 unless it is recovering
            or unknown; 0.0 makes it the last resort.
        wait: For so long it is left alone, because it asked for that.
        is_trial: It is down or keeps us out as far as anybody knows, but only callers' jobs can
            find out that it is back: it may be tried.
    """

    service: Service
    verdict: Verdict
    capability: Capability
    delivery: float
    seconds: float
    p95_seconds: float | None = None
    traffic_share: float = 1.0
    wait: timedelta | None = None
    is_trial: bool = False


class RankingReason(StrEnum):
    """Why a service stands where it stands, beside its score."""

    EXPLICIT = "explicit"  # the route says so
    PREFERRED = "preferred"  # the policy puts its kind of access first
    TIE = "equal"  # others are as good; a draw by weight decided
    CANARY = "trickle"  # recovering or unknown, and one of the few requests that try it
    RECOVERING = "recovering"  # too little has gone well since it failed
    UNKNOWN = "unknown"  # nothing fresh is known of it
    FAILING = "failing"  # its newest jobs failed in a row: the last resort
    UNRELIABLE = "unreliable"  # it delivers less than the policy asks for


class ExclusionReason(StrEnum):
    """Why a service is left out."""

    CAPABILITY = "capability"
    RETIRED = "retired"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    BLOCKED = "blocked"
    BUDGET = "budget"
    POLICY = "policy"
    TRIED = "tried"
    CIRCUIT_OPEN = "circuit"


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
    """A service that can be asked.

    Args:
        service: Whom.
        order: As it will be asked.
        substituted: By field what the caller asked for and gets: {"seconds": "10→8"}.
        cost: The price of one job in USD; 0 if it is not known.
        delivery: The probability that the job delivers.
        seconds: Expected from create to the video, where it delivers.
        score: What the policy makes of price, time and failures for a delivered video, in
            dollars of its own, the least first; in a written order the place in it.
        p95_seconds: The time that 19 of 20 of its jobs stay within, if known.
        why: What beside the score has put it where it is.
        is_priced: Whether its price is known; else it is ordered as if it were the dearest.
    """

    service: Service
    order: Order
    substituted: Mapping[str, str]
    cost: Decimal
    delivery: float
    seconds: float
    score: float
    p95_seconds: float | None = None
    reasons: tuple[RankingReason, ...] = ()
    is_priced: bool = True

    @property
    def expected_cost(self) -> Decimal:
        """Return the price of a video that arrives, in USD, if this service alone is asked."""
        if self.service.upstream.bills is BillingBasis.DELIVERIES:
            return self.cost
        return (self.cost / Decimal(self.delivery)).quantize(Decimal("0.000001"))

    @property
    def expected_seconds(self) -> float:
        """Return how long a video that arrives takes, if this service alone is asked."""
        return self.seconds / self.delivery


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A service that is left out, and why.

    Args:
        service: Which.
        reason: Why.
        param: The field that it cannot serve, "" where it is none.
        asked: What was asked for.
        allowed: What it takes in its place.
        wait: For how long it is left alone, where that is known.
    """

    service: ServiceId
    reason: ExclusionReason
    param: str = ""
    requested: str = ""
    allowed: str = ""
    wait: timedelta | None = None

    @property
    def message(self) -> str:  # noqa: PLR0911  # one sentence for each bar
        """Return one clause for an error message."""
        match self.reason:
            case ExclusionReason.CAPABILITY:
                offers = f"; it takes {self.allowed}" if self.allowed else ""
                return f"cannot serve {self.param} {self.requested}".rstrip() + offers
            case ExclusionReason.CIRCUIT_OPEN if self.wait is not None:
                return f"is left alone for another {self.wait.total_seconds():.0f} s"
            case ExclusionReason.BLOCKED:
                return "cannot be asked until its operator has seen to it"
            case ExclusionReason.BUDGET:
                return "has no known price, and there is a limit to what may be spent"
            case ExclusionReason.POLICY:
                return f"the policy takes no {self.requested} service"
            case ExclusionReason.MAINTENANCE:
                return "is under maintenance"
            case ExclusionReason.TRIED:
                return "was tried before"
            case _:
                return f"is {self.reason.value}"


@dataclass(frozen=True, slots=True)
class Ranking:
    """Services in the order in which they are to be asked, and those that are left out."""

    choices: tuple[Choice, ...]
    excluded: tuple[Exclusion, ...] = field(default=())

    @property
    def retry_after(self) -> timedelta | None:
        """Return when the first that is only left alone may be asked again; None for none."""
        return min((each.wait for each in self.excluded if each.wait is not None), default=None)

    @property
    def may_change(self) -> bool:
        """Tell whether one that is left out may be asked later."""
        return any(each.reason in _TRANSIENT_REASONS for each in self.excluded)

    @property
    def delivery(self) -> float:
        """Return the probability that one of them delivers, all asked in turn."""
        failing = 1.0
        for choice in self.choices:
            failing *= 1 - choice.delivery
        return 1 - failing
