"""How a request is fitted to what a service allows."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tallylight.catalogue.services import FactSheet, Medium, Service
from tallylight.gateway.routing.candidates import capability_of
from tallylight.gateway.routing.capability import (
    Capability,
    Features,
    Match,
    Mismatch,
    requirements_of,
)
from tallylight.model.money import Price, PriceUnit
from tallylight.model.order import Operation, Order, Reference
from tests.builders import price_per_second, priced_service

SHEET = priced_service().sheet
ORDER = Order("a kite", 8, "1280x720")
BOTH = ("seconds", "size")
ALL = Features(frozenset(Operation), takes_reference=True, takes_url=True, takes_characters=True)


def service_with(sheet: FactSheet) -> Service:
    return replace(priced_service(), sheet=sheet)


def match_of(service: Service, order: Order = ORDER, **more: object) -> Match | Mismatch:
    features = more.pop("features", ALL)
    assert isinstance(features, Features)
    return Capability(service, features).match(requirements_of(order, **more))  # type: ignore[arg-type]


def test_allowed_values_are_not_changed() -> None:
    assert match_of(priced_service()) == Match(8, "1280x720", Decimal("0.80"), 0.8)


def test_unknown_facts_exclude_nothing() -> None:
    service = service_with(replace(SHEET, lengths=(), sizes=(), price=None))

    assert match_of(service) == Match(8, "1280x720", None, 0.0)


@pytest.mark.parametrize(
    ("asked", "lengths", "expected"),
    [(10, (8, 12), 8), (11, (8, 12), 12), (2, (4, 8), 4), (60, (4, 8), 8), (8, (8,), 8)],
)
def test_the_nearest_length_is_substituted_if_the_route_allows_it(
    asked: int, lengths: tuple[int, ...], expected: int
) -> None:
    service, order = service_with(replace(SHEET, lengths=lengths)), replace(ORDER, seconds=asked)

    found = match_of(service, order, substitutes={"seconds"})

    assert isinstance(found, Match)
    assert found.seconds == expected
    if asked != expected:
        allowed = ", ".join(map(str, lengths))
        assert match_of(service, order) == Mismatch("seconds", str(asked), allowed)


def test_the_nearest_size_of_the_same_ratio_is_substituted() -> None:
    service = service_with(replace(SHEET, sizes=("720x1280", "854x480", "1920x1080")))

    found = match_of(service, substitutes=BOTH)

    assert isinstance(found, Match)
    assert found.size == "854x480"


def test_portrait_is_never_substituted_for_landscape() -> None:
    service = service_with(replace(SHEET, sizes=("720x1280", "1024x1024")))

    assert match_of(service, substitutes=BOTH) == Mismatch(
        "size", "1280x720", "720x1280, 1024x1024"
    )


@pytest.mark.parametrize("size", ["", "wide", "0x0", "1280x", "9" * 5000 + "x1", "٣x٤"])
def test_an_invalid_size_matches_no_service_that_lists_sizes(size: str) -> None:
    found = match_of(priced_service(), replace(ORDER, size=size), substitutes=BOTH)

    assert found == Mismatch("size", size, "1280x720, 720x1280")


def test_a_missing_value_defaults_to_the_api_s_default_if_allowed() -> None:
    found = match_of(priced_service(), Order("a kite", 0, ""), chosen=BOTH)

    assert found == Match(4, "720x1280", Decimal("0.40"), 0.4)


def test_a_missing_value_defaults_to_the_nearest_length_and_the_cheapest_size() -> None:
    service = service_with(
        replace(
            SHEET,
            lengths=(10, 15),
            sizes=("1920x1080", "1280x720", "720x1280"),
            price=Price(PriceUnit.PER_SECOND, {"1080p": Decimal("0.30"), "720p": Decimal("0.10")}),
        )
    )
    dear_default = service_with(replace(service.sheet, sizes=("1920x1080", "1024x576")))

    first, second = (
        match_of(each, Order("a kite", 0, ""), chosen=BOTH) for each in (service, dear_default)
    )

    assert first == Match(10, "720x1280", Decimal("1.00"), 1.0)
    assert second == Match(10, "1920x1080", Decimal("3.00"), 3.0)


def test_the_chosen_size_has_the_requested_aspect_ratio() -> None:
    order = Order("a kite", 8, "", extras={"aspect_ratio": "16:9"})

    found = match_of(priced_service(), order, chosen=("size",))
    missing = match_of(service_with(replace(SHEET, sizes=("720x1280",))), order, chosen=("size",))

    assert isinstance(found, Match)
    assert found.size == "1280x720"
    assert missing == Mismatch("aspect_ratio", "16:9", "720x1280")


@pytest.mark.parametrize(
    ("order", "features", "param"),
    [
        (replace(ORDER, operation=Operation.REMIX), Features(), "operation"),
        (replace(ORDER, reference=Reference(body=b"png")), Features(), "input_reference"),
        (
            replace(ORDER, reference=Reference(url="https://a.example/b.png")),
            Features(takes_reference=True),
            "input_reference",
        ),
        (replace(ORDER, characters=("c",)), Features(), "characters"),
    ],
)
def test_a_feature_that_the_protocol_lacks_is_a_mismatch(
    order: Order, features: Features, param: str
) -> None:
    found = match_of(priced_service(), order, features=features)

    assert isinstance(found, Mismatch)
    assert found.param == param


def test_a_service_that_takes_only_bytes_gets_no_reference_url() -> None:
    service = priced_service()
    reverse = replace(service.upstream, protocol="chat_video", dialect="sora2api")
    can = capability_of(replace(service, upstream=reverse))

    by_address = can.match(
        requirements_of(replace(ORDER, reference=Reference(url="https://a.example/b.png")))
    )
    by_bytes = can.match(requirements_of(replace(ORDER, reference=Reference(body=b"png"))))

    assert by_address == Mismatch("input_reference", "as a URL", "bytes")
    assert isinstance(by_bytes, Match)


def test_an_image_service_matches_no_video_request() -> None:
    found = match_of(service_with(replace(SHEET, medium=Medium.IMAGE)))

    assert isinstance(found, Mismatch)
    assert found.param == "model"


def test_a_remix_is_as_long_and_as_large_as_its_source() -> None:
    order = replace(ORDER, seconds=5, size="1x1", operation=Operation.REMIX)

    assert match_of(priced_service(), order) == Match(5, "1x1", Decimal("0.50"), 0.5)


def test_an_extension_may_have_a_length_that_no_sheet_lists() -> None:
    found = match_of(priced_service(), replace(ORDER, seconds=20, operation=Operation.EXTEND))

    assert isinstance(found, Match)
    assert found.seconds == 20


def test_a_reference_image_adds_to_the_cost() -> None:
    price = replace(price_per_second("0.10"), per_input_image=Decimal("0.05"))
    service = service_with(replace(SHEET, price=price))

    found = match_of(service, replace(ORDER, reference=Reference(url="https://a.example/b.png")))

    assert isinstance(found, Match)
    assert found.cost == Decimal("0.85")


FILM = Reference(body=b"film", media_type="video/mp4")
PER_CALL = Price(PriceUnit.PER_CALL, {"*": Decimal("0.10")})


@pytest.mark.parametrize(
    ("operation", "price", "cost"),
    [
        (Operation.EDIT, PER_CALL, Decimal("0.10")),
        (Operation.EDIT, price_per_second("0.10"), None),
        (Operation.EDIT, replace(PER_CALL, rates={"*": Decimal(1), "4k": Decimal(2)}), None),
        (Operation.EXTEND, price_per_second("0.10"), Decimal("0.80")),
        (Operation.EXTEND, price_per_second("0.10", "720p"), None),
    ],
)
def test_work_on_an_uploaded_film_has_a_price_only_if_it_depends_on_nothing_of_the_film(
    operation: Operation, price: Price, cost: Decimal | None
) -> None:
    service = service_with(replace(SHEET, price=price))

    match = match_of(service, replace(ORDER, operation=operation, reference=FILM))

    assert isinstance(match, Match)
    assert match.cost == cost
