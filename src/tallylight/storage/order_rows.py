"""The columns of what an attempt ordered, without what its video has: texts, files, characters."""

import json

from sqlalchemy import Row

from tallylight.model.frames import Frame, frame_of
from tallylight.model.order import Input, Medium, Operation, Order, Role


def order_values(order: Order) -> dict[str, object]:
    """Return the columns of an order."""
    frame = order.frame
    return {
        "prompt": "",  # it is stored once, in the row of the video
        "seconds": order.seconds or 0,
        "size": frame.size if frame is not None and frame.width else "",
        "model": order.model,
        "ordered": _ordered(order, frame),
    }


def order_from_row(row: Row[*tuple[object, ...]]) -> Order:
    """Return the order in a row."""
    frame = frame_of(row.size) if row.size else None
    if row.ordered == "{}":
        return Order(row.model, row.prompt, seconds=row.seconds or None, frame=frame)
    values = json.loads(row.ordered)
    if "frame" in values:
        frame = Frame(*values["frame"], *((frame.width, frame.height) if frame else ()))
    return Order(
        row.model,
        row.prompt,
        Operation(values.get("operation", Operation.CREATE)),
        row.seconds or None,
        frame,
        audio=values.get("audio"),
        quality=values.get("quality", ""),
        count=values.get("count", 1),
        seed=values.get("seed"),
        inputs=tuple(
            Input(role=Role(role), medium=Medium(kind)) for role, kind in values.get("inputs", ())
        ),
    )


def _ordered(order: Order, frame: Frame | None) -> str:
    """Return what the other columns do not tell, as JSON."""
    is_usual = frame is None or (frame.width > 0 and frame == frame_of(frame.size))
    is_create = order.operation is Operation.CREATE
    values = {
        "operation": None if is_create else order.operation.value,
        "frame": None if is_usual or frame is None else (frame.resolution, frame.aspect),
        "audio": order.audio,
        "quality": order.quality or None,
        "count": None if order.count == 1 else order.count,
        "seed": order.seed,
        "inputs": [(each.role, each.medium) for each in order.inputs] or None,
    }
    told = {name: value for name, value in values.items() if value is not None}
    return json.dumps(told) if told else "{}"
