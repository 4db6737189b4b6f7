"""The order by which models are compared."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tallylight.catalogue import facts
from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.samples import sample_of
from tallylight.model.money import Price, PriceUnit
from tests.builders import SERVICE


@pytest.mark.parametrize(
    ("id_", "seconds", "resolution", "cost"),
    [
        ("fal/bytedance/seedance-2.5/text-to-video", 8, "720p", "3.784"),
        ("fal/minimax/h3/text-to-video", 8, "768p", "0.48"),
        ("fal/luma/agent/ray/v3.2/text-to-video", 10, "720p", "2.00"),
        ("kling/kling-v3", 8, "720p", "0.672"),
        ("openai/gpt-image-2", None, "1k", "0.00816"),
        ("saygm/google/veo-3.1-fast", 8, "720p", None),
    ],
)
def test_the_sample_is_8_seconds_at_720p_or_the_nearest(
    id_: str, seconds: int | None, resolution: str, cost: str | None
) -> None:
    found = sample_of(facts.fact_sheets()[id_])

    assert found.order.seconds == seconds
    assert found.order.frame is not None
    assert found.order.frame.resolution == resolution
    assert found.cost == (None if cost is None else Decimal(cost))


def test_the_length_that_is_asked_for_counts_more_than_the_size() -> None:
    price = Price(PriceUnit.PER_SECOND, rates={"*": Decimal("0.1")})
    modes = (*short_modes([5], ["1280x720"]), *short_modes([8], ["3840x2160"]))

    found = sample_of(replace(SERVICE.sheet, modes=modes, price=price))

    assert (found.order.seconds, found.order.size) == (8, "3840x2160")
    assert not found.has_asked_class
    assert found.has_asked_length


@pytest.mark.parametrize("sheet", facts.fact_sheets().values(), ids=lambda sheet: sheet.id)
def test_every_sheet_has_a_sample(sheet: object) -> None:
    found = sample_of(sheet)  # type: ignore[arg-type]  # a sheet

    assert found.order.frame is not None
