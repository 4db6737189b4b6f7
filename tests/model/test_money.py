from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tallylight.model.frames import frame_of
from tallylight.model.money import Price, PriceUnit, cost_of
from tallylight.model.order import Input, Medium, Order, Role
from tests.builders import order_of

SIZES = ["640x360", "1280x720", "720x1280", "1792x1024", "1920x1080", "2560x1440", "3840x2160"]
RESOLUTIONS = ["360p", "720p", "1024p", "1080p", "2k", "4k", "*"]

amounts = st.decimals(min_value=0, max_value=100, places=4)
rates = st.dictionaries(st.sampled_from(RESOLUTIONS), amounts, min_size=1)
orders = st.builds(
    Order,
    model=st.just("m"),
    prompt=st.just("a paper boat"),
    seconds=st.integers(min_value=0, max_value=60),
    frame=st.sampled_from(SIZES).map(frame_of),
    count=st.integers(1, 4),
)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    unit = draw(st.sampled_from(list(PriceUnit)))
    blocks: dict[int, dict[str, Decimal]] = {}
    if unit is PriceUnit.PER_BLOCK:
        lengths = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4, unique=True))
        steps = {resolution: draw(amounts) for resolution in draw(rates)}
        # A longer block is never cheaper: no provider sells it that way.
        for position, length in enumerate(sorted(lengths), start=1):
            blocks[length] = {name: step * position for name, step in steps.items()}
    tokens = st.dictionaries(st.sampled_from(RESOLUTIONS), st.integers(1, 10_000), min_size=1)
    return Price(
        unit=unit,
        rates={} if blocks else draw(rates),
        blocks=blocks,
        tokens=draw(tokens) if unit is PriceUnit.PER_MILLION_TOKENS else {},
        per_input_image=draw(amounts),
    )


def cost_or_none(price: Price, order: Order, images: int = 0) -> Decimal | None:
    try:
        return cost_of(price, replace(order, inputs=(Input(),) * images))
    except LookupError:
        return None


@given(prices(), orders, st.integers(0, 9))
def test_a_cost_is_never_negative(price: Price, order: Order, images: int) -> None:
    with suppress(LookupError):
        assert cost_of(price, replace(order, inputs=(Input(),) * images)) >= 0


@given(prices(), orders, st.integers(1, 30))
def test_a_longer_video_never_costs_less(price: Price, order: Order, more: int) -> None:
    longer = replace(order, seconds=(order.seconds or 0) + more)
    short_cost, long_cost = cost_or_none(price, order), cost_or_none(price, longer)
    assume(short_cost is not None and long_cost is not None)
    assert short_cost is not None
    assert long_cost is not None

    assert long_cost >= short_cost


@given(prices(), orders, st.integers(1, 9))
def test_each_input_image_adds_its_surcharge(price: Price, order: Order, images: int) -> None:
    plain = cost_or_none(price, order)
    assume(plain is not None)
    assert plain is not None

    assert cost_or_none(price, order, images) == plain + images * price.per_input_image


def test_four_seconds_by_the_second_cost_four_times_the_rate() -> None:
    price = Price(PriceUnit.PER_SECOND, {"720p": Decimal("0.10")})

    assert cost_of(price, order_of("", 4, "720x1280")) == Decimal("0.40")


def test_a_call_costs_the_same_whatever_its_length() -> None:
    price = Price(PriceUnit.PER_CALL, {"*": Decimal("0.12")})

    assert cost_of(price, order_of("", 10, "704x1280")) == Decimal("0.12")
    assert cost_of(price, order_of("", 15, "1920x1080")) == Decimal("0.12")


def test_a_length_between_two_blocks_costs_the_longer_one() -> None:
    blocks = {5: {"720p": Decimal("0.30")}, 10: {"720p": Decimal("0.90")}}
    price = Price(PriceUnit.PER_BLOCK, blocks=blocks)

    assert cost_of(price, order_of("", 5, "1280x720")) == Decimal("0.30")
    assert cost_of(price, order_of("", 6, "1280x720")) == Decimal("0.90")


def test_a_length_beyond_the_last_block_is_an_error_that_lists_the_blocks() -> None:
    price = Price(PriceUnit.PER_BLOCK, blocks={5: {"*": Decimal(1)}, 10: {"*": Decimal(3)}})

    with pytest.raises(LookupError, match=r"no block for 11 s; there is 5 s, 10 s"):
        cost_of(price, order_of("", 11, "1280x720"))


