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

USUAL_SECONDS = 4
USUAL_SIZE = "720x1280"
"""What the Videos API makes of a request that names neither."""

_SAME_SHAPE = 0.02  # 854x480 is called 16:9 and is 1.779
_LONGEST_SIZE = 11
_MOST_REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class Skills:
    """What a service's protocol and dialect can carry.

    Args:
        operations: The ways of making a video.
        takes_reference: A picture to begin from.
        takes_address: Such a picture's address, and not only its bytes.
        takes_characters: Characters that were made before.
    """

    operations: frozenset[Operation] = frozenset({Operation.CREATE})
    takes_reference: bool = False
    takes_address: bool = False
    takes_characters: bool = False


@dataclass(frozen=True, slots=True)
class Misfit:
    """What a service cannot serve: the field, what was asked for, what it takes instead."""

    param: str
    asked: str
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
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
    dollars: float
    substituted: Mapping[str, str] = field(default_factory=dict)


class Wish(NamedTuple):
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
    has_address: bool
    has_characters: bool
    shape: str
    picks_seconds: bool
    picks_size: bool
    gives_seconds: bool
    gives_size: bool


def wish_of(order: Order, chosen: Collection[str] = (), substitutes: Collection[str] = ()) -> Wish:
    """Return what of a request decides how a service is asked.

    Args:
        order: What is asked for.
        chosen: The fields that the caller left out: "seconds", "size".
        substitutes: The fields whose nearest allowed value may stand in.
    """
    shape = order.extras.get("aspect_ratio") if order.extras else None
    picks_seconds, picks_size = "seconds" in chosen, "size" in chosen
    return Wish(
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

    __slots__ = ("_answers", "_skills", "service")

    def __init__(self, service: Service, skills: Skills) -> None:
        self.service = service
        self._skills = skills
        self._answers: dict[Wish, Fit | Misfit] = {}

    def fit(self, wish: Wish) -> Fit | Misfit:
        """Return how the service is asked, or what it cannot serve."""
        answer = self._answers.get(wish)
        if answer is None:
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            answer = self._answers[wish] = _answer(self.service, self._skills, wish)
        return answer


def _answer(service: Service, skills: Skills, wish: Wish) -> Fit | Misfit:
    operation = wish.operation
    if service.sheet.medium is not Medium.VIDEO:
        return Misfit("model", service.model, "orders for images")
    if operation not in skills.operations:
        return Misfit("operation", operation, ", ".join(sorted(skills.operations)))
    if operation is Operation.CREATE and (misfit := _misfit_of_picture(skills, wish)):
        return misfit
    if wish.has_characters and not skills.takes_characters:
        return Misfit("characters", "")
    if operation in {Operation.REMIX, Operation.EDIT}:
        # Nobody knows how long a film is that came along.
        return _fit(service, wish.seconds or USUAL_SECONDS, wish.size or USUAL_SIZE)
    return _measured(service, wish)


def _misfit_of_picture(skills: Skills, wish: Wish) -> Misfit | None:
    if wish.has_reference and not skills.takes_reference:
        return Misfit("input_reference", "")
    if wish.has_address and not skills.takes_address:
        return Misfit("input_reference", "by its address", "its bytes")
    return None


def _measured(service: Service, wish: Wish) -> Fit | Misfit:
    sheet, is_create = service.sheet, wish.operation is Operation.CREATE
    # What an extension adds has limits of its own, which no fact sheet knows.
    lengths = sheet.lengths if is_create else ()
    length = _length(wish, lengths)
    if isinstance(length, Misfit):
        return length
    frame = (
        _chosen_size(service, length, wish.shape) if wish.picks_size else _size(wish, sheet.sizes)
    )
    if isinstance(frame, Misfit):
        return frame
    told = {}
    if not wish.picks_seconds and length != wish.seconds:
        told["seconds"] = f"{wish.seconds}→{length}"
    if not wish.picks_size and frame != wish.size:
        told["size"] = f"{wish.size}→{frame}"
    return _fit(service, length, frame, told, images=int(is_create and wish.has_reference))


def _fit(
    service: Service,
    seconds: int,
    size: str,
    substituted: Mapping[str, str] | None = None,
    *,
    images: int = 0,
) -> Fit:
    cost = _cost(service, seconds, size, images=images)
    return Fit(seconds, size, cost, float(cost or 0), substituted or {})


def _length(wish: Wish, lengths: Sequence[int]) -> int | Misfit:
    seconds = wish.seconds
    if wish.picks_seconds:
        return min(lengths, key=lambda each: abs(each - USUAL_SECONDS), default=USUAL_SECONDS)
    if not lengths or seconds in lengths:
        return seconds
    if wish.gives_seconds:
        return min(lengths, key=lambda each: (abs(each - seconds), each))
    return Misfit("seconds", str(seconds), ", ".join(map(str, lengths)))


def _size(wish: Wish, sizes: Sequence[str]) -> str | Misfit:
    size = wish.size
    if not sizes or size in sizes:
        return size
    alike = [each for each in sizes if _is_alike(_shape(each), _shape(size))]
    if wish.gives_size and alike:
        return min(alike, key=lambda each: abs(_pixels(each) - _pixels(size)))
    return Misfit("size", size, ", ".join(sizes))


def _chosen_size(service: Service, seconds: int, shape: str) -> str | Misfit:
    """Return the cheapest size of a shape ("16:9", "" for any); the API's own if it is none."""
    sizes = service.sheet.sizes
    wanted = _shape(shape.replace(":", "x"))
    if wanted is not None and sizes:
        sizes = tuple(each for each in sizes if _is_alike(_shape(each), wanted))
        if not sizes:
            return Misfit("aspect_ratio", shape, ", ".join(service.sheet.sizes))
    if not sizes:
        return USUAL_SIZE
    costs = {each: _cost(service, seconds, each, images=0) for each in sizes}
    cheapest = min((cost for cost in costs.values() if cost is not None), default=None)
    best = [each for each in sizes if costs[each] == cheapest]
    return USUAL_SIZE if USUAL_SIZE in best else (best or list(sizes))[0]


def _cost(service: Service, seconds: int, size: str, *, images: int) -> Decimal | None:
    price = service.sheet.price
    if price is None:
        return None
    try:
        return cost_of(price, Order("", seconds, size), input_images=images)
    except LookupError:
        return None


def _shape(size: str) -> float | None:
    """Return width over height, None of what is no size."""
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or len(size) > _LONGEST_SIZE:
        return None
    return int(width) / int(height) if int(height) else None


def _is_alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return False
    return abs(one - other) <= _SAME_SHAPE * other


def _pixels(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height)
