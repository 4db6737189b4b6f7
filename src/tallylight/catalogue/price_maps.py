"""Reads price maps of LiteLLM's form: `model_prices_and_context_window.json`.

Keys are ids, with the provider before them at most; prices are by the second, the image or the
token, with a further field for each resolution that has a price of its own. A map keeps models that
were shut down, and has one entry for each size and quality of older image models, which are left
out here.

Source:
    PyPI litellm 1.110.2, `model_prices_and_context_window_backup.json` and `types/utils.py`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Never

from tallylight.errors import ConfigurationError, Problem
from tallylight.model.frames import is_resolution
from tallylight.model.money import ANY_RESOLUTION, PriceUnit
from tallylight.model.order import Medium

MAX_PRICE_MAP_BYTES = 32 * 1024 * 1024
_MAX_ENTRIES = 100_000
_SHOWN = 80
_DEAREST = Decimal(1_000_000)
_MILLION = Decimal(1_000_000)
_EXPONENTS = range(-20, 10)

_MEDIUMS = {"video_generation": Medium.VIDEO, "image_generation": Medium.IMAGE}
_TOKENS = ("output_cost_per_video_token", "output_cost_per_image_token")
_VARIANT = re.compile(
    r"(?:^|/)(?:\d{1,5}-x-\d{1,5}|low|medium|high|hd|standard|auto)/|(?<!\d)\d{1,5}-x-\d{1,5}"
)


@dataclass(frozen=True, slots=True)
class MappedPrice:
    """What a price map says of one model.

    Args:
        rates: USD by resolution; "*" is the rate of all others. None at all if nothing is said.
        per_input_image: USD per input image of a video; None if nothing is said.
        shutdown_at: The date of its deprecation; None if there is none.
    """

    provider: str
    model: str
    medium: Medium
    unit: PriceUnit
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    per_input_image: Decimal | None = None
    shutdown_at: date | None = None

    @property
    def id(self) -> str:
        """Return the id of the fact sheet that it belongs to."""
        return f"{self.provider}/{self.model}"


def parse_price_map(text: str, name: str, providers: Mapping[str, str]) -> tuple[MappedPrice, ...]:
    """Return the video and image models of some providers.

    Args:
        text: The map.
        name: Its name, for messages.
        providers: Our names of providers by theirs.

    Raises:
        ConfigurationError: if the text is no such map; it says what is wrong.
    """
    entries = _entries(text, name)
    found = {
        mapped.id: mapped
        for key, entry in entries.items()
        if isinstance(entry, Mapping)
        for mapped in _mapped(key, entry, name, providers)
    }
    if not found:
        _refuse(name, "has no video or image model of a known provider; is it a LiteLLM price map?")
    return tuple(found.values())


def _entries(text: str, name: str) -> Mapping[str, object]:
    try:
        loaded: object = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        _refuse(name, "is not JSON")
    if not isinstance(loaded, dict):
        _refuse(name, "is not a JSON object of models; is it a LiteLLM price map?")
    if len(loaded) > _MAX_ENTRIES:
        _refuse(name, f"has more than {_MAX_ENTRIES:,} entries")
    return loaded


def _mapped(
    key: str, entry: Mapping[str, object], name: str, providers: Mapping[str, str]
) -> Iterator[MappedPrice]:
    listed = str(entry.get("litellm_provider", ""))
    provider = providers.get(listed)
    medium = _MEDIUMS.get(str(entry.get("mode"))) or _medium_of_chat(entry)
    if provider is None or medium is None:
        return
    head, _, rest = key.partition("/")
    model = rest if rest and head in {listed, listed.partition("-")[0]} else key
    if _VARIANT.search(model):
        return
    where = f"{name}: {_shown(key)}"
    prices = _Prices(entry, where)
    unit, rates = prices.rates(medium)
    yield MappedPrice(
        provider=provider,
        model=model,
        medium=medium,
        unit=unit,
        rates=rates,
        per_input_image=prices.input_image(medium),
        shutdown_at=_date(entry.get("deprecation_date"), where),
    )


def _shown(key: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in key[:_SHOWN])


def _medium_of_chat(entry: Mapping[str, object]) -> Medium | None:
    """Return what a model makes that is listed as one of chat and billed by the token."""
    made = entry.get("supported_output_modalities")
    is_video = "video" in made if isinstance(made, list) else True
    return Medium.VIDEO if is_video and "output_cost_per_video_token" in entry else None


@dataclass(frozen=True, slots=True)
class _Prices:
    """The prices of an entry."""

    entry: Mapping[str, object]
    where: str

    def rates(self, medium: Medium) -> tuple[PriceUnit, Mapping[str, Decimal]]:
        """Return the unit and the rates; by the second, by the image, else by the token."""
        if medium is Medium.VIDEO:
            base = self._price("output_cost_per_video_per_second")
            rates = self._by_resolution("output_cost_per_second", base)
            unit = PriceUnit.PER_SECOND
        else:
            rates = self._by_resolution("output_cost_per_image", None)
            unit = PriceUnit.PER_CALL
        tokens = next((price for each in _TOKENS if (price := self._price(each))), None)
        if not rates and tokens is not None:
            return PriceUnit.PER_MILLION_TOKENS, {ANY_RESOLUTION: tokens * _MILLION}
        old = self._price("input_cost_per_image") if medium is Medium.IMAGE else None
        return unit, rates or ({} if old is None else {ANY_RESOLUTION: old})

    def input_image(self, medium: Medium) -> Decimal | None:
        """Return the price of an input image of a video."""
        return self._price("input_cost_per_image") if medium is Medium.VIDEO else None

    def _by_resolution(self, field_name: str, base: Decimal | None) -> Mapping[str, Decimal]:
        whole = self._price(field_name)
        rates = {ANY_RESOLUTION: whole if whole is not None else base}
        for key in self.entry:
            resolution = str(key).removeprefix(f"{field_name}_").lower()
            if str(key).startswith(f"{field_name}_") and is_resolution(resolution):
                rates[resolution] = self._price(str(key))
        return {resolution: rate for resolution, rate in rates.items() if rate is not None}

    def _price(self, field_name: str) -> Decimal | None:
        value = self.entry.get(field_name)
        if value is None:
            return None
        is_number = isinstance(value, Decimal) and value.is_finite()
        if not isinstance(value, Decimal) or not is_number or not 0 <= value <= _DEAREST:
            _refuse(self.where, f"{field_name} is not a price")
        if value and value.adjusted() not in _EXPONENTS:
            _refuse(self.where, f"{field_name} is not a price")
        return value


def _date(value: object, where: str) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        _refuse(where, "deprecation_date is not a date; write YYYY-MM-DD")


def _refuse(where: str, reason: str) -> Never:
    raise ConfigurationError((Problem(where, "", reason),))
