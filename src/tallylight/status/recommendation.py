"""The values that describe which service to use for a request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from tallylight.catalogue.services import Service
from tallylight.model.verdict import Verdict

SIZE_PATTERN = r"^([1-9]\d{1,4}x[1-9]\d{1,4})?$"
_SIZE = re.compile(SIZE_PATTERN)
"""A size such as "1280x720", or an empty text."""

MAX_SECONDS = 3600


_WRITTEN_SIZE = re.compile(r"(\d{2,5})\s*[xX×*]\s*(\d{2,5})|(\d{3,4})[pP]")
_WRITTEN_SECONDS = re.compile(r"(\d{1,4})\s*(?:s|sec|seconds|秒)?")


def read_size(text: str) -> str | None:
    """Return a size as a person writes it in its usual form, None if it is not understood.

    "1280×720" and "1280 * 720" are "1280x720"; "720p" is the wide size of so many lines.
    """
    found = _WRITTEN_SIZE.fullmatch(text.strip())
    if found is None:
        return None if text.strip() else ""
    lines = found[3]
    written = f"{found[1]}x{found[2]}" if lines is None else f"{_wide(int(lines))}x{int(lines)}"
    return written if _SIZE.fullmatch(written) else None


def _wide(lines: int) -> int:
    """Return the width of a picture of 16:9; an even number, as codecs need."""
    return round(lines * 16 / 9 / 2) * 2


def read_seconds(text: str) -> int | None:
    """Return a length, 0 for none, and None if it is not understood or too long."""
    found = _WRITTEN_SECONDS.fullmatch(text.strip())
    if found is None:
        return None if text.strip() else 0
    seconds = int(found[1])
    return seconds if 1 <= seconds <= MAX_SECONDS else None


@dataclass(frozen=True, slots=True)
class RecommendationQuery:
    """The request to rank services for.

    Args:
        policy: Name of a preset or a preference; "" for the route's own.
        seconds: Length of the video; None for each service's default.
        size: "1280x720"; "" for each service's default.
        model: Name of a route; "" for all services.
    """

    policy: str = ""
    seconds: int | None = None
    size: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class RankedService:
    """A service that can serve the request.

    Args:
        seconds: The length that would be requested.
        size: The size that would be requested.
        cost: Price of one job in USD; None if unknown.
        expected_cost: Expected price of a delivered video in USD; None if unknown.
        job_time: Duration of a job that delivers.
        expected_time: Expected time to a delivered video, with failed attempts.
        success_probability: Probability that a job delivers, 0.0 to 1.0.
        reason_codes: The router's codes for what ranks it beside price, time and success.
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
    """A service that the request is not sent to.

    Args:
        reason: The router's code.
        param: The request's field that it cannot serve, or "".
        requested: The requested value; the kind of failure or of access for other reasons.
        allowed: The values that it accepts, or "".
    """

    service: Service
    verdict: Verdict
    reason: str
    param: str = ""
    requested: str = ""
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The services in the order in which the gateway would try them.

    Args:
        query: The request, with the policy that applies.
        ranked: The best first.
        success_probability: Probability that one of them delivers if all are tried, 0.0 to 1.0.
    """

    query: RecommendationQuery
    ranked: tuple[RankedService, ...]
    excluded: tuple[ExcludedService, ...]
    success_probability: float


class RecommendationSource(Protocol):
    """Ranks services for a request."""

    def policies(self) -> Sequence[str]:
        """Return the names of the presets and preferences."""
        ...

    def models(self) -> Sequence[str]:
        """Return the names of the routes."""
        ...

    def recommend(self, query: RecommendationQuery) -> Recommendation:
        """Return the services as the gateway would rank them now.

        Raises:
            LookupError: if the policy or the model does not exist; its text names those that do.
        """
        ...
