"""How a wish is fitted to what a service can make."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tallylight.catalogue.choices import Mismatch
from tallylight.catalogue.fit import Expressible, Fitted, cheapest_order, fit
from tallylight.catalogue.modes import Mode, short_modes
from tallylight.catalogue.services import Service
from tallylight.catalogue.wording import Measure, Spelling, Word, Wording
from tallylight.model.frames import Frame, frame_of
from tallylight.model.money import Price, PriceUnit
from tallylight.model.order import Form, Input, Medium, Operation, Role
from tallylight.model.wish import Wish, WishedMeasures
from tests.builders import price_per_second, priced_service, wish_of

SHEET = priced_service().sheet
WISH = wish_of("a kite", 8, "1280x720")
OPEN = wish_of("a kite", None, "")
BOTH = ("seconds", "size")
WORDING = Wording(
    {
        Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("ratio", Spelling.RATIO),),
        Measure.AUDIO: (Word("audio", Spelling.BOOLEAN),),
        Measure.QUALITY: (Word("quality"),),
        Measure.SEED: (Word("seed", Spelling.INTEGER),),
        Measure.NEGATIVE: (Word("negative"),),
    }
)
ALL = Expressible(
    frozenset(Operation),
    {
        (Role.FIRST_FRAME, Medium.IMAGE): frozenset(Form),
        (Role.LAST_FRAME, Medium.IMAGE): frozenset(Form),
        (Role.SOURCE, Medium.VIDEO): frozenset({Form.INLINE}),
    },
    characters=True,
    wording=WORDING,
)
PICTURE = Input(url="https://a.example/b.png")
FILM = Input(body=b"film", media_type="video/mp4", role=Role.SOURCE, medium=Medium.VIDEO)
WIDE = Frame("720p", "16:9")
TALL = Frame("720p", "9:16")


def service_with(*modes: Mode, price: Price | None = SHEET.price) -> Service:
    return replace(priced_service(), sheet=replace(SHEET, modes=modes, price=price))


def made_of(lengths: tuple[int, ...], *sizes: str) -> Service:
    return service_with(*short_modes(lengths, sizes))


def asking(**measures: object) -> Wish:
    return Wish("a kite", measures=WishedMeasures(**measures))  # type: ignore[arg-type]  # its fields


def fitted(wish: Wish, service: Service, **more: object) -> Fitted:
    found = fit(wish, service, **{"can": ALL, **more})  # type: ignore[arg-type]  # its arguments
    assert isinstance(found, Fitted), found
    return found


def missed(wish: Wish, service: Service, **more: object) -> tuple[str, str, str]:
    found = fit(wish, service, **{"can": ALL, **more})  # type: ignore[arg-type]  # its arguments
    assert isinstance(found, Mismatch), found
    return found.param, found.requested, found.allowed


def test_allowed_values_are_not_changed() -> None:
    found = fitted(replace(WISH, extras={"style": "ink"}), priced_service())

    order = found.order
    assert (order.model, order.prompt, order.extras) == ("sora-2", "a kite", {"style": "ink"})
    assert (order.seconds, order.frame) == (8, frame_of("1280x720"))
    assert (found.cost, found.cost_usd) == (Decimal("0.80"), 0.8)


def test_unknown_facts_exclude_nothing() -> None:
    found = fitted(WISH, service_with(price=None))

    assert (found.order.seconds, found.order.size, found.cost) == (8, "1280x720", None)


@pytest.mark.parametrize(
    ("asked", "lengths", "expected"),
    [(10, (8, 12), 8), (11, (8, 12), 12), (2, (4, 8), 4), (60, (4, 8), 8), (8, (8,), 8)],
)
def test_the_nearest_length_is_substituted_if_the_route_allows_it(
    asked: int, lengths: tuple[int, ...], expected: int
) -> None:
    service, wish = made_of(lengths), asking(seconds=asked)

    assert fitted(wish, service, substitutes={"seconds"}).order.seconds == expected
    if asked != expected:
        assert missed(wish, service) == ("seconds", str(asked), ", ".join(map(str, lengths)))


def test_the_nearest_size_of_the_same_ratio_is_substituted() -> None:
    service = made_of((), "720x1280", "854x480", "1920x1080")

    assert fitted(WISH, service, substitutes=BOTH).order.size == "854x480"


def test_portrait_is_never_substituted_for_landscape() -> None:
    service = made_of((), "720x1280", "1024x1024")

    assert missed(WISH, service, substitutes=BOTH) == ("size", "1280x720", "720x1280, 1024x1024")


@pytest.mark.parametrize("size", ["wide", "0x0", "1280x", "9" * 5000 + "x1", "٣x٤"])
def test_an_invalid_size_fits_no_service(size: str) -> None:
    allowed = "1280x720, 720x1280"

    assert missed(asking(size=size), priced_service(), substitutes=BOTH) == ("size", size, allowed)
    assert missed(asking(size=size), service_with()) == ("size", size, "")


def test_what_is_left_out_is_the_api_s_default_if_that_is_allowed() -> None:
    for service in (priced_service(), service_with()):
        order = fitted(OPEN, service).order
        assert (order.seconds, order.size) == (4, "720x1280")


def test_what_is_left_out_is_the_nearest_length_and_the_cheapest_frame() -> None:
    price = Price(PriceUnit.PER_SECOND, {"1080p": Decimal("0.30"), "720p": Decimal("0.10")})
    cheap = short_modes((10, 15), ("1920x1080", "1280x720", "720x1280"))
    unpriced = short_modes((10, 15), ("1024x576", "1920x1080"))

    first, second = (fitted(OPEN, service_with(*modes, price=price)) for modes in (cheap, unpriced))

    assert (first.order.seconds, first.order.size, first.cost) == (10, "720x1280", Decimal("1.00"))
    assert (second.order.seconds, second.order.size, second.cost) == (10, "1920x1080", Decimal(3))


def test_the_chosen_frame_has_the_requested_aspect_ratio() -> None:
    wish = asking(aspect="16:9")

    assert fitted(wish, priced_service()).order.size == "1280x720"
    assert fitted(wish, service_with()).order.size == "1280x720"
    assert missed(wish, made_of((), "720x1280")) == ("aspect_ratio", "16:9", "720x1280")


@pytest.mark.parametrize(
    "wish", [asking(size="1280x720"), asking(resolution="720p", aspect="16:9")]
)
def test_pixels_fit_a_class_and_a_class_fits_pixels(wish: Wish) -> None:
    by_class = service_with(Mode(frames=(TALL, WIDE)))
    by_pixels = made_of((), "720x1280", "1280x720")

    assert fitted(wish, by_class).order.frame == WIDE
    assert fitted(wish, by_pixels).order.frame == frame_of("1280x720")


def test_a_class_is_what_the_sheet_says_and_not_what_the_pixels_are() -> None:
    frame = Frame("480p", "16:9", 864, 496)
    service = service_with(Mode(frames=(frame,)), price=price_per_second("0.05", "480p"))

    for wish in (asking(resolution="480p", aspect="16:9"), asking(size="864x496")):
        found = fitted(wish, service)
        assert (found.order.frame, found.cost) == (frame, Decimal("0.20"))
    assert missed(asking(size="854x480"), service) == ("size", "854x480", "864x496")


def test_a_class_that_the_sheet_lacks_is_named_with_its_shape() -> None:
    service = service_with(Mode(frames=(WIDE,)))

    found = missed(asking(resolution="1080p", aspect="16:9"), service)

    assert found == ("size", "1080p 16:9", "720p 16:9")


def test_an_order_lies_in_one_mode_and_not_between_two() -> None:
    long = Mode(seconds=(6, 10), frames=(Frame("768p", "16:9"),))
    sharp = Mode(seconds=(6,), frames=(Frame("1080p", "16:9"),))
    service = service_with(long, sharp)

    assert fitted(asking(seconds=10), service).order.frame == long.frames[0]
    assert fitted(asking(resolution="1080p", aspect="16:9"), service).order.seconds == 6
    wish = asking(seconds=10, resolution="1080p", aspect="16:9")
    assert missed(wish, service) == ("size", "1080p 16:9", "768p 16:9")
    assert fitted(wish, service, substitutes={"seconds"}).order.seconds == 6


def test_with_a_picture_a_service_that_shapes_the_video_like_it_takes_any_shape() -> None:
    service = service_with(
        Mode(inputs=((),), frames=(WIDE,)),
        Mode(inputs=(((Role.FIRST_FRAME, 1),),), frames=(Frame("720p", "input"),)),
    )
    with_picture = replace(WISH, inputs=(PICTURE,))

    assert fitted(WISH, service).order.frame == WIDE
    assert fitted(with_picture, service).order.frame == Frame("720p", "input")
    two = (PICTURE, replace(PICTURE, role=Role.LAST_FRAME))
    found = missed(replace(WISH, inputs=two), service)
    assert found == ("input_reference", "first_frame and last_frame", "none, first_frame")


def test_a_role_may_have_several_inputs_up_to_its_limit() -> None:
    reference = Input(url="https://a.example/b.png", role=Role.REFERENCE)
    can = replace(ALL, inputs={(Role.REFERENCE, Medium.IMAGE): frozenset(Form)})
    service = service_with(Mode(inputs=(((Role.REFERENCE, 2),),)))

    assert fitted(replace(WISH, inputs=(reference,) * 2), service, can=can).order.input_images == 2
    found = missed(replace(WISH, inputs=(reference,) * 3), service, can=can)
    assert found[2] == "reference<=2"


def test_sound_is_left_out_where_it_costs_more_and_made_where_it_does_not() -> None:
    rates = {"*": Decimal("0.10")}
    silent = Price(PriceUnit.PER_SECOND, rates, silent_rates={"*": Decimal("0.05")})
    mode = Mode(seconds=(4,), audio=(True, False))

    cheaper, equal = (
        fitted(OPEN, service_with(mode, price=price))
        for price in (silent, Price(PriceUnit.PER_SECOND, rates))
    )
    asked = fitted(asking(audio=True), service_with(mode, price=silent))

    assert (cheaper.order.audio, cheaper.cost) == (False, Decimal("0.20"))
    assert equal.order.audio is True
    assert (asked.order.audio, asked.cost) == (True, Decimal("0.40"))


def test_a_switch_that_a_model_lacks_is_a_mismatch() -> None:
    assert missed(asking(audio=True), service_with(Mode(audio=()))) == ("audio", "true", "")
    assert missed(asking(audio=False), service_with(Mode(audio=(True,)))) == (
        "audio",
        "false",
        "true",
    )


def test_the_cheapest_quality_is_chosen_and_one_without_a_price_is_unpriced() -> None:
    price = Price(
        PriceUnit.PER_MILLION_TOKENS,
        {"*": Decimal(30)},
        tokens={"*": 6240},
        quality_tokens={"low": {"*": 272}, "high": {"*": 4160}},
    )
    service = service_with(Mode(quality=("high", "low", "max")), price=price)
    service = replace(service, sheet=replace(service.sheet, medium=Medium.IMAGE))
    wish = Wish("a kite", medium=Medium.IMAGE)

    chosen = fitted(wish, service)
    best = fitted(replace(wish, measures=WishedMeasures(quality="max")), service)

    assert (chosen.order.quality, chosen.cost) == ("low", Decimal("0.00816"))
    assert (chosen.order.seconds, chosen.order.frame) == (None, None)
    assert (best.order.quality, best.cost) == ("max", None)


def test_a_quality_of_which_nothing_is_known_passes_without_a_price() -> None:
    found = fitted(asking(quality="high"), priced_service())

    assert (found.order.quality, found.cost) == ("high", None)


@pytest.mark.parametrize(
    ("measures", "param"),
    [
        ({"audio": True}, "audio"),
        ({"quality": "high"}, "quality"),
        ({"seed": 7}, "seed"),
        ({"negative": "rain"}, "negative_prompt"),
        ({"count": 2}, "n"),
    ],
)
def test_what_no_word_can_tell_is_a_mismatch(measures: dict[str, object], param: str) -> None:
    mute = replace(ALL, wording=Wording())

    assert missed(asking(**measures), priced_service(), can=mute)[0] == param


def test_seed_and_negative_prompt_are_passed_where_the_model_takes_them() -> None:
    wish = asking(seed=7, negative="rain")
    takes, lacks = Mode(seed=True, negative=True), Mode(seed=False, negative=True)

    order = fitted(wish, service_with(takes)).order

    assert (order.seed, order.negative) == (7, "rain")
    assert missed(wish, service_with(lacks))[0] == "seed"


def test_several_of_a_kind_are_ordered_where_the_model_makes_them() -> None:
    service = service_with(Mode(count=(1, 2, 3), seconds=(4,)))

    found = fitted(asking(count=3), service)

    assert (found.order.count, found.cost) == (3, Decimal("1.20"))


def test_a_prompt_is_not_longer_than_the_mode_allows() -> None:
    service = service_with(Mode(longest_prompt=5), Mode(longest_prompt=6, seconds=(5,)))

    assert fitted(wish_of("12345", None), service).order.seconds == 4
    assert fitted(wish_of("123456", None), service).order.seconds == 5
    assert missed(wish_of("1234567", None), service)[:2] == ("prompt", "of 7 characters")


def test_a_value_without_a_word_in_its_table_is_a_mismatch() -> None:
    word = Word("mode", Spelling.TABLE, {"720p": "std"})
    can = replace(ALL, wording=Wording({Measure.RESOLUTION: (word,)}))

    assert fitted(WISH, service_with(), can=can).order.size == "1280x720"
    assert missed(asking(size="1920x1080"), service_with(), can=can) == ("size", "1080p", "720p")


@pytest.mark.parametrize(
    ("wish", "can", "param"),
    [
        (replace(WISH, operation=Operation.REMIX), {"operations": frozenset()}, "operation"),
        (replace(WISH, inputs=(PICTURE,)), {"inputs": {}}, "input_reference"),
        (replace(WISH, characters=("c",)), {"characters": False}, "characters"),
        (
            replace(WISH, operation=Operation.EDIT, source="video_1"),
            {"derives_from_jobs": False},
            "video",
        ),
    ],
)
def test_a_feature_that_the_protocol_lacks_is_a_mismatch(
    wish: Wish, can: dict[str, object], param: str
) -> None:
    assert missed(wish, priced_service(), can=replace(ALL, **can))[0] == param  # type: ignore[arg-type]  # its fields


def test_an_input_is_handed_over_only_in_a_form_that_the_protocol_takes() -> None:
    bytes_only = {(Role.FIRST_FRAME, Medium.IMAGE): frozenset({Form.INLINE})}
    can = replace(ALL, inputs=bytes_only)

    by_address = missed(replace(WISH, inputs=(PICTURE,)), priced_service(), can=can)

    assert by_address == ("input_reference", "as a URL", "bytes")
    by_bytes = fitted(replace(WISH, inputs=(Input(body=b"png"),)), priced_service(), can=can)
    assert by_bytes.order.inputs[0].body == b"png"


def test_an_image_service_fits_no_wish_for_a_video() -> None:
    service = priced_service()
    service = replace(service, sheet=replace(SHEET, medium=Medium.IMAGE))

    assert missed(WISH, service) == ("model", "sora-2", "requests for images")
    assert missed(replace(WISH, medium=Medium.IMAGE), priced_service())[0] == "model"


def test_a_remix_is_as_long_and_as_large_as_its_source() -> None:
    wish = replace(asking(seconds=5, size="640x360"), operation=Operation.REMIX)

    found = fitted(wish, priced_service())

    assert (found.order.seconds, found.order.size, found.cost) == (5, "640x360", Decimal("0.50"))


def test_an_extension_may_have_a_length_that_no_mode_lists_unless_one_is_about_extensions() -> None:
    wish = replace(asking(seconds=20), operation=Operation.EXTEND)
    about = Mode(operations=(Operation.EXTEND,), seconds=(4, 8))

    assert fitted(wish, priced_service()).order.seconds == 20
    assert missed(wish, service_with(*SHEET.modes, about)) == ("seconds", "20", "4, 8")


def test_a_reference_image_adds_to_the_cost() -> None:
    price = replace(price_per_second("0.10"), per_input_image=Decimal("0.05"))

    found = fitted(replace(WISH, inputs=(PICTURE,)), service_with(price=price))

    assert found.cost == Decimal("0.85")
    assert found.order.inputs == (PICTURE,)


PER_CALL = Price(PriceUnit.PER_CALL, {"*": Decimal("0.10")})


@pytest.mark.parametrize(
    ("operation", "seconds", "price", "cost"),
    [
        (Operation.EDIT, None, PER_CALL, Decimal("0.10")),
        (Operation.EDIT, None, price_per_second("0.10"), None),
        (Operation.EDIT, None, replace(PER_CALL, rates={"*": Decimal(1), "4k": Decimal(2)}), None),
        (Operation.EXTEND, 8, price_per_second("0.10"), Decimal("0.80")),
        (Operation.EXTEND, 8, price_per_second("0.10", "720p"), None),
    ],
)
def test_work_on_an_uploaded_film_has_a_price_only_if_it_depends_on_nothing_of_the_film(
    operation: Operation, seconds: int | None, price: Price, cost: Decimal | None
) -> None:
    wish = replace(asking(seconds=seconds), operation=operation, inputs=(FILM,))

    found = fitted(wish, service_with(price=price))

    assert (found.order.seconds, found.order.frame, found.cost) == (seconds, None, cost)


def test_a_probe_orders_the_cheapest_that_needs_no_picture() -> None:
    frames = (Frame("1080p", "16:9"), WIDE)
    price = Price(PriceUnit.PER_SECOND, {"1080p": Decimal("0.30"), "720p": Decimal("0.10")})
    with_picture = Mode(inputs=(((Role.FIRST_FRAME, 1),),), seconds=(1,), frames=(WIDE,))

    service = service_with(with_picture, Mode(seconds=(6, 10), frames=frames), price=price)
    order = cheapest_order(service, "a test")

    assert order is not None
    assert (order.prompt, order.seconds, order.frame) == ("a test", 6, WIDE)
    assert cheapest_order(service_with(Mode(frames=frames), price=price)) is None
    assert cheapest_order(service_with(Mode(seconds=(4,), frames=frames), price=None)) is None
