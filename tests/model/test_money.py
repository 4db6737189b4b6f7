from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tallylight.model.money import Price, PriceUnit, cost_of, resolution_of
from tallylight.model.order import Order

SIZES = ["640x360", "1280x720", "720x1280", "1792x1024", "1920x1080", "2560x1440", "3840x2160"]
RESOLUTIONS = ["360p", "720p", "1024p", "1080p", "2k", "4k", "*"]

amounts = st.decimals(min_value=0, max_value=100, places=4)
rates = st.dictionaries(st.sampled_from(RESOLUTIONS), amounts, min_size=1)
orders = st.builds(
    Order,
    prompt=st.just("a paper boat"),
    seconds=st.integers(min_value=0, max_value=60),
    size=st.sampled_from(SIZES),
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
        return cost_of(price, order, input_images=images)
    except LookupError:
        return None


@given(prices(), orders, st.integers(0, 9))
def test_a_cost_is_never_negative(price: Price, order: Order, images: int) -> None:
    with suppress(LookupError):
        assert cost_of(price, order, input_images=images) >= 0


@given(prices(), orders, st.integers(1, 30))
def test_a_longer_video_never_costs_less(price: Price, order: Order, more: int) -> None:
    longer = Order(order.prompt, order.seconds + more, order.size)
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

    assert cost_of(price, Order("", 4, "720x1280")) == Decimal("0.40")


def test_a_call_costs_the_same_whatever_its_length() -> None:
    price = Price(PriceUnit.PER_CALL, {"*": Decimal("0.12")})

    assert cost_of(price, Order("", 10, "704x1280")) == Decimal("0.12")
    assert cost_of(price, Order("", 15, "anything")) == Decimal("0.12")


def test_a_length_between_two_blocks_costs_the_longer_one() -> None:
    blocks = {5: {"720p": Decimal("0.30")}, 10: {"720p": Decimal("0.90")}}
    price = Price(PriceUnit.PER_BLOCK, blocks=blocks)

    assert cost_of(price, Order("", 5, "1280x720")) == Decimal("0.30")
    assert cost_of(price, Order("", 6, "1280x720")) == Decimal("0.90")


def test_a_length_beyond_the_last_block_is_an_error_that_lists_the_blocks() -> None:
    price = Price(PriceUnit.PER_BLOCK, blocks={5: {"*": Decimal(1)}, 10: {"*": Decimal(3)}})

    with pytest.raises(LookupError, match=r"no block for 11 s; there is 5 s, 10 s"):
        cost_of(price, Order("", 11, "1280x720"))


def test_tokens_are_counted_by_the_second_and_once_for_an_image() -> None:
    price = Price(
        PriceUnit.PER_MILLION_TOKENS, {"*": Decimal("17.50")}, tokens={"720p": 5792, "*": 1000}
    )

    assert cost_of(price, Order("", 8, "1280x720")) == Decimal("0.81088")
    assert cost_of(price, Order("", 0, "1024x1024")) == Decimal("0.0175")


def test_a_missing_estimate_of_tokens_is_an_error() -> None:
    price = Price(PriceUnit.PER_MILLION_TOKENS, {"*": Decimal(30)}, tokens={"720p": 5792})

    with pytest.raises(LookupError, match=r"no estimate of tokens for 1080p; .* for 720p"):
        cost_of(price, Order("", 8, "1920x1080"))


def test_a_missing_rate_is_an_error_that_lists_the_rates() -> None:
    price = Price(PriceUnit.PER_SECOND, {"720p": Decimal(1), "1080p": Decimal(2)})

    with pytest.raises(LookupError, match=r"no rate for 4k; there is one for 720p, 1080p"):
        cost_of(price, Order("", 8, "3840x2160"))


def test_an_invalid_size_is_an_error_unless_the_price_needs_none() -> None:
    price = Price(PriceUnit.PER_SECOND, {"720p": Decimal(1)})

    with pytest.raises(LookupError, match='"auto" is not a size'):
        cost_of(price, Order("", 8, "auto"))


def test_no_seconds_have_no_price_by_the_second() -> None:
    price = Price(PriceUnit.PER_SECOND, {"*": Decimal(1)})

    with pytest.raises(LookupError, match="0 seconds"):
        cost_of(price, Order("", 0, "1280x720"))


@pytest.mark.parametrize(
    ("size", "resolution"),
    [
        ("1280x720", "720p"),
        ("720x1280", "720p"),
        ("1792x1024", "1024p"),
        ("2560x1440", "2k"),
        ("3840x2160", "4k"),
        ("4096x2304", "4k"),
    ],
)
def test_the_shorter_side_names_the_resolution(size: str, resolution: str) -> None:
    assert resolution_of(size) == resolution


@pytest.mark.parametrize("size", ["", "auto", "1280", "1280x", "x720", "-1x720", "1280X720"])
def test_an_invalid_size_has_no_resolution(size: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        resolution_of(size)
