"""Forms as the tree that the same request has in JSON: `meta[a]=1` is `{"meta": {"a": "1"}}`.

The official SDKs write nested fields so: `a[b]` for a member, `a[]` for an element of a list.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

from tallylight.gateway.asking import RefusalError

Tree = dict[str, object]

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST = 16


def tree_of(items: Iterable[tuple[str, object]]) -> Tree:
    """Return the fields of a form, nested as their names say.

    A plain name that comes twice is a list; the elements of a list that are objects begin anew
    with the first member that the last one has already.

    Raises:
        RefusalError: if names contradict one another (`a=1` beside `a[b]=2`).
    """
    tree: Tree = {}
    for name, value in items:
        keys = _keys(name)
        try:
            tree[keys[0]] = _put(tree.get(keys[0]), keys[1:], value)
        except _ContradictionError:
            raise RefusalError(
                HTTPStatus.BAD_REQUEST,
                f"Invalid form: '{name}' contradicts another field of the same name.",
                code="invalid_value",
                param=keys[0],
            ) from None
    return tree


class _ContradictionError(Exception):
    """Two fields that cannot both be."""


def _keys(name: str) -> list[str]:
    found = _NAME.fullmatch(name)
    if found is None:
        return [name]
    keys = [found[1], *_KEY.findall(found[2])]
    return keys if len(keys) <= _DEEPEST else [name]


def _put(there: object, keys: list[str], value: object) -> object:
    """Return what stands at a place once a value has been put below it."""
    if not keys:
        return _beside(there, value)
    key, rest = keys[0], keys[1:]
    if key == "":
        return _appended(there, rest, value)
    if there is None:
        there = {}
    if not isinstance(there, dict):
        raise _ContradictionError
    there[key] = _put(there.get(key), rest, value)
    return there


def _beside(there: object, value: object) -> object:
    match there:
        case None:
            return value
        case dict():
            raise _ContradictionError
        case list():
            return [*there, value]
        case _:
            return [there, value]


def _appended(there: object, rest: list[str], value: object) -> object:
    if there is None:
        there = []
    if not isinstance(there, list):
        raise _ContradictionError
    last = there[-1] if there else None
    if rest and isinstance(last, dict) and rest[0] not in last:
        _put(last, rest, value)
    else:
        there.append(_put(None, rest, value))
    return there
