"""The length, the size and the number that a server makes of a create with several of each.

Sources: QuantumNous/new-api `relay/common/relay_info.go` and `relay/channel/task/{ali,vidu,doubao}`
(`duration` before `seconds`, `metadata` over everything, names in any case, flags in the prompt);
SGLang `video_api.py` and vLLM-Omni `protocol/videos.py` (frames before seconds, JSON text).
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tallylight.simulator.protocols.request_fields import RequestFields

_FLAG = re.compile(r"--(dur|duration|rs|resolution)\s+(\w+)")
_SIZES = {
    "360p": "640x360",
    "480p": "854x480",
    "720p": "1280x720",
    "1080p": "1920x1080",
    "4k": "3840x2160",
}
_FRAMES_PER_SECOND = 24


@dataclass(frozen=True, slots=True)
class MeasuredFields:
    """A create whose `seconds` and `size` are those that the server makes.

    Args:
        count: Number of videos that it makes and bills.
    """

    fields: RequestFields
    count: int = 1


def relay_measures(fields: RequestFields) -> MeasuredFields:
    """Return what a relay's channels make of a create."""
    values = _folded(fields.values)
    metadata = _folded(_object(values.get("metadata")))
    parameters = _folded(_object(metadata.get("parameters")))
    layers = (values, metadata, parameters)
    seconds = next((s for s in (_length(each.get("seconds")) for each in layers) if s), None)
    size = values.get("size")
    for layer in layers:
        seconds = _length(layer.get("duration")) or seconds
        size = layer.get("size") or size
        size = _named_size(layer.get("resolution")) or size
    for name, value in _FLAG.findall(str(values.get("prompt", ""))):
        if name.startswith("d"):
            seconds = _length(value) or seconds
        else:
            size = _named_size(value) or size
    counts = [_length(each.get(name)) for each in layers for name in ("n", "count")]
    return _measured(fields, seconds, size, max(filter(None, counts), default=1))


def engine_measures(fields: RequestFields) -> MeasuredFields:
    """Return what an inference server makes of a create."""
    values: dict[str, object] = dict(fields.values)
    for name in ("extra_body", "extra_params"):
        values |= _object(values.get(name))
    frames = _length(values.get("num_frames"))
    fps = _length(values.get("fps")) or _FRAMES_PER_SECOND
    seconds = math.ceil(frames / fps) if frames else _length(values.get("seconds"))
    width, height = _length(values.get("width")), _length(values.get("height"))
    size = f"{width}x{height}" if width and height else values.get("size")
    count = _length(values.get("n")) or _length(values.get("num_outputs_per_prompt"))
    return _measured(fields, seconds, size, count or 1)


def _measured(
    fields: RequestFields, seconds: int | None, size: object, count: int
) -> MeasuredFields:
    values: dict[str, object] = {**fields.values, "size": size}
    if seconds is not None:
        values["seconds"] = str(seconds)
    return MeasuredFields(RequestFields(values, fields.is_form), count)


def _folded(values: Mapping[str, object]) -> dict[str, object]:
    """Return values by names in lower case: Go matches names in any case, the last one wins."""
    return {name.casefold(): value for name, value in values.items()}


def _object(value: object) -> Mapping[str, object]:
    """Return an object, also from JSON text; empty for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _length(value: object) -> int | None:
    """Return a whole number above zero, also from "15" or "15s"; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip().removesuffix("s").removesuffix(".0")
    return int(text) if text.isdecimal() and 0 < int(text) < 10**6 else None


def _named_size(value: object) -> str | None:
    return _SIZES.get(str(value).lower())
