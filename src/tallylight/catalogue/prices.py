"""The form of a price in configuration and fact sheet files."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from tallylight.documents.parsers import Money, Resolution
from tallylight.documents.section import Section
from tallylight.model.money import ANY_RESOLUTION, Price, PriceUnit


def _as_rates(value: object) -> object:
    # A single number is the rate of every resolution.
    return value if isinstance(value, Mapping) else {ANY_RESOLUTION: value}


Rates = Annotated[dict[Resolution, Money], BeforeValidator(_as_rates), Field(min_length=1)]
"""USD by resolution, {720p: 0.10, "*": 0.20}, or one number for all resolutions."""

Tokens = Annotated[
    dict[Resolution, Annotated[int, Field(gt=0)]], BeforeValidator(_as_rates), Field(min_length=1)
]


class PriceOptions(Section):
    """A provider's price for one model, in US dollars; exactly one unit is set."""

    per_second: Rates | None = Field(None, description="USD per second of video.")
    per_call: Rates | None = Field(None, description="USD per video of any length.")
    per_block: dict[int, Rates] | None = Field(
        None,
        min_length=1,
        description="USD per video by length limit in seconds: {5: {720p: 0.3}, 10: {720p: 0.9}}.",
    )
    per_million_tokens: Rates | None = Field(None, description="USD per million output tokens.")
    tokens: Tokens | None = Field(
        None,
        description="With per_million_tokens: estimated tokens per second of video, or per image.",
    )
    quality_tokens: dict[str, Tokens] | None = Field(
        None,
        min_length=1,
        description="The same by quality, where quality is a lever: {low: 272, high: {1k: 4160}}.",
    )
    silent: Rates | None = Field(
        None,
        description="Rates without an audio track, if cheaper; alone, and by the second, if those "
        "with sound are not known.",
    )
    per_input_image: Money = Field(Decimal(0), description="USD added per reference image.")

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        units = [unit.value for unit in PriceUnit if getattr(self, unit.value) is not None]
        if not units and self.silent is not None:
            return self
        if len(units) != 1:
            allowed = ", ".join(unit.value for unit in PriceUnit)
            found = " and ".join(units) or "none"
            raise ValueError(f"needs exactly one unit of {allowed}; it has {found}")
        if (self.tokens is None) == (self.per_million_tokens is not None):
            raise ValueError("per_million_tokens needs tokens, and tokens needs per_million_tokens")
        if self.quality_tokens is not None and self.tokens is None:
            raise ValueError("quality_tokens needs tokens")
        if self.silent is not None and self.per_block is not None:
            raise ValueError("silent cannot be combined with per_block")
        return self

    def price(self) -> Price:
        """Return the price that these options describe."""
        units = (unit for unit in PriceUnit if getattr(self, unit.value) is not None)
        unit = next(units, PriceUnit.PER_SECOND)  # of silent rates alone
        rates = self.per_second or self.per_call or self.per_million_tokens or {}
        return Price(
            unit=unit,
            rates=rates,
            silent_rates=self.silent or {},
            blocks=self.per_block or {},
            tokens=self.tokens or {},
            quality_tokens=self.quality_tokens or {},
            per_input_image=self.per_input_image,
        )
