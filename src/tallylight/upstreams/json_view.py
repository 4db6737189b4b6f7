"""A tolerant view of the JSON that an upstream wrote: what is not there reads as empty."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from tallylight.upstreams.json_access import json_amount, json_seconds, json_text, parse_json

_INDEX = re.compile(r"\[(\d{1,4})\]")


@dataclass(frozen=True, slots=True)
class JsonView:
    """A value of a JSON document, None where there is none.

    A path is "data.task_result.videos[0].url" or "[0].url"; "" is the value itself.
    """

    value: object

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return a view of a JSON text, also of JSON that a string holds."""
        return cls(parse_json(text))

    def at(self, path: str) -> "JsonView":
        """Return the value at a path."""
        value = self.value
        for name in _INDEX.sub(r".\1", path).lstrip(".").split(".") if path else ():
            if isinstance(value, list):
                at = int(name) if name.isdecimal() else len(value)
                value = value[at] if at < len(value) else None
            else:
                value = value.get(name) if isinstance(value, dict) else None
        return JsonView(value)

    def text(self, path: str = "") -> str:
        """Return the text or the integer at a path as text, else ""."""
        return json_text(self.at(path).value)

    def number(self, path: str) -> Decimal | None:
        """Return the number at a path, or in its text; None for a negative one."""
        return json_amount(self.at(path).value)

    def seconds(self, path: str) -> int:
        """Return the length of a film at a path, in whole seconds; 0 for none."""
        return json_seconds(self.at(path).value)

    def balance(self, path: str) -> Decimal | None:
        """Return what is left of something, as `number` does, but also where it is owed."""
        value = self.at(path).value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        text = str(value).strip()
        amount = json_amount(text.removeprefix("-"))
        return -amount if amount is not None and text.startswith("-") else amount

    def integer(self, path: str) -> int | None:
        """Return the integer at a path, or in its text."""
        text = self.text(path).strip()
        return (
            int(text) if text.removeprefix("-").isdecimal() and len(text) <= _MAX_DIGITS else None
        )

    def items(self, path: str = "") -> Iterator["JsonView"]:
        """Yield the elements of the array at a path."""
        value = self.at(path).value
        return map(JsonView, value if isinstance(value, list) else ())

    @property
    def is_object(self) -> bool:
        """Tell whether the value is an object."""
        return isinstance(self.value, dict)


_MAX_DIGITS = 18
