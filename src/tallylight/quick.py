"""Frozen dataclasses that are built as quickly as open ones.

The `__init__` that `dataclass(frozen=True)` writes sets each field through `object.__setattr__`,
at four times the cost of an assignment, and a judge builds half a dozen values with each piece of
evidence. Here an object is, for the length of its `__init__`, of an open class with the same
slots; nobody else can have seen it by then.
"""

from dataclasses import MISSING, Field, fields
from functools import wraps
from typing import TypeVar

_T = TypeVar("_T")


def quick(cls: type[_T]) -> type[_T]:
    """Give a frozen slotted dataclass an `__init__` of plain assignments; all else stays.

    Raises:
        TypeError: if its fields are more than values with or without a default.
    """
    known = fields(cls)  # type: ignore[arg-type]  # a dataclass, or this raises
    if hasattr(cls, "__post_init__") or any(f.kw_only or not f.init for f in known):
        raise TypeError(f"{cls.__name__} does more than to set its fields")
    names: dict[str, object] = {
        "closed": cls,
        "opened": type(cls.__name__, (), {"__slots__": tuple(f.name for f in known)}),
        "become": object.__dict__["__class__"].__set__,
        "missing": MISSING,
    }
    for place, f in enumerate(known):
        names |= {f"default_{place}": f.default, f"make_{place}": f.default_factory}
    source = "\n ".join(
        (
            f"def __init__(self, {', '.join(map(_parameter, range(len(known)), known))}):",
            "become(self, opened)",
            *map(_assignment, range(len(known)), known),
            "self.__class__ = closed",
        )
    )
    exec(source, names)  # noqa: S102  # as `dataclass` itself writes it
    setattr(cls, "__init__", wraps(cls.__init__)(names["__init__"]))  # type: ignore[arg-type] # noqa: B010
    return cls


def _parameter(place: int, field: Field[object]) -> str:
    if field.default_factory is not MISSING:
        return f"{field.name}=missing"
    return field.name if field.default is MISSING else f"{field.name}=default_{place}"


def _assignment(place: int, field: Field[object]) -> str:
    if field.default_factory is MISSING:
        return f"self.{field.name} = {field.name}"
    return f"self.{field.name} = make_{place}() if {field.name} is missing else {field.name}"
