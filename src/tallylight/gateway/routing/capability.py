"""Maps an order onto what a service can be asked for.

Nothing is changed that the caller wrote unless the route allows it; what the caller left out is
chosen: the length nearest to the Videos API's own default, the cheapest size of the wanted shape.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tallylight.catalogue.services import Medium, Service
from tallylight.model.money import cost_of
from tallylight.model.order import Operation, Order

DEFAULT_SECONDS = 4
DEFAULT_SIZE = "720x1280"
"""What the Videos API makes of a request that names neither."""

_RATIO_TOLERANCE = 0.02  # 854x480 is called 16:9 and is 1.779
_MAX_SIZE_LENGTH = 11
_MAX_CACHED = 512


@dataclass(frozen=True, slots=True)
class Features:
    """What a service's protocol and dialect can carry.

    Args:
        operations: The ways of making a video.
        takes_reference: A picture to begin from.
        takes_address: Such a picture's address, and not only its bytes.
        takes_characters: Characters that were made before.
    """

    operations: frozenset[Operation] = frozenset({Operation.CREATE})
    takes_reference: bool = False
    takes_url: bool = False
    takes_characters: bool = False


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What a service cannot serve: the field, what was asked for, what it takes instead."""

    param: str
    requested: str
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """How a service is asked.

    Args:
        seconds: The length.
        size: The size.
        cost: In USD, None if the price is not known.
        dollars: The same as a float to reckon with, 0.0 if it is not known.
        substituted: By field what was asked for and what is given.
    """

    seconds: int
    size: str
    cost: Decimal | None
    cost_usd: float
    substituted: Mapping[str, str] = field(default_factory=dict)


