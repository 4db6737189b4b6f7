"""The order by which models are compared: 8 seconds at 720p, or the nearest that a model makes."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from tallylight.catalogue.modes import Mode, modes_for
from tallylight.catalogue.orders import order_cost
from tallylight.catalogue.services import FactSheet
from tallylight.model.frames import AS_INPUT, Frame, frame_of, usual_frame
from tallylight.model.order import Input, Medium, Operation, Order

SAMPLE_SECONDS = 8
SAMPLE_FRAMES = {Medium.VIDEO: frame_of("1280x720"), Medium.IMAGE: frame_of("1024x1024")}
"""What is asked for; a picture has no length."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The cheapest order of a model that is nearest to what is asked for.

    Args:
        cost: In USD; None if the price is not known.
    """

    order: Order
    cost: Decimal | None

    @property
    def has_asked_length(self) -> bool:
        """Tell whether its length is the one that is asked for, or none is."""
        return self.order.seconds in {SAMPLE_SECONDS, None}

    @property
    def has_asked_class(self) -> bool:
        """Tell whether it is of the class that is asked for."""
        medium = Medium.VIDEO if self.order.seconds else Medium.IMAGE
        frame = self.order.frame
        if frame is None or medium is Medium.VIDEO:
            return frame is None or frame.resolution == SAMPLE_FRAMES[medium].resolution
        return frame.size == SAMPLE_FRAMES[medium].size


def sample_of(sheet: FactSheet) -> Sample:
    """Return the sample order of a model; what is not known of it is as it is asked for."""
    asked = SAMPLE_FRAMES[sheet.medium]
    found = [
        Sample(order, order_cost(sheet, order))
        for mode in modes_for(sheet.modes, Operation.CREATE)
        for order in _orders(sheet, mode, asked)
    ]
    return min(found, key=lambda each: _rank(each, asked))


def _orders(sheet: FactSheet, mode: Mode, asked: Frame) -> Iterator[Order]:
    """Yield the orders of a mode whose length is nearest, with as few pictures as it takes."""
    seconds = None if sheet.medium is Medium.IMAGE else _nearest_length(mode)
    needed = min(mode.inputs or ((),), key=len)
    inputs = tuple(Input(role=role) for role, _ in needed)
    levers = product(mode.frames or (asked,), mode.audio or (None,), mode.quality or ("",))
    for frame, audio, quality in levers:
        yield Order(
            sheet.model,
            "",
            seconds=seconds,
            frame=frame,
            audio=audio,
            quality=quality,
            inputs=inputs,
        )


def _nearest_length(mode: Mode) -> int:
    lengths = mode.seconds or (SAMPLE_SECONDS,)
    return min(lengths, key=lambda each: (abs(each - SAMPLE_SECONDS), each))


def _rank(sample: Sample, asked: Frame) -> tuple[object, ...]:
    order = sample.order
    away = abs((order.seconds or SAMPLE_SECONDS) - SAMPLE_SECONDS)
    frame = order.frame or asked
    is_other = (frame.resolution != asked.resolution, frame.aspect not in {asked.aspect, AS_INPUT})
    cost = sample.cost or Decimal(0)
    return (
        away,
        _pixels_away(frame, asked),
        is_other,
        sample.cost is None,
        len(order.inputs),
        cost,
    )


def _pixels_away(frame: Frame, asked: Frame) -> int:
    if frame.resolution == asked.resolution:
        return 0  # classes are priced; some makers' 720p has a few pixels more
    aspect = asked.aspect if frame.aspect == AS_INPUT else frame.aspect
    sized = frame if frame.width else usual_frame(frame.resolution, aspect)
    return abs(sized.width * sized.height - asked.width * asked.height)
