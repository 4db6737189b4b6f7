"""Maps an order onto what a service can be asked for.

Nothing is changed that the caller wrote unless the route allows it; what the caller left out is
chosen: the length nearest to the Videos API's own default, the cheapest size of the wanted shape.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallylight.catalogue.services import Medium, Service
from tallylight.money import cost_of
from tallylight.terms import Operation, Order

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
        takes_characters: Characters that were made before.
    """

    operations: frozenset[Operation] = frozenset({Operation.CREATE})
    takes_reference: bool = False
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
        substituted: By field what was asked for and what is given.
    """

    seconds: int
    size: str
    cost: Decimal | None
    substituted: Mapping[str, str] = field(default_factory=dict)

    def applied(self, order: Order) -> Order:
        """Return the order as the service is asked."""
        if (order.seconds, order.size) == (self.seconds, self.size):
            return order
        return replace(order, seconds=self.seconds, size=self.size)


_Wish = tuple[Operation, int, str, bool, bool, str, bool, bool, bool, bool]


class Capability:
    """What one service can be asked for; remembers its answers, since requests are much alike."""

    __slots__ = ("_answers", "_skills", "service")

    def __init__(self, service: Service, skills: Skills) -> None:
        self.service = service
        self._skills = skills
        self._answers: dict[_Wish, Fit | Misfit] = {}

    def fit(
        self, order: Order, chosen: Collection[str] = (), substitutes: Collection[str] = ()
    ) -> Fit | Misfit:
        """Return how the service is asked, or what it cannot serve.

        Args:
            order: What is asked for.
            chosen: The fields that the caller left out: "seconds", "size".
            substitutes: The fields whose nearest allowed value may stand in.
        """
        shape = order.extras.get("aspect_ratio") if order.extras else None
        wish: _Wish = (
            order.operation,
            order.seconds,
            order.size,
            order.reference is not None,
            bool(order.characters),
            shape if isinstance(shape, str) else "",
            "seconds" in chosen,
            "size" in chosen,
            "seconds" in substitutes,
            "size" in substitutes,
        )
        answer = self._answers.get(wish)
        if answer is None:
            if len(self._answers) >= _MOST_REMEMBERED:
                self._answers.clear()
            answer = self._answers[wish] = _answer(self.service, self._skills, wish)
        return answer


def _answer(service: Service, skills: Skills, wish: _Wish) -> Fit | Misfit:
    operation, seconds, size, has_reference, has_characters, shape, *_ = wish
    if service.sheet.medium is not Medium.VIDEO:
        return Misfit("model", service.model, "orders for images")
    if operation not in skills.operations:
        return Misfit("operation", operation, ", ".join(sorted(skills.operations)))
    if has_reference and operation is Operation.CREATE and not skills.takes_reference:
        return Misfit("input_reference", "")
    if has_characters and not skills.takes_characters:
        return Misfit("characters", "")
    if operation in {Operation.REMIX, Operation.EDIT}:
        return Fit(seconds, size, _cost(service, seconds, size, images=0))
    return _measured(service, wish, shape)


def _measured(service: Service, wish: _Wish, shape: str) -> Fit | Misfit:
    operation, seconds, size, has_reference = wish[:4]
    picks_seconds, picks_size, gives_seconds, gives_size = wish[6:]
    sheet = service.sheet
    # What an extension adds has limits of its own, which no fact sheet knows.
    lengths = sheet.lengths if operation is Operation.CREATE else ()
    length = _length(seconds, lengths, picks=picks_seconds, gives=gives_seconds)
    images = int(has_reference and operation is Operation.CREATE)
    if isinstance(length, Misfit):
        return length
    frame = (
        _chosen_size(service, length, shape)
        if picks_size
        else _size(size, sheet.sizes, gives=gives_size)
    )
    if isinstance(frame, Misfit):
        return frame
    told = {
        name: f"{asked}→{given}"
        for name, asked, given, is_ours in (
            ("seconds", str(seconds), str(length), picks_seconds),
            ("size", size, frame, picks_size),
        )
        if asked != given and not is_ours
    }
    return Fit(length, frame, _cost(service, length, frame, images=images), told)


def _length(seconds: int, lengths: Sequence[int], *, picks: bool, gives: bool) -> int | Misfit:
    if picks:
        return min(lengths, key=lambda each: abs(each - USUAL_SECONDS), default=USUAL_SECONDS)
    if not lengths or seconds in lengths:
        return seconds
    if gives:
        return min(lengths, key=lambda each: (abs(each - seconds), each))
    return Misfit("seconds", str(seconds), ", ".join(map(str, lengths)))


def _size(size: str, sizes: Sequence[str], *, gives: bool) -> str | Misfit:
    if not sizes or size in sizes:
        return size
    alike = [each for each in sizes if _is_alike(_shape(each), _shape(size))]
    if gives and alike:
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
