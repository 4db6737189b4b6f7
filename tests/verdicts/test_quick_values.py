"""Values that are built quickly are frozen dataclasses like all others."""

import copy
import inspect
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from tallylight.quick import quick


@dataclass(frozen=True, slots=True)
class Plain:
    """As dataclasses come."""

    name: str
    count: int = 1
    facts: dict[str, int] = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, built quickly."""

    name: str
    count: int = 1
    facts: dict[str, int] = field(default_factory=dict)


def test_it_is_built_from_the_same_arguments() -> None:
    for given in (("a",), ("a", 2), ("a", 2, {"b": 3})):
        plain, quickly = Plain(*given), Quick(*given)

        assert [getattr(plain, f.name) for f in fields(plain)] == [
            getattr(quickly, f.name) for f in fields(quickly)
        ]
    assert Quick(count=4, name="b") == Quick("b", 4)
    assert inspect.signature(Quick).parameters == inspect.signature(Plain).parameters


def test_it_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match="name"):
        Quick(count=2)  # type: ignore[call-arg]


def test_it_stays_frozen() -> None:
    value = Quick("a")

    with pytest.raises(FrozenInstanceError):
        value.name = "b"  # type: ignore[misc]
    assert type(value) is Quick


def test_a_default_that_is_made_is_nobody_elses() -> None:
    assert Quick("a").facts is not Quick("a").facts


def test_it_can_be_replaced_copied() -> None:
    value = Quick("a", 2, {"b": 3})

    assert replace(value, name="c") == Quick("c", 2, {"b": 3})
    assert copy.deepcopy(value) == value


def test_a_class_that_does_more_than_to_set_its_fields_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Derived:
        one: int
        double: int = field(init=False)

    with pytest.raises(TypeError, match="Derived"):
        quick(Derived)