class Requirements(NamedTuple):
    """What of a request decides how a service is asked; made once for all services.

    Args:
        operation: How the video is made.
        seconds: The length.
        size: The size.
        has_reference: Whether there is a picture to begin from, or a film.
        has_address: Whether of that there is only the address.
        has_characters: Whether characters appear.
        shape: The aspect ratio that the request names, "16:9"; "" for none.
        picks_seconds: Whether the length is ours to choose.
        picks_size: Whether the size is.
        gives_seconds: Whether the nearest length may stand in.
        gives_size: Whether the nearest size may.
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
    """Return what of a request decides how a service is asked.

    Args:
        order: What is asked for.
        chosen: The fields that the caller left out: "seconds", "size".
        substitutes: The fields whose nearest allowed value may stand in.
    """
    shape = order.extras.get("aspect_ratio") if order.extras else None
    picks_seconds, picks_size = "seconds" in chosen, "size" in chosen
    return Requirements(
        order.operation,
        0 if picks_seconds else order.seconds,
        "" if picks_size else order.size,
        order.reference is not None,
        order.reference is not None and bool(order.reference.url),
        bool(order.characters),
        shape if isinstance(shape, str) else "",
        picks_seconds,
        picks_size,
        "seconds" in substitutes,
        "size" in substitutes,
    )


class Capability:
    """What one service can be asked for; remembers its answers, since requests are much alike."""

    __slots__ = ("_features", "_matches", "service")

    def __init__(self, service: Service, features: Features) -> None:
        self.service = service
        self._features = features
        self._matches: dict[Requirements, Match | Mismatch] = {}

    def match(self, requirements: Requirements) -> Match | Mismatch:
        """Return how the service is asked, or what it cannot serve."""
        answer = self._matches.get(requirements)
        if answer is None:
            if len(self._matches) >= _MAX_CACHED:
                self._matches.clear()
            answer = self._matches[requirements] = _match_service(
                self.service, self._features, requirements
            )
        return answer


def _match_service(
    service: Service, features: Features, requirements: Requirements
) -> Match | Mismatch:
    operation = requirements.operation
    if service.sheet.medium is not Medium.VIDEO:
        return Mismatch("model", service.model, "orders for images")
    if operation not in features.operations:
        return Mismatch("operation", operation, ", ".join(sorted(features.operations)))
    if operation is Operation.CREATE and (misfit := _reference_mismatch(features, requirements)):
        return misfit
    if requirements.has_characters and not features.takes_characters:
        return Mismatch("characters", "")
    if operation in {Operation.REMIX, Operation.EDIT}:
        # Nobody knows how long a film is that came along.
        return _priced_match(
            service, requirements.seconds or DEFAULT_SECONDS, requirements.size or DEFAULT_SIZE
        )
    return _match_measures(service, requirements)


def _reference_mismatch(features: Features, requirements: Requirements) -> Mismatch | None:
    if requirements.has_reference and not features.takes_reference:
        return Mismatch("input_reference", "")
    if requirements.has_url and not features.takes_url:
        return Mismatch("input_reference", "by its address", "its bytes")
    return None


def _match_measures(service: Service, requirements: Requirements) -> Match | Mismatch:
    sheet, is_create = service.sheet, requirements.operation is Operation.CREATE
    # What an extension adds has limits of its own, which no fact sheet knows.
    lengths = sheet.lengths if is_create else ()
    length = _match_seconds(requirements, lengths)
    if isinstance(length, Mismatch):
        return length
    frame = (
        _choose_size(service, length, requirements.aspect_ratio)
        if requirements.chooses_size
        else _match_size(requirements, sheet.sizes)
    )
    if isinstance(frame, Mismatch):
        return frame
    told = {}
    if not requirements.chooses_seconds and length != requirements.seconds:
        told["seconds"] = f"{requirements.seconds}→{length}"
    if not requirements.chooses_size and frame != requirements.size:
        told["size"] = f"{requirements.size}→{frame}"
    return _priced_match(
        service, length, frame, told, images=int(is_create and requirements.has_reference)
    )


def _priced_match(
    service: Service,
    seconds: int,
    size: str,
    substituted: Mapping[str, str] | None = None,
    *,
    images: int = 0,
) -> Match:
    cost = _cost(service, seconds, size, images=images)
    return Match(seconds, size, cost, float(cost or 0), substituted or {})


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
    alike = [each for each in sizes if _is_same_ratio(_aspect_ratio(each), _aspect_ratio(size))]
    if requirements.substitutes_size and alike:
        return min(alike, key=lambda each: abs(_pixel_count(each) - _pixel_count(size)))
    return Mismatch("size", size, ", ".join(sizes))


def _choose_size(service: Service, seconds: int, aspect_ratio: str) -> str | Mismatch:
    """Return the cheapest size of a shape ("16:9", "" for any); the API's own if it is none."""
    sizes = service.sheet.sizes
    wanted = _aspect_ratio(aspect_ratio.replace(":", "x"))
    if wanted is not None and sizes:
        sizes = tuple(each for each in sizes if _is_same_ratio(_aspect_ratio(each), wanted))
        if not sizes:
            return Mismatch("aspect_ratio", aspect_ratio, ", ".join(service.sheet.sizes))
    if not sizes:
        return DEFAULT_SIZE
    costs = {each: _cost(service, seconds, each, images=0) for each in sizes}
    cheapest = min((cost for cost in costs.values() if cost is not None), default=None)
    best = [each for each in sizes if costs[each] == cheapest]
    return DEFAULT_SIZE if DEFAULT_SIZE in best else (best or list(sizes))[0]


def _cost(service: Service, seconds: int, size: str, *, images: int) -> Decimal | None:
    price = service.sheet.price
    if price is None:
        return None
    try:
        return cost_of(price, Order("", seconds, size), input_images=images)
    except LookupError:
        return None


def _aspect_ratio(size: str) -> float | None:
    """Return width over height, None of what is no size."""
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or len(size) > _MAX_SIZE_LENGTH:
        return None
    return int(width) / int(height) if int(height) else None


def _is_same_ratio(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return False
    return abs(one - other) <= _RATIO_TOLERANCE * other


def _pixel_count(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height)
