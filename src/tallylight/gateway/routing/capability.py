"""Fits a request to the lengths, sizes and operations that a service allows.

A value that the caller set is changed only if the route allows it. A value that the caller left out
is chosen: the length nearest to the Videos API's default, the cheapest size of the aspect ratio.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallylight.catalogue.orders import order_cost, upload_cost
from tallylight.catalogue.services import FactSheet, Medium, Service
from tallylight.model.order import Operation, Order

DEFAULT_SECONDS = 4
DEFAULT_SIZE = "720x1280"
"""The Videos API's defaults for a request without a length or a size."""

_RATIO_TOLERANCE = 0.02  # 854x480 counts as 16:9, and 854/480 is 1.779
_MAX_SIZE_LENGTH = 11
_MAX_CACHED = 512


@dataclass(frozen=True, slots=True)
class Features:
    """What a service's protocol and dialect support.

    Args:
        operations: The supported operations.
        takes_reference: A reference image is supported.
        takes_url: The reference may be a URL, not only bytes.
        takes_characters: Characters that were created before are supported.
    """

    operations: frozenset[Operation] = frozenset({Operation.CREATE})
    takes_reference: bool = False
    takes_url: bool = False
    takes_characters: bool = False


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A field that a service cannot serve: the requested value and the allowed ones."""

    param: str
    requested: str
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The length, size and price with which a service can serve a request.

    Args:
        seconds: The length.
        size: The size.
        cost: In USD; None if the price is not known.
        cost_usd: The same as a float, for scores; 0.0 if the price is not known.
    """

    seconds: int
    size: str
    cost: Decimal | None
    cost_usd: float


class Requirements(NamedTuple):
    """What a request requires of a service; computed once for all services.

    Args:
        operation: The operation.
        seconds: The length; 0 if we choose it.
        size: The size; "" if we choose it.
        has_reference: The request has a reference image or video.
        has_url: The reference is a URL.
        has_characters: The request names characters.
        aspect_ratio: The requested aspect ratio, "16:9"; "" for none.
        chooses_seconds: The caller left the length to us.
        chooses_size: The caller left the size to us.
        substitutes_seconds: The nearest length may replace the requested one.
        substitutes_size: The nearest size may replace the requested one.
    """

    operation: Operation
    seconds: int
    size: str
    has_reference: bool
    has_url: bool
    has_characters: bool
    aspect_ratio: str
    chooses_seconds: bool
    chooses_size: bool
    substitutes_seconds: bool
    substitutes_size: bool


def requirements_of(
    order: Order, chosen: Collection[str] = (), substitutes: Collection[str] = ()
) -> Requirements:
    """Return what a request requires of a service.

    Args:
        order: What the caller requested.
        chosen: Fields that the caller left out: "seconds", "size".
        substitutes: Fields for which the nearest allowed value may replace the requested one.
    """
    aspect_ratio = order.extras.get("aspect_ratio") if order.extras else None
    chooses_seconds, chooses_size = "seconds" in chosen, "size" in chosen
    return Requirements(
        order.operation,
        0 if chooses_seconds else order.seconds,
        "" if chooses_size else order.size,
        order.reference is not None,
        order.reference is not None and bool(order.reference.url),
        bool(order.characters),
        aspect_ratio if isinstance(aspect_ratio, str) else "",
        chooses_seconds,
        chooses_size,
        "seconds" in substitutes,
        "size" in substitutes,
    )


class Capability:
    """The requests that one service can serve; caches results, as requests are often alike."""

    __slots__ = ("_features", "_matches", "service")

    def __init__(self, service: Service, features: Features) -> None:
        self.service = service
        self._features = features
        self._matches: dict[Requirements, Match | Mismatch] = {}

    def match(self, requirements: Requirements) -> Match | Mismatch:
        """Return how the service can serve a request, or the field that it cannot serve."""
        match = self._matches.get(requirements)
        if match is None:
            if len(self._matches) >= _MAX_CACHED:
                self._matches.clear()
            match = _match_service(self.service, self._features, requirements)
            self._matches[requirements] = match
        return match


def _match_service(
    service: Service, features: Features, requirements: Requirements
) -> Match | Mismatch:
    operation = requirements.operation
    if service.sheet.medium is not Medium.VIDEO:
        return Mismatch("model", service.model, "requests for images")
    if operation not in features.operations:
        return Mismatch("operation", operation, ", ".join(sorted(features.operations)))
    if operation is Operation.CREATE and (mismatch := _reference_mismatch(features, requirements)):
        return mismatch
    if requirements.has_characters and not features.takes_characters:
        return Mismatch("characters", "")
    if operation in {Operation.REMIX, Operation.EDIT}:
        return _match_rework(service.sheet, requirements)
    return _match_measures(service, requirements)


