"""Compares fact sheets with a price map: what differs, and what only one side has."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tallylight.catalogue.modes import frames_of
from tallylight.catalogue.price_maps import MappedPrice
from tallylight.catalogue.services import FactSheet, ShutdownPrecision
from tallylight.model.money import ANY_RESOLUTION, Price, PriceUnit

_TOLERANCE = Decimal("0.01")
"""A price that was rounded is no other price."""


@dataclass(frozen=True, slots=True)
class PriceDifference:
    """One fact that a sheet and a price map tell differently.

    Args:
        field: What differs: "720p", "*", "input image" or "shutdown".
        ours: The price in USD, or the date; "" if the sheet has none.
        theirs: The same of the map.
    """

    id: str
    field: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class SheetComparison:
    """How fact sheets and a price map differ.

    Args:
        only_ours: Live models that the map lacks, of providers and mediums that it has.
        only_theirs: Models that no sheet knows, of providers and mediums that sheets have.
        incomparable: Models whose prices are by different units.
    """

    differences: tuple[PriceDifference, ...]
    only_ours: tuple[str, ...]
    only_theirs: tuple[str, ...]
    incomparable: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Tell whether both say the same, as far as they can be compared."""
        return not (self.differences or self.only_ours or self.only_theirs)


def compare_sheets(
    sheets: Mapping[str, FactSheet], mapped: Sequence[MappedPrice], today: date
) -> SheetComparison:
    """Return how sheets differ from a price map; models that were shut down are missed nowhere."""
    common = [(sheets[each.id], each) for each in mapped if each.id in sheets]
    return SheetComparison(
        differences=tuple(
            difference for sheet, each in common for difference in _differences(sheet, each)
        ),
        only_ours=_only_ours(sheets.values(), mapped, today),
        only_theirs=_only_theirs(sheets, mapped, today),
        incomparable=tuple(
            sheet.id
            for sheet, each in common
            if sheet.price is not None and each.rates and not _same_unit(sheet.price, each)
        ),
    )


def _only_ours(
    sheets: Collection[FactSheet], mapped: Sequence[MappedPrice], today: date
) -> tuple[str, ...]:
    kinds = {(each.provider, each.medium) for each in mapped}
    named = {(each.provider, each.model) for each in mapped}
    # A model is there if one of its ids is.
    first = {
        (sheet.provider, sheet.alias_of or sheet.model)
        for sheet in sheets
        if (sheet.provider, sheet.model) in named
    }
    return tuple(
        sheet.id
        for sheet in sheets
        if (sheet.provider, sheet.medium) in kinds
        and not sheet.alias_of
        and not sheet.is_retired(today)
        and (sheet.provider, sheet.model) not in first
    )


def _only_theirs(
    sheets: Mapping[str, FactSheet], mapped: Sequence[MappedPrice], today: date
) -> tuple[str, ...]:
    kinds = {(sheet.provider, sheet.medium) for sheet in sheets.values()}
    return tuple(
        each.id
        for each in mapped
        if each.id not in sheets
        and (each.provider, each.medium) in kinds
        and (each.shutdown_at is None or each.shutdown_at > today)
    )


def _differences(sheet: FactSheet, mapped: MappedPrice) -> Iterator[PriceDifference]:
    price = sheet.price
    if price is None and mapped.rates:
        cheapest = min(mapped.rates.values())
        yield PriceDifference(sheet.id, ANY_RESOLUTION, "", _text(cheapest))
    elif price is not None and _same_unit(price, mapped):
        yield from _price_differences(sheet, price, mapped)
    if _days_differ(sheet, mapped.shutdown_at):
        yield PriceDifference(
            sheet.id, "shutdown", _day(sheet.shutdown_at), _day(mapped.shutdown_at)
        )


def _price_differences(
    sheet: FactSheet, price: Price, mapped: MappedPrice
) -> Iterator[PriceDifference]:
    sizes = {frame.resolution for frame in frames_of(sheet.modes)}
    told = [each for each in (*price.rates, *mapped.rates) if each != ANY_RESOLUTION]
    # A rate for all others counts for the sizes that the sheet has.
    compared = dict.fromkeys(told) if told else {ANY_RESOLUTION: None}
    for resolution in compared:
        is_known = resolution in {*sizes, *price.rates} or not sizes
        rate = _rate(price.rates, resolution) if is_known else None
        mapped_rate = _rate(mapped.rates, resolution)
        if _differ(rate, mapped_rate):
            yield PriceDifference(sheet.id, resolution, _text(rate), _text(mapped_rate))
    ours, theirs = price.per_input_image, mapped.per_input_image
    if theirs is not None and _differ(ours, theirs):
        yield PriceDifference(sheet.id, "input image", _text(ours), _text(theirs))


def _same_unit(price: Price, mapped: MappedPrice) -> bool:
    return price.unit is mapped.unit and price.unit is not PriceUnit.PER_BLOCK and bool(price.rates)


def _rate(rates: Mapping[str, Decimal], resolution: str) -> Decimal | None:
    return rates.get(resolution, rates.get(ANY_RESOLUTION))


def _differ(ours: Decimal | None, theirs: Decimal | None) -> bool:
    if ours is None or theirs is None:
        return ours is not theirs
    return abs(ours - theirs) > _TOLERANCE * max(ours, theirs)


def _days_differ(sheet: FactSheet, day: date | None) -> bool:
    """Tell whether a day is none of those that a sheet names; "by" a day holds for earlier ones."""
    if sheet.shutdown_precision is ShutdownPrecision.CONFLICTING:
        return day not in {sheet.shutdown_at, sheet.earlier_shutdown_at}
    is_by = sheet.shutdown_precision is ShutdownPrecision.BY and sheet.shutdown_at is not None
    if is_by and day is not None:
        return sheet.shutdown_at is not None and day > sheet.shutdown_at
    return day != sheet.shutdown_at


def _text(price: Decimal | None) -> str:
    return "" if price is None else f"{price.normalize():f}"


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()
