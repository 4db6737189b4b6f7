"""Fits a wish to what a service can make: the one place that decides what is ordered.

Every measure that costs is written into the order: what a caller leaves out, the service would
choose, and bill. A value that the caller set is changed only where that is allowed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from tallylight.catalogue.choices import MeasureChoices, Mismatch, Requirements, choices_in
from tallylight.catalogue.modes import modes_for
from tallylight.catalogue.orders import order_cost
from tallylight.catalogue.services import Service
from tallylight.catalogue.wording import UnspelledError, Wording
from tallylight.model.order import Form, Input, Medium, Operation, Order, Role
from tallylight.model.wish import Wish

PROBE_PROMPT = "A paper boat drifts across a calm pond in soft morning light, steady camera."
"""A prompt that no moderation refuses, with motion, so that a frozen video is noticed."""


@dataclass(frozen=True, slots=True)
class Expressible:
    """What a protocol can express, whatever the model.

    Args:
        inputs: The inputs that it takes, with the forms in which it takes them.
        characters: Characters that were created before can be named.
        wording: How it spells the measures of the model; None if nobody knows.
        derives_from_jobs: Work on a film may name the job that made it; else the film is sent.
    """

    operations: frozenset[Operation]
    inputs: Mapping[tuple[Role, Medium], frozenset[Form]]
    characters: bool
    wording: Wording | None
    derives_from_jobs: bool = True


@dataclass(frozen=True, slots=True)
class Fitted:
    """An order that fits, with its price.

    Args:
        order: The order; of `fit_requirements` without the wish's texts and inputs.
        cost: In USD; None if the price is not known.
        cost_usd: The same as a float, for scores; 0.0 if the price is not known.
    """

    order: Order
    cost: Decimal | None
    cost_usd: float


class _Option(NamedTuple):
    """An order that lies in a mode; the lowest of these is taken.

    Args:
        distance: How far its length and its frame are from what was asked, or from the default.
        is_unpriced: Its price is not known.
        preference: What decides between orders of one price.
    """

    distance: tuple[int, int, int]
    is_unpriced: bool
    cost: Decimal
    preference: tuple[bool, bool, int]
    order: Order


def fit(
    wish: Wish, service: Service, can: Expressible, substitutes: Collection[str] = ()
) -> Fitted | Mismatch:
    """Return the order by which a service can serve a wish, or the field that it cannot serve.

    Args:
        wish: What is asked for.
        service: The service, with what its fact sheet allows.
        can: What its protocol can express.
        substitutes: Fields for which the nearest allowed value may replace the requested one:
            "seconds", "size".
    """
    found = fit_requirements(requirements_of(wish, substitutes), len(wish.prompt), service, can)
    if isinstance(found, Mismatch):
        return found
    return replace(found, order=wish.complete(found.order))


def requirements_of(wish: Wish, substitutes: Collection[str] = ()) -> Requirements:
    """Return what a wish requires of a service: all that decides the fit but the prompt."""
    measures = wish.measures
    return Requirements(
        wish.medium,
        wish.operation,
        measures.seconds,
        measures.size,
        measures.resolution,
        measures.aspect,
        measures.audio,
        measures.quality,
        measures.count,
        bool(measures.negative),
        measures.seed is not None,
        tuple((each.role, each.medium, each.form) for each in wish.inputs),
        bool(wish.characters),
        bool(wish.source),
        "seconds" in substitutes,
        "size" in substitutes,
    )


def fit_requirements(
    wanted: Requirements, prompt_length: int, service: Service, can: Expressible
) -> Fitted | Mismatch:
    """Return what `fit` returns, but an order without the wish's texts and inputs."""
    if mismatch := _protocol_mismatch(wanted, service, can):
        return mismatch
    if (wording := can.wording) is None:
        return Mismatch("model", service.model, "models whose `wire` is known")
    found = [
        choices_in(mode, wanted, prompt_length, wording)
        for mode in modes_for(service.sheet.modes, wanted.operation)
    ]
    misses = [each for each in found if isinstance(each, Mismatch)]
    options = [
        option
        for choices in found
        if isinstance(choices, MeasureChoices)
        for option in _options(choices, wanted, service)
    ]
    for option in sorted(options, key=_rank):
        try:
            wording.write(option.order)
        except UnspelledError as error:
            misses.append(Mismatch.of_measure(error.measure, error.value, ", ".join(error.known)))
        else:
            cost = None if option.is_unpriced else option.cost
            return Fitted(option.order, cost, float(cost or 0))
    return _closest(misses)


