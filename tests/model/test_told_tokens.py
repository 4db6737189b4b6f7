"""Tokens that an upstream says it took are priced at the rate of the sheet."""

from decimal import Decimal

import pytest

from tallylight.model.frames import frame_of
from tallylight.model.money import Price, PriceUnit, cost_of_tokens
from tallylight.model.order import Order

IMAGE = Order("gpt-image-2", "a boat", frame=frame_of("1024x1024"), quality="high", count=2)


def test_told_tokens_cost_the_rate_whatever_the_quality_and_the_number() -> None:
    price = Price(PriceUnit.PER_MILLION_TOKENS, rates={"*": Decimal(30)}, tokens={"*": 6240})

    assert cost_of_tokens(price, IMAGE, Decimal(8320)) == Decimal("0.2496")


def test_a_rate_may_depend_on_the_frame() -> None:
    rates = {"1024p": Decimal(10), "*": Decimal(30)}

    price = Price(PriceUnit.PER_MILLION_TOKENS, rates=rates, tokens={"*": 6240})

    assert cost_of_tokens(price, IMAGE, Decimal(1_000_000)) == Decimal(10)


def test_tokens_say_nothing_where_the_price_is_by_the_call() -> None:
    with pytest.raises(LookupError):
        cost_of_tokens(Price(PriceUnit.PER_CALL, rates={"*": Decimal(1)}), IMAGE, Decimal(1))
