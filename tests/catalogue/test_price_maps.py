"""Price maps of LiteLLM's form: how they are read, and what differs from the fact sheets."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.price_differences import PriceDifference, compare_sheets
from tallylight.catalogue.price_maps import MappedPrice, parse_price_map
from tallylight.catalogue.services import FactSheet, ShutdownPrecision
from tallylight.errors import ConfigurationError
from tallylight.model.ids import ProviderId
from tallylight.model.money import Price, PriceUnit
from tallylight.model.order import Medium
from tests.builders import SERVICE

TODAY = date(2026, 11, 29)
PROVIDERS = {"fal_ai": "fal", "openai": "openai", "gemini": "google"}
VIDEO = {"litellm_provider": "fal_ai", "mode": "video_generation"}
IMAGE = {"litellm_provider": "openai", "mode": "image_generation"}


def parsed(**entries: object) -> dict[str, MappedPrice]:
    text = json.dumps({key.replace("__", "/"): entry for key, entry in entries.items()})
    return {each.id: each for each in parse_price_map(text, "map.json", PROVIDERS)}


def priced(price: str, key: str = "a") -> str:
    """Return a map whose one model has a price in JSON."""
    entry = json.dumps(VIDEO)[:-1]
    return f'{{"{key}": {entry}, "output_cost_per_second": {price}}}}}'


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        parse_price_map(text, "map.json", PROVIDERS)
    return str(raised.value)


def test_prices_by_the_second_are_by_resolution_and_a_rest() -> None:
    found = parsed(
        fal_ai__a__b=VIDEO
        | {"output_cost_per_second": 0.13, "output_cost_per_second_480p": 0.05}
        | {"output_cost_per_second_4k": 0.16, "deprecation_date": "2027-01-31"}
    )["fal/a/b"]

    assert found.unit is PriceUnit.PER_SECOND
    assert found.rates == {"*": Decimal("0.13"), "480p": Decimal("0.05"), "4k": Decimal("0.16")}
    assert found.shutdown_at == date(2027, 1, 31)


def test_older_fields_tokens_and_images_are_read() -> None:
    omni = {"litellm_provider": "gemini", "mode": "chat", "output_cost_per_video_token": 1.75e-05}
    found = parsed(
        **{"sora-2": IMAGE | {"mode": "video_generation", "output_cost_per_video_per_second": 0.1}},
        **{"gpt-image": IMAGE | {"output_cost_per_image_token": 3e-05}},
        picture=IMAGE | {"output_cost_per_image": 0.06, "output_cost_per_image_1K": 0.04},
        **{"high/1024-x-1024/gpt-image": IMAGE | {"input_cost_per_pixel": 1e-7}},
        **{"gemini/omni": omni | {"supported_output_modalities": ["text", "video"]}},
        **{"gemini/live": omni | {"supported_output_modalities": ["text", "audio"]}},
        whisper={"litellm_provider": "openai", "mode": "audio_transcription"},
        **{"stranger/a": VIDEO | {"litellm_provider": "stranger", "output_cost_per_second": 1}},
    )

    rates = {id_: (each.unit.value, dict(each.rates)) for id_, each in found.items()}
    assert rates == {
        "openai/sora-2": ("per_second", {"*": Decimal("0.1")}),
        "openai/gpt-image": ("per_million_tokens", {"*": Decimal(30)}),
        "openai/picture": ("per_call", {"*": Decimal("0.06"), "1k": Decimal("0.04")}),
        "google/omni": ("per_million_tokens", {"*": Decimal("17.5")}),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "map.json: is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object of models; is it a LiteLLM price map?"),
        ("{}", "has no video or image model of a known provider"),
        (json.dumps({"a": 1, "b": [2]}), "has no video or image model"),
        (priced('"much"'), "map.json: a: output_cost_per_second is not a price"),
        (priced("-1"), "is not a price"),
        (priced("true"), "is not a price"),
        (priced("1e-999999"), "is not a price"),
        (priced("NaN"), "is not a price"),
        (priced("1" * 5000), "is not a price"),
        (priced("-1", key="a\\nb" * 99), "map.json: a?ba?b"),
        (json.dumps({"a": VIDEO | {"deprecation_date": "soon"}}), "deprecation_date is not a date"),
        (json.dumps({str(number): 0 for number in range(100_001)}), "more than 100,000 entries"),
    ],
)
def test_what_is_no_price_map_gets_one_sentence(text: str, reason: str) -> None:
    said = refusal(text)

    assert reason in said
    assert "\n" not in said


def sheet(
    model: str = "a", price: Price | None = None, *, shutdown_at: date | None = None
) -> FactSheet:
    return replace(
        SERVICE.sheet,
        provider=ProviderId("fal"),
        model=model,
        medium=Medium.VIDEO,
        modes=short_modes([5], ["1280x720", "1920x1080"]),
        price=price or per_second({"720p": "0.10", "1080p": "0.20"}),
        shutdown_at=shutdown_at,
        replacement="",
        successors=(),
    )


def per_second(rates: dict[str, str]) -> Price:
    return Price(PriceUnit.PER_SECOND, {size: Decimal(rate) for size, rate in rates.items()})


def mapped(model: str = "a", *, shutdown_at: date | None = None, **rates: str) -> MappedPrice:
    by_size = {size.removeprefix("p").replace("any", "*"): Decimal(r) for size, r in rates.items()}
    return MappedPrice(
        "fal", model, Medium.VIDEO, PriceUnit.PER_SECOND, by_size, shutdown_at=shutdown_at
    )


def differences(ours: FactSheet, theirs: MappedPrice) -> list[tuple[str, str, str]]:
    found = compare_sheets({ours.id: ours}, [theirs], TODAY).differences
    return [(each.field, each.ours, each.theirs) for each in found]


def test_the_same_prices_in_other_words_are_no_difference() -> None:
    assert differences(sheet(), mapped(any="0.2", p720p="0.1004")) == []
    assert differences(sheet(price=per_second({"*": "0.1"})), mapped(any="0.1")) == []


def test_other_prices_and_sizes_are_differences() -> None:
    assert differences(sheet(), mapped(any="0.2", p720p="0.12")) == [("720p", "0.1", "0.12")]
    assert differences(sheet(), mapped(any="0.1", p1080p="0.2", p4k="0.6")) == [("4k", "", "0.6")]
    assert differences(sheet(), mapped(p720p="0.1")) == [("1080p", "0.2", "")]


def test_other_days_are_differences_but_for_those_in_conflict() -> None:
    day, other = date(2027, 1, 1), date(2027, 2, 1)
    disputed = replace(
        sheet(shutdown_at=other),
        shutdown_precision=ShutdownPrecision.CONFLICTING,
        earlier_shutdown_at=day,
    )
    found_gone = replace(sheet(shutdown_at=other), shutdown_precision=ShutdownPrecision.BY)

    assert differences(sheet(), mapped(any="0.2", p720p="0.1", shutdown_at=day)) == [
        ("shutdown", "", "2027-01-01")
    ]
    assert differences(disputed, mapped(any="0.2", p720p="0.1", shutdown_at=day)) == []
    assert differences(found_gone, mapped(any="0.2", p720p="0.1", shutdown_at=day)) == []


def test_what_only_one_side_has_is_told_if_it_lives() -> None:
    sheets = {each.id: each for each in (sheet("a"), sheet("dead", shutdown_at=TODAY), sheet("b"))}
    alias = replace(sheet("b-2026"), alias_of="b")
    theirs = [mapped("b-2026"), mapped("c"), mapped("gone", shutdown_at=TODAY)]

    found = compare_sheets(sheets | {alias.id: alias}, theirs, TODAY)

    assert found.only_ours == ("fal/a",)
    assert found.only_theirs == ("fal/c",)
    assert not found.is_equal


def test_prices_by_other_units_are_not_compared() -> None:
    tokens = replace(mapped("a", any="17.5"), unit=PriceUnit.PER_MILLION_TOKENS)

    found = compare_sheets({"fal/a": sheet()}, [tokens], TODAY)

    assert found.differences == ()
    assert found.incomparable == ("fal/a",)
    assert found.is_equal


def test_a_price_that_the_sheet_lacks_is_a_difference() -> None:
    bare = replace(sheet(), price=None)

    found = compare_sheets({bare.id: bare}, [mapped("a", any="0.2", p480p="0.1")], TODAY)

    assert found.differences == (PriceDifference("fal/a", "*", "", "0.1"),)
