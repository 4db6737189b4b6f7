"""Parses form fields into the tree that JSON would give: `meta[a]=1` is `{"meta": {"a": "1"}}`.

The official SDKs encode nested fields as `a[b]` for a member and `a[]` for a list element. The
members of objects in a list arrive in one of two orders: grouped by element, as the Node SDK and
people write them (`a[][x]=1&a[][y]=2&a[][x]=3&a[][y]=4`), or grouped by name, as the Python SDK
does (`a[][x]=1&a[][x]=3&a[][y]=2&a[][y]=4`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby

from tallylight.gateway.requests import bad_request

FieldTree = dict[str, object]

_FindElement = Callable[[list[object], list[str]], object]
"""Returns the list element that receives a member, None for a new element."""

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
    """Return the fields of a form, nested as their names tell.

    A plain name that occurs twice becomes a list. An element holds each member once: in fields
    grouped by name the first element without it receives it, in fields grouped by element the
    last one or a new one.

    Raises:
        ApiError: if names contradict each other (`a=1` beside `a[b]=2`).
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
            raise bad_request(
                f"Invalid form: '{name}' contradicts another field of the same name.", param=keys[0]
            ) from None
    return tree


def _is_grouped_by_name(names: Iterable[str]) -> bool:
    """Tell whether all fields of one name are adjacent."""
    runs = [name for name, _ in groupby(names)]
    return len(runs) == len(set(runs))


class _ContradictionError(Exception):
    """Two fields need different types at one place of the tree."""


def _keys(name: str) -> list[str]:
    found = _NAME.fullmatch(name)
    if found is None:
        return [name]
    keys = [found[1], *_KEY.findall(found[2])]
    # A name that is nested too deeply is one plain key.
    return keys if len(keys) <= _MAX_DEPTH else [name]


def _insert(current: object, keys: list[str], value: object, find_element: _FindElement) -> object:
    """Return the value of a place in the tree after `value` was inserted below it."""
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
    """Tell whether a list element has a free place for a member; a list always has."""
    match current:
        case None:
            return True
        case dict() if keys and keys[0]:
            return _accepts(current.get(keys[0]), keys[1:])
        case list():
            return keys[:1] == [""]
        case _:
            return False
