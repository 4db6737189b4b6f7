"""Forms as the tree that the same request has in JSON: `meta[a]=1` is `{"meta": {"a": "1"}}`.

The official SDKs write nested fields so: `a[b]` for a member, `a[]` for an element of a list. Where
the elements of a list are objects, their members come in one of two orders: by element, as the SDK
for Node and people write them (`a[][x]=1&a[][y]=2&a[][x]=3&a[][y]=4`), or by name, as the SDK for
Python does (`a[][x]=1&a[][x]=3&a[][y]=2&a[][y]=4`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import groupby

from tallylight.gateway.requests import ApiError

FieldTree = dict[str, object]

_FindElement = Callable[[list[object], list[str]], object]
"""Which element of a list takes a member, None for a new one."""

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")
_MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form.

    Args:
        name: File name that the client sent.
        media_type: Media type that the client sent, "" for none.
        body: The whole content.
    """

    name: str
    media_type: str
    body: bytes = field(repr=False)


def tree_from_form(items: Iterable[tuple[str, object]]) -> FieldTree:
    """Return the fields of a form, nested as their names say.

    A plain name that comes twice is a list. An element takes each member once: by name, the first
    that can takes it; by element, the last, or a new one begins.

    Raises:
        RefusalError: if names contradict one another (`a=1` beside `a[b]=2`).
    """
    fields = list(items)
    element = (
        _first_accepting if _is_grouped_by_name(name for name, _ in fields) else _last_accepting
    )
    tree: FieldTree = {}
    for name, value in fields:
        keys = _keys(name)
        try:
            tree[keys[0]] = _insert(tree.get(keys[0]), keys[1:], value, element)
        except _ContradictionError:
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                f"Invalid form: '{name}' contradicts another field of the same name.",
                code="invalid_value",
                param=keys[0],
            ) from None
    return tree


def _is_grouped_by_name(names: Iterable[str]) -> bool:
    """Tell whether no name comes back once another one has come."""
    runs = [name for name, _ in groupby(names)]
    return len(runs) == len(set(runs))


class _ContradictionError(Exception):
    """Two fields that cannot both be."""


def _keys(name: str) -> list[str]:
    found = _NAME.fullmatch(name)
    if found is None:
        return [name]
    keys = [found[1], *_KEY.findall(found[2])]
    return keys if len(keys) <= _MAX_DEPTH else [name]


def _insert(current: object, keys: list[str], value: object, find_element: _FindElement) -> object:
    """Return what stands at a place once a value has been put below it."""
    if not keys:
        return _merge(current, value)
    key, rest = keys[0], keys[1:]
    if key == "":
        return _append(current, rest, value, find_element)
    if current is None:
        current = {}
    if not isinstance(current, dict):
        raise _ContradictionError
    current[key] = _insert(current.get(key), rest, value, find_element)
    return current


def _merge(current: object, value: object) -> object:
    match current:
        case None:
            return value
        case dict():
            raise _ContradictionError
        case list():
            return [*current, value]
        case _:
            return [current, value]


def _append(current: object, rest: list[str], value: object, find_element: _FindElement) -> object:
    if current is None:
        current = []
    if not isinstance(current, list):
        raise _ContradictionError
    found = find_element(current, rest) if rest else None
    if found is None:
        current.append(_insert(None, rest, value, find_element))
    else:
        _insert(found, rest, value, find_element)
    return current


def _first_accepting(elements: list[object], keys: list[str]) -> object:
    return next((one for one in elements if _accepts(one, keys)), None)


def _last_accepting(elements: list[object], keys: list[str]) -> object:
    return elements[-1] if elements and _accepts(elements[-1], keys) else None


def _accepts(current: object, keys: list[str]) -> bool:
    """Tell whether a place is free below an element of a list; a list has always room."""
    match current:
        case None:
            return True
        case dict() if keys and keys[0]:
            return _accepts(current.get(keys[0]), keys[1:])
        case list():
            return keys[:1] == [""]
        case _:
            return False
