"""The models of the fact sheets, with what they cost and whether one can use them now."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

from tallylight.catalogue import facts
from tallylight.catalogue.samples import Sample, sample_of
from tallylight.catalogue.services import FactSheet
from tallylight.config.sheet_order import SheetOrder
from tallylight.config.usability import Usability, usability
from tallylight.model.order import Medium


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model with what its fact sheet means today.

    Args:
        also: Further ids of the same model.
        days_left: Days until it shuts down; None without a date, below 1 if that has passed.
    """

    sheet: FactSheet
    also: tuple[str, ...]
    sample: Sample
    usability: Usability
    is_retired: bool
    days_left: int | None

    def as_json(self) -> dict[str, object]:
        """Return all that is known of it, as JSON values and values that print as text."""
        order = self.sample.order
        return asdict(self.sheet) | {
            "id": self.sheet.id,
            "also": self.also,
            "is_retired": self.is_retired,
            "days_left": self.days_left,
            "sample": {
                "seconds": order.seconds,
                "resolution": None if order.frame is None else order.frame.resolution,
                "size": order.size,
                "audio": order.audio,
                "quality": order.quality,
                "cost_usd": self.sample.cost,
            },
            "usable": asdict(self.usability) | {"is_usable": self.usability.is_usable},
        }


@dataclass(frozen=True, slots=True)
class SheetFilter:
    """Which models are listed; None and False leave all."""

    provider: str | None = None
    medium: Medium | None = None
    is_live: bool = False
    is_usable: bool = False

    def admits(self, listed: ListedModel) -> bool:
        """Tell whether a model is listed."""
        return (
            self.provider in {None, listed.sheet.provider}
            and self.medium in {None, listed.sheet.medium}
            and not (self.is_live and listed.is_retired)
            and not (self.is_usable and not listed.usability.is_usable)
        )


def listed_models(environment: Mapping[str, str], today: date) -> tuple[ListedModel, ...]:
    """Return all models; further ids of one are told with its first."""
    also: dict[tuple[str, str], list[str]] = defaultdict(list)
    known = facts.fact_sheets().values()
    for sheet in known:
        if sheet.alias_of:
            also[sheet.provider, sheet.alias_of].append(sheet.model)
    profiles = facts.built_in_upstreams()
    return tuple(
        ListedModel(
            sheet=sheet,
            also=tuple(also[sheet.provider, sheet.model]),
            sample=sample_of(sheet),
            usability=usability(sheet, profiles, environment, today),
            is_retired=sheet.is_retired(today),
            days_left=None if sheet.shutdown_at is None else (sheet.shutdown_at - today).days,
        )
        for sheet in known
        if not sheet.alias_of
    )


def sorted_models(models: tuple[ListedModel, ...], order: SheetOrder) -> tuple[ListedModel, ...]:
    """Return models in an order; films stand before pictures, and live models before others."""
    return tuple(sorted(models, key=lambda each: (*_group(each), *_rank(each, order))))


def _group(listed: ListedModel) -> tuple[bool, bool]:
    return listed.sheet.medium is Medium.IMAGE, listed.is_retired


def _rank(listed: ListedModel, order: SheetOrder) -> tuple[object, ...]:
    match order:
        case SheetOrder.NAME:
            return (listed.sheet.id,)
        case SheetOrder.ENDS:
            return listed.sheet.shutdown_at or date.max, listed.sheet.id
        case SheetOrder.COST:
            cost = listed.sample.cost
            return not listed.usability.is_usable, cost is None, cost or 0, listed.sheet.id
