"""Prices, the cost of an order, and budgets, as exact decimals in US dollars."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import NamedTuple, TypeVar

from tallylight.model.order import Medium, Order

BUDGET_WINDOWS: Mapping[str, timedelta] = {
    "per_hour": timedelta(hours=1),
    "per_day": timedelta(hours=24),
    "per_month": timedelta(days=30),
}
"""The windows of a `Budget` by the names of its fields; each ends at the moment of the check."""

MICROS_PER_USD = Decimal(1_000_000)
"""The smallest amount that is counted is a millionth of a dollar."""

ANY_RESOLUTION = "*"
"""The key of the rate for all resolutions that have no rate of their own."""

_T = TypeVar("_T")


class PriceUnit(StrEnum):
    """The unit that a price is for."""

    PER_SECOND = "per_second"
    PER_CALL = "per_call"
    PER_BLOCK = "per_block"  # by steps of length, as Luma sells them: 10 s cost 3 times 5 s
    PER_MILLION_TOKENS = "per_million_tokens"


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one model at one provider.

    Args:
        rates: USD by resolution ("720p", "1080p", "4k"); "*" is the rate for all others. None at
            all if only silent rates are known.
        silent_rates: The rates without an audio track, where that is cheaper; a resolution that
            is missing here costs as much as with audio.
        blocks: For PER_BLOCK: the rates of each block by its length in seconds.
        tokens: For PER_MILLION_TOKENS: the estimated tokens of one second of video, or of one
            image, by resolution.
        quality_tokens: The same by quality, then by resolution, where quality is a lever.
    """

    unit: PriceUnit
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    silent_rates: Mapping[str, Decimal] = field(default_factory=dict)
    blocks: Mapping[int, Mapping[str, Decimal]] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    quality_tokens: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    per_input_image: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard limits of spending in USD; None for a window without a limit."""

    per_hour: Decimal | None = None
    per_day: Decimal | None = None
    per_month: Decimal | None = None

    @property
    def limits(self) -> Mapping[str, Decimal]:
        """Return the limits that are set, by the names of their windows."""
        limits = {"per_hour": self.per_hour, "per_day": self.per_day, "per_month": self.per_month}
        return {name: limit for name, limit in limits.items() if limit is not None}


class ExceededLimit(NamedTuple):
    """The limit that a spending would exceed, in USD, with the name of its window."""

    window: str
    limit: Decimal


def exceeded_limit(
    budget: Budget, requested: Decimal, spent: Mapping[str, int | Decimal]
) -> ExceededLimit | None:
    """Return the first limit that a spending would exceed, None if it exceeds none.

    Args:
        budget: The limits.
        requested: The spending in USD.
        spent: What was spent or reserved in the window of each limit, in millionths of a dollar.
    """
    amount = to_micro_usd(requested)
    for name, limit in budget.limits.items():
        if spent[name] + amount > limit * MICROS_PER_USD:
            return ExceededLimit(name, limit)
    return None


def to_micro_usd(amount: Decimal) -> int:
    """Return USD as whole millionths, rounded up, so that sums are exact and never too low.

    Raises:
        ValueError: if the amount is below zero.
    """
    if amount < 0:
        raise ValueError(f"amount below zero: {amount}")
    return int((amount * MICROS_PER_USD).to_integral_value(ROUND_CEILING))


def to_optional_micro_usd(amount: Decimal | None) -> int | None:
    """Return USD as whole millionths like `to_micro_usd`; None for an amount that is not known."""
    return None if amount is None else to_micro_usd(amount)


def from_micro_usd(micros: int | None) -> Decimal | None:
    """Return the USD of whole millionths; None for an amount that is not known."""
    return None if micros is None else Decimal(micros) / MICROS_PER_USD


def cost_of(price: Price, order: Order) -> Decimal:
    """Return the cost of an order in USD.

    A picture has no length (`seconds` is None); its tokens count once.

    Raises:
        LookupError: if the price has no rate for the order's frame, length, sound or quality.
    """
    surcharge = price.per_input_image * order.input_images
    return _unit_cost(price, order) * order.count + surcharge


def _unit_cost(price: Price, order: Order) -> Decimal:
    match price.unit:
        case PriceUnit.PER_SECOND:
            return _rate(price, order) * _known_seconds(order)
        case PriceUnit.PER_CALL:
            return _rate(price, order)
        case PriceUnit.PER_BLOCK:
            return _for_resolution(_block(price, _known_seconds(order)), order, "rate")
        case PriceUnit.PER_MILLION_TOKENS:
            return _rate(price, order) * _tokens(price, order) * _token_units(order) / 1_000_000


def cost_of_tokens(price: Price, order: Order, tokens: Decimal) -> Decimal:
    """Return the cost of an order in USD by the tokens that it took.

    Raises:
        LookupError: if the price is not by the token, or has no rate for the order's frame.
    """
    if price.unit is not PriceUnit.PER_MILLION_TOKENS:
        raise LookupError("no rate by the token")
    return _any_rate(price, order) * tokens / 1_000_000


def _token_units(order: Order) -> int:
    is_of_film = any(each.medium is Medium.VIDEO for each in order.inputs)
    return _known_seconds(order) if order.seconds or is_of_film else 1


def _known_seconds(order: Order) -> int:
    if not order.seconds:
        raise LookupError("no rate by the length without a length")
    return order.seconds


def _rate(price: Price, order: Order) -> Decimal:
    if order.quality and not price.quality_tokens:
        raise LookupError(f"no rate for the quality {order.quality}")
    return _any_rate(price, order)


def _any_rate(price: Price, order: Order) -> Decimal:
    """Return the rate of an order in any quality."""
    if order.audio is False and price.silent_rates:
        try:
            return _for_resolution(price.silent_rates, order, "rate without sound")
        except LookupError:
            pass  # silent videos of this resolution cost as much as others
    return _for_resolution(price.rates, order, "rate")


def _tokens(price: Price, order: Order) -> int:
    if not order.quality:
        return _for_resolution(price.tokens, order, "estimate of tokens")
    by_quality = price.quality_tokens.get(order.quality, {})
    return _for_resolution(by_quality, order, f"estimate of tokens in {order.quality} quality")


def _block(price: Price, seconds: int) -> Mapping[str, Decimal]:
    lengths = sorted(price.blocks)
    fitting = next((length for length in lengths if length >= seconds), None)
    if fitting is None:
        known = ", ".join(f"{length} s" for length in lengths) or "none"
        raise LookupError(f"no block for {seconds} s; there is {known}")
    return price.blocks[fitting]


def _for_resolution(values: Mapping[str, _T], order: Order, what: str) -> _T:
    if order.frame is None:
        if values.keys() == {ANY_RESOLUTION}:
            return values[ANY_RESOLUTION]  # a price for all resolutions needs no frame
        raise LookupError(f"no {what} without a frame")
    resolution = order.frame.resolution
    value = values.get(resolution, values.get(ANY_RESOLUTION))
    if value is None:
        known = ", ".join(values) or "none at all"
        raise LookupError(f"no {what} for {resolution}; there is one for {known}")
    return value
