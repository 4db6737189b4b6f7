"""Formats prices, always in US dollars."""

from collections.abc import Mapping
from decimal import Decimal

from tallylight.i18n import Translator
from tallylight.model.ledger import SpendingTotal
from tallylight.model.money import Price, PriceUnit


def format_usd(amount: Decimal) -> str:
    """Return an amount of US dollars, with two decimal places or as many as it needs, up to six."""
    exact = amount.normalize()
    exponent = exact.as_tuple().exponent
    digits = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"${amount:,.{min(digits, 6)}f}"


def format_amount(amount: Decimal | None, to: Translator) -> str:
    """Return an amount of US dollars, or that the price is not known."""
    return to.gettext("price unknown") if amount is None else format_usd(amount)


def format_total(total: SpendingTotal, to: Translator) -> str:
    """Return the known part of a total: "$1.20 or more" if some amounts are not known."""
    amount = format_amount(total.known_amount, to)
    is_partial = total.known_amount is not None and total.unknown_count > 0
    return to.gettext("%s or more") % amount if is_partial else amount


def format_price(price: Price | None, to: Translator) -> str:
    """Return a price: "$0.10 per second (720p), $0.30 per second (1080p)"."""
    if price is None:
        return to.gettext("price unknown")
    match price.unit:
        case PriceUnit.PER_SECOND:
            lines = _by_resolution(price.rates, to.gettext("%s per second"), to)
        case PriceUnit.PER_CALL:
            lines = _by_resolution(price.rates, to.gettext("%s per call"), to)
        case PriceUnit.PER_MILLION_TOKENS:
            lines = _by_resolution(price.rates, to.gettext("%s per million tokens"), to)
        case PriceUnit.PER_BLOCK:
            lines = [
                line
                for seconds, rates in sorted(price.blocks.items())
                for line in _by_resolution(
                    rates, to.gettext("%s for {seconds} s").format(seconds=seconds), to
                )
            ]
    return to.gettext(", ").join(lines + _extras(price, to))


def _by_resolution(rates: Mapping[str, Decimal], pattern: str, to: Translator) -> list[str]:
    lines = []
    for resolution, rate in rates.items():
        amount = to.gettext("free of charge") if rate == 0 else pattern % format_usd(rate)
        lines.append(amount if resolution == "*" else f"{amount} ({resolution})")
    return lines


def _extras(price: Price, to: Translator) -> list[str]:
    extras = []
    if price.silent_rates:
        cheapest = min(price.silent_rates.values())
        extras.append(to.gettext("without sound from %s") % format_usd(cheapest))
    if price.per_input_image:
        extras.append(
            to.gettext("%s more for each input image") % format_usd(price.per_input_image)
        )
    return extras
