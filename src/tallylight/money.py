"""Prices and what an order costs by them; exact decimals in US dollars."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tallylight.terms import Order


class PriceUnit(StrEnum):
    """What a price is for."""

    PER_SECOND = "per_second"
    PER_CALL = "per_call"
    PER_BLOCK = "per_block"  # buckets of length, as Luma sells them: 10 s cost 3 times 5 s
    PER_MILLION_TOKENS = "per_million_tokens"


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider asks for one model.

    Args:
        unit: What the rates are for.
        rates: USD by resolution ("720p", "1080p", "4k"); "*" is the rate for all others.
        silent_rates: The same without an audio track, where that is cheaper.
        blocks: For PER_BLOCK: by length in seconds, the rates of that block.
        tokens: For PER_MILLION_TOKENS: the tokens that one second of video, or one image, is
            estimated to take, by resolution.
        per_input_image: Surcharge for each reference image.
    """

    unit: PriceUnit
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    silent_rates: Mapping[str, Decimal] = field(default_factory=dict)
    blocks: Mapping[int, Mapping[str, Decimal]] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    per_input_image: Decimal = Decimal(0)


def resolution_of(size: str) -> str:
    """Return the resolution class of a size: "1280x720" is "720p", "3840x2160" is "4k"."""
    width, _, height = size.partition("x")
    lines = min(int(width), int(height))
    return "4k" if lines >= 2160 else f"{lines}p"  # noqa: PLR2004  # UHD has 2160 lines


def cost_of(price: Price, order: Order, *, audio: bool = True, input_images: int = 0) -> Decimal:
    """Return what an order costs in USD.

    Raises:
        LookupError: if the price has no rate for the order's size or length.
    """
    resolution = resolution_of(order.size)
    surcharge = price.per_input_image * input_images
    rates = price.rates if audio or not price.silent_rates else price.silent_rates
    match price.unit:
        case PriceUnit.PER_SECOND:
            return _rate(rates, resolution) * order.seconds + surcharge
        case PriceUnit.PER_CALL:
            return _rate(rates, resolution) + surcharge
        case PriceUnit.PER_BLOCK:
            block = min(length for length in price.blocks if length >= order.seconds)
            return _rate(price.blocks[block], resolution) + surcharge
        case PriceUnit.PER_MILLION_TOKENS:
            tokens = price.tokens.get(resolution) or price.tokens["*"]
            return _rate(rates, resolution) * tokens * order.seconds / 1_000_000 + surcharge


def _rate(rates: Mapping[str, Decimal], resolution: str) -> Decimal:
    rate = rates.get(resolution, rates.get("*"))
    if rate is None:
        raise LookupError(f"no rate for {resolution}; there is one for {', '.join(rates)}")
    return rate