def cheapest_order(service: Service, prompt: str = PROBE_PROMPT) -> Order | None:
    """Return the cheapest order of a service, the shortest of equals: that of a paid probe.

    None if its fact sheet prices none, or lists no lengths or frames.
    """
    sheet = service.sheet
    wanted = requirements_of(Wish(prompt, medium=sheet.medium))
    options: list[_Option] = []
    for mode in modes_for(sheet.modes, Operation.CREATE):
        lengths = mode.seconds or ((None,) if sheet.medium is Medium.IMAGE else ())
        choices = choices_in(mode, wanted, len(prompt), Wording())
        if not mode.frames or isinstance(choices, Mismatch):
            continue
        for seconds in lengths:
            options += _options(choices._replace(seconds=seconds), wanted, service)
    priced = [each for each in options if not each.is_unpriced]
    best = min(
        priced,
        key=lambda each: (each.cost, each.order.seconds or 0, each.preference[::2]),
        default=None,
    )
    return None if best is None else replace(best.order, prompt=prompt)


def _rank(option: _Option) -> tuple[object, ...]:
    return option[:4]


def _options(choices: MeasureChoices, wanted: Requirements, service: Service) -> Iterator[_Option]:
    """Yield an order with its price for each combination that is still open."""
    inputs = tuple(Input(role=role, medium=medium) for role, medium, _ in wanted.inputs)
    levers = product(enumerate(choices.frames), choices.audio, choices.quality)
    for (place, frame), audio, quality in levers:
        order = Order(
            service.model,
            "",
            wanted.operation,
            choices.seconds,
            frame,
            audio,
            quality,
            wanted.number,
            inputs=inputs,
        )
        cost = order_cost(service.sheet, order)
        yield _Option(
            choices.distance,
            cost is None,
            cost or Decimal(0),
            (audio is False, not choices.is_default(frame), place),
            order,
        )


def _protocol_mismatch(wanted: Requirements, service: Service, can: Expressible) -> Mismatch | None:
    medium = service.sheet.medium
    if wanted.medium is not medium:
        return Mismatch("model", service.model, f"requests for {medium.value}s")
    if wanted.operation not in can.operations:
        return Mismatch("operation", wanted.operation, ", ".join(sorted(can.operations)))
    if mismatch := _input_mismatch(wanted, can):
        return mismatch
    if wanted.derives and not can.derives_from_jobs:
        return Mismatch("video", "an earlier job", "the film itself")
    if wanted.characters and not can.characters:
        return Mismatch("characters", "")
    return None


def _input_mismatch(wanted: Requirements, can: Expressible) -> Mismatch | None:
    for role, kind, form in wanted.inputs:
        param = "video" if role is Role.SOURCE else "input_reference"
        forms = can.inputs.get((role, kind), frozenset())
        if not forms:
            return Mismatch(param, "")
        if form not in forms:
            is_url = form is Form.URL
            return Mismatch(
                param, "as a URL" if is_url else "as bytes", "bytes" if is_url else "a URL"
            )
    return None


def _closest(misses: Sequence[Mismatch]) -> Mismatch:
    """Return the mismatch of the mode that allows most, with what all such modes allow."""
    closest = max(misses, key=lambda each: each.progress)
    allowed = [each.allowed for each in misses if each.param == closest.param and each.allowed]
    return replace(closest, allowed=", ".join(dict.fromkeys(", ".join(allowed).split(", "))))