def test_tokens_are_counted_by_the_second_and_once_for_an_image() -> None:
    price = Price(
        PriceUnit.PER_MILLION_TOKENS, {"*": Decimal("17.50")}, tokens={"720p": 5792, "*": 1000}
    )

    assert cost_of(price, order_of("", 8, "1280x720")) == Decimal("0.81088")
    assert cost_of(price, order_of("", None, "1024x1024")) == Decimal("0.0175")


def test_a_missing_estimate_of_tokens_is_an_error() -> None:
    price = Price(PriceUnit.PER_MILLION_TOKENS, {"*": Decimal(30)}, tokens={"720p": 5792})

    with pytest.raises(LookupError, match=r"no estimate of tokens for 1080p; .* for 720p"):
        cost_of(price, order_of("", 8, "1920x1080"))


def test_a_missing_rate_is_an_error_that_lists_the_rates() -> None:
    price = Price(PriceUnit.PER_SECOND, {"720p": Decimal(1), "1080p": Decimal(2)})

    with pytest.raises(LookupError, match=r"no rate for 4k; there is one for 720p, 1080p"):
        cost_of(price, order_of("", 8, "3840x2160"))


def test_what_has_no_frame_is_priced_only_if_the_price_depends_on_none() -> None:
    plain, by_class = ({"*": Decimal(1)}, {"*": Decimal(1), "4k": Decimal(2)})

    assert cost_of(Price(PriceUnit.PER_CALL, plain), order_of(size="")) == 1
    with pytest.raises(LookupError, match="without a frame"):
        cost_of(Price(PriceUnit.PER_CALL, by_class), order_of(size=""))


def test_no_seconds_have_no_price_by_the_second() -> None:
    price = Price(PriceUnit.PER_SECOND, {"*": Decimal(1)})

    with pytest.raises(LookupError, match="without a length"):
        cost_of(price, order_of("", None, "1280x720"))


def test_the_tokens_of_a_film_of_unknown_length_are_not_known() -> None:
    price = Price(PriceUnit.PER_MILLION_TOKENS, {"*": Decimal(30)}, tokens={"*": 5792})
    film = Input(role=Role.SOURCE, medium=Medium.VIDEO)

    with pytest.raises(LookupError, match="without a length"):
        cost_of(price, order_of(seconds=None, size="", inputs=(film,)))


def test_several_of_a_kind_cost_several_times_the_price_of_one() -> None:
    price = Price(PriceUnit.PER_CALL, {"*": Decimal("0.05")}, per_input_image=Decimal("0.01"))

    assert cost_of(price, order_of(count=3, inputs=(Input(),))) == Decimal("0.16")


def test_a_silent_video_costs_the_silent_rate_of_its_resolution_if_there_is_one() -> None:
    rates = {"720p": Decimal("0.4"), "4k": Decimal("0.6")}
    price = Price(PriceUnit.PER_SECOND, rates, silent_rates={"720p": Decimal("0.2")})

    costs = [
        cost_of(price, order_of("", 1, size, audio=audio))
        for size, audio in (
            ("1280x720", False),
            ("1280x720", True),
            ("1280x720", None),
            ("3840x2160", False),
        )
    ]

    assert costs == [Decimal("0.2"), Decimal("0.4"), Decimal("0.4"), Decimal("0.6")]


def test_sound_has_no_price_where_only_the_silent_one_is_known() -> None:
    price = Price(PriceUnit.PER_SECOND, silent_rates={"*": Decimal("0.2")})

    assert cost_of(price, order_of(audio=False)) == Decimal("0.8")
    with pytest.raises(LookupError, match="no rate for 720p"):
        cost_of(price, order_of(audio=True))


def test_tokens_are_those_of_the_quality_and_the_most_where_none_is_chosen() -> None:
    price = Price(
        PriceUnit.PER_MILLION_TOKENS,
        {"*": Decimal(10)},
        tokens={"*": 6240},
        quality_tokens={"low": {"720p": 272}},
    )

    assert cost_of(price, order_of(seconds=None, quality="low")) == Decimal("0.00272")
    assert cost_of(price, order_of(seconds=None)) == Decimal("0.0624")
    with pytest.raises(LookupError, match="in max quality"):
        cost_of(price, order_of(seconds=None, quality="max"))


def test_a_quality_has_no_price_where_the_price_knows_none() -> None:
    with pytest.raises(LookupError, match="no rate for the quality high"):
        cost_of(Price(PriceUnit.PER_CALL, {"*": Decimal(1)}), order_of(quality="high"))