def _reference_mismatch(features: Features, requirements: Requirements) -> Mismatch | None:
    if requirements.has_reference and not features.takes_reference:
        return Mismatch("input_reference", "")
    if requirements.has_url and not features.takes_url:
        return Mismatch("input_reference", "as a URL", "bytes")
    return None


def _match_rework(sheet: FactSheet, requirements: Requirements) -> Match:
    """Return the match of a remix or an edit, which has the length and size of its source."""
    seconds = requirements.seconds or DEFAULT_SECONDS
    size = requirements.size or DEFAULT_SIZE
    if requirements.has_reference:
        return _match_of(seconds, size, upload_cost(sheet, 0))
    return _match_of(seconds, size, order_cost(sheet, Order("", seconds, size)))


def _match_measures(service: Service, requirements: Requirements) -> Match | Mismatch:
    sheet, is_create = service.sheet, requirements.operation is Operation.CREATE
    # The fact sheet's lengths are those of a new video, not of the part that an extension adds.
    seconds = _match_seconds(requirements, sheet.lengths if is_create else ())
    if isinstance(seconds, Mismatch):
        return seconds
    size = (
        _choose_size(service, seconds, requirements.aspect_ratio)
        if requirements.chooses_size
        else _match_size(requirements, sheet.sizes)
    )
    if isinstance(size, Mismatch):
        return size
    if requirements.has_reference and not is_create:
        cost = upload_cost(sheet, seconds)
    else:
        images = int(requirements.has_reference)
        cost = order_cost(sheet, Order("", seconds, size), input_images=images)
    return _match_of(seconds, size, cost)


def _match_of(seconds: int, size: str, cost: Decimal | None) -> Match:
    return Match(seconds, size, cost, float(cost or 0))


def _match_seconds(requirements: Requirements, lengths: Sequence[int]) -> int | Mismatch:
    seconds = requirements.seconds
    if requirements.chooses_seconds:
        return min(lengths, key=lambda each: abs(each - DEFAULT_SECONDS), default=DEFAULT_SECONDS)
    if not lengths or seconds in lengths:
        return seconds
    if requirements.substitutes_seconds:
        return min(lengths, key=lambda each: (abs(each - seconds), each))
    return Mismatch("seconds", str(seconds), ", ".join(map(str, lengths)))


def _match_size(requirements: Requirements, sizes: Sequence[str]) -> str | Mismatch:
    size = requirements.size
    if not sizes or size in sizes:
        return size
    alike = _sizes_of_ratio(sizes, _aspect_ratio(size))
    if requirements.substitutes_size and alike:
        return min(alike, key=lambda each: abs(_pixel_count(each) - _pixel_count(size)))
    return Mismatch("size", size, ", ".join(sizes))


def _choose_size(service: Service, seconds: int, aspect_ratio: str) -> str | Mismatch:
    """Return the cheapest size of an aspect ratio ("16:9", "" for any).

    If several are equally cheap, the API's default is preferred.
    """
    sizes = service.sheet.sizes
    ratio = _aspect_ratio(aspect_ratio.replace(":", "x"))
    if ratio is not None and sizes:
        sizes = _sizes_of_ratio(sizes, ratio)
        if not sizes:
            return Mismatch("aspect_ratio", aspect_ratio, ", ".join(service.sheet.sizes))
    if not sizes:
        return DEFAULT_SIZE
    costs = {each: order_cost(service.sheet, Order("", seconds, each)) for each in sizes}
    cheapest = min((cost for cost in costs.values() if cost is not None), default=None)
    best = [each for each in sizes if costs[each] == cheapest]
    return DEFAULT_SIZE if DEFAULT_SIZE in best else (best or sizes)[0]


def _sizes_of_ratio(sizes: Sequence[str], ratio: float | None) -> tuple[str, ...]:
    """Return the sizes of an aspect ratio; none if the ratio is None."""
    return tuple(
        size
        for size in sizes
        if ratio is not None
        and (own := _aspect_ratio(size)) is not None
        and abs(own - ratio) <= _RATIO_TOLERANCE * ratio
    )


def _aspect_ratio(size: str) -> float | None:
    """Return width divided by height; None if the text is not a size."""
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or len(size) > _MAX_SIZE_LENGTH:
        return None
    return int(width) / int(height) if int(height) else None


def _pixel_count(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height)
