"""Which service to use for what: the values that all faces show, and who works them out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from tallylight.catalogue.services import Service
from tallylight.model.verdict import Verdict

SIZE_PATTERN = r"^([1-9]\d{1,4}x[1-9]\d{1,4})?$"
"""How a size is written, or none."""

_SIZE = re.compile(SIZE_PATTERN)

MAX_SECONDS = 3600


def is_valid_size(text: str) -> bool:
    """Tell whether a text is a size, or empty."""
    return _SIZE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class RecommendationQuery:
    """What is to be made.

    Args:
        policy: A preset or a preference by its name; "" for the model's own.
        seconds: The length; None leaves it to each service.
        size: "1280x720"; "" leaves it to each service.
        model: A route by its name; "" for all services.
    """

    policy: str = ""
    seconds: int | None = None
    size: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class RankedService:
    """A service that can be asked.

    Args:
        service: Which.
        verdict: What stands about it.
        seconds: The length that it would be asked for.
        size: The size.
        cost: The price of one job in USD; None if it is not known.
        expected_cost: The price of a video that arrives.
        job_time: How long a job takes that delivers.
        expected_time: How long a video that arrives takes.
        delivery: The probability that a job delivers.
        why: What beside price, time and delivery has put it where it is: codes of the routing.
    """

    service: Service
    verdict: Verdict
    seconds: int
    size: str
    cost: Decimal | None
    expected_cost: Decimal | None
    job_time: timedelta
    expected_time: timedelta
    success_probability: float
    reason_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExcludedService:
    """A service that is not asked.

    Args:
        service: Which.
        verdict: What stands about it.
        reason: A code of the routing.
        param: The field that it cannot serve, "" where it is none.
        asked: What was asked for.
        allowed: What it takes.
    """

    service: Service
    verdict: Verdict
    reason: str
    param: str = ""
    requested: str = ""
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The services in the order in which a request would be offered to them.

    Args:
        wanted: What is to be made, with the policy that holds.
        ranked: The best first.
        left_out: The others.
        delivery: The probability that one of them delivers, all asked in turn.
    """

    query: RecommendationQuery
    ranked: tuple[RankedService, ...]
    excluded: tuple[ExcludedService, ...]
    success_probability: float


class RecommendationSource(Protocol):
    """Who knows how requests are routed."""

    def policies(self) -> Sequence[str]:
        """Return the names of the presets and preferences."""
        ...

    def models(self) -> Sequence[str]:
        """Return the names of the routes."""
        ...

    def recommend(self, query: RecommendationQuery) -> Recommendation:
        """Return the services as the gateway would rank them now.

        Raises:
            LookupError: if there is no such policy or model; its text names those that there are.
        """
        ...
