"""How a price is written in our files."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from tallylight.documents.parsers import Money, Resolution
from tallylight.documents.section import Section
from tallylight.model.money import ANY_RESOLUTION, Price, PriceUnit


def _as_rates(value: object) -> object:
    # A single figure is the rate for every resolution.
    return value if isinstance(value, Mapping) else {ANY_RESOLUTION: value}


Rates = Annotated[dict[Resolution, Money], BeforeValidator(_as_rates), Field(min_length=1)]
"""USD by resolution, {720p: 0.10, "*": 0.20}, or one figure for all."""

Tokens = Annotated[
    dict[Resolution, Annotated[int, Field(gt=0)]], BeforeValidator(_as_rates), Field(min_length=1)
]


class PriceOptions(Section):
    """What a provider asks for one model, in US dollars; one unit is set."""

    per_second: Rates | None = Field(None, description="USD for each second of video.")
    per_call: Rates | None = Field(None, description="USD for each video, whatever its length.")
    per_block: dict[int, Rates] | None = Field(
        None,
        min_length=1,
        description="USD for a clip of up to so many seconds: {5: {720p: 0.30}, 10: {720p: 0.90}}.",
    )
    per_million_tokens: Rates | None = Field(None, description="USD for a million output tokens.")
    tokens: Tokens | None = Field(
        None,
        description="With per_million_tokens: the tokens that a second of video, or an image, is "
        "estimated to take.",
    )
    silent: Rates | None = Field(None, description="The rates without an audio track, if cheaper.")
    per_input_image: Money = Field(
        Decimal(0), description="USD added for each reference image that is sent along."
    )

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        units = [unit.value for unit in PriceUnit if getattr(self, unit.value) is not None]
        if len(units) != 1:
            allowed = ", ".join(unit.value for unit in PriceUnit)
            found = " and ".join(units) or "none"
            raise ValueError(f"needs exactly one unit of {allowed}; it has {found}")
        if (self.tokens is None) == (self.per_million_tokens is not None):
            raise ValueError("per_million_tokens and tokens stand together or not at all")
        if self.silent is not None and self.per_block is not None:
            raise ValueError("silent does not go with per_block")
        return self

    def price(self) -> Price:
        """Return the price in our own words."""
        unit = next(unit for unit in PriceUnit if getattr(self, unit.value) is not None)
        rates = self.per_second or self.per_call or self.per_million_tokens or {}
        return Price(
            unit=unit,
            rates=rates,
            silent_rates=self.silent or {},
            blocks=self.per_block or {},
            tokens=self.tokens or {},
            per_input_image=self.per_input_image,
        )
