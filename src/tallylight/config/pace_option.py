"""The pace of paid probes as the configuration writes it: `6h`, `{at_least: 6h}`, `{about: 6h}`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, NamedTuple

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from tallylight.catalogue.services import PaceBasis
from tallylight.documents.parsers import OFF, parse_interval, serialize_duration

_FORMS = "must be a duration, off, {at_least: 6h} or {about: 6h}"
_DURATION = {"type": ["string", "number"], "examples": ["6h"]}
_MEANINGS = {
    PaceBasis.AT_LEAST: "A paid probe at least so often, as far as the budgets allow.",
    PaceBasis.ABOUT: "The money of that interval, spent where it finds the most outages.",
}


class PaidPace(NamedTuple):
    """How often a paid probe is sent; None for never."""

    interval: timedelta | None = None
    basis: PaceBasis = PaceBasis.ABOUT


def parse_pace(value: object) -> PaidPace:
    """Return a pace; a bare interval means at least so often."""
    if isinstance(value, PaidPace):
        return value
    if not isinstance(value, Mapping):
        bare = parse_interval(value)
        return PaidPace() if bare is None else PaidPace(bare, PaceBasis.AT_LEAST)
    if len(value) != 1 or (name := next(iter(value))) not in set(PaceBasis):
        raise ValueError(_FORMS)
    interval = parse_interval(value[name])
    if interval is None:
        raise ValueError(_FORMS)
    return PaidPace(interval, PaceBasis(name))


def _serialized(pace: PaidPace) -> object:
    if pace.interval is None:
        return OFF
    text = serialize_duration(pace.interval)
    return text if pace.basis is PaceBasis.AT_LEAST else {pace.basis.value: text}


PaceOption = Annotated[
    PaidPace,
    PlainValidator(parse_pace),
    PlainSerializer(_serialized),
    WithJsonSchema(
        {
            "anyOf": [
                _DURATION,
                {"const": OFF},
                *(
                    {
                        "type": "object",
                        "properties": {basis.value: _DURATION | {"description": text}},
                        "required": [basis.value],
                        "additionalProperties": False,
                    }
                    for basis, text in _MEANINGS.items()
                ),
            ]
        }
    ),
]
