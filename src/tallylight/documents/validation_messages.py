"""Turns pydantic's errors into messages that say what is allowed."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from tallylight.documents.nearest import did_you_mean, listed_names
from tallylight.documents.yaml_tree import KeyPath

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

_Schema = Mapping[str, object]

_TYPE_MESSAGES: Mapping[str, str] = {
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "date_from_datetime_inexact": "must be a date, as in 2026-09-24",
    "date_from_datetime_parsing": "must be a date, as in 2026-09-24",
    "date_parsing": "must be a date, as in 2026-09-24",
    "date_type": "must be a date, as in 2026-09-24",
    "dict_type": "must be a mapping",
    "finite_number": "must be a number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "frozen_set_type": "must be a list",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "has too many digits",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "missing": "is missing",
    "model_attributes_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_type": "must be a text; put it in quotes",
    "string_too_short": "must not be empty",
    "too_short": "must have at least one entry",
    "tuple_type": "must be a list",
}


@cache
def model_schema(model: type["BaseModel"]) -> _Schema:
    """Return the JSON Schema of a model, made once: that of a whole file takes pydantic long."""
    return model.model_json_schema()


def validation_message(error: "ErrorDetails", key_path: KeyPath, schema: _Schema) -> str:
    """Return an error as one clause, without pydantic's own words.

    Args:
        error: One of pydantic's errors.
        key_path: The place of the value in the file.
        schema: The JSON Schema of the whole model, which has the keys allowed at each place.
    """
    kind = error["type"]
    context: Mapping[str, object] = error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(
            str(key_path[-1]) if key_path else "", known_keys(schema, key_path[:-1])
        )
    if kind in {"enum", "literal_error"}:
        allowed = str(context.get("expected", "")).replace(" or ", ", ").replace("'", "")
        return not_allowed_message(error["input"], allowed.split(", "))
    if kind == "string_pattern_mismatch":
        return f"does not match the pattern {context.get('pattern')}"
    if kind == "value_error":
        return error["msg"].removeprefix("Value error, ")
    if kind in _TYPE_MESSAGES:
        return _TYPE_MESSAGES[kind]
    # What is left are limits: "Input should be less than 1", "String should have at most 9 …".
    return error["msg"].replace("Input should", "must").replace("String should", "must")


def not_allowed_message(value: object, allowed: Collection[str]) -> str:
    """Return that a value is refused, and which values are allowed."""
    shown = f"'{value}'" if isinstance(value, str | int) else "this value"
    return _with_allowed(f"{shown} is not allowed", str(value), allowed)


def known_keys(schema: _Schema, key_path: KeyPath) -> list[str]:
    """Return the keys that a schema allows at a place."""
    nodes = list(_resolve_refs(schema, schema))
    for step in key_path:
        nodes = [inner for node in nodes for inner in _child_schemas(schema, node, str(step))]
    return sorted({key for node in nodes for key in _mapping(node.get("properties"))})


def _unknown_key(key: str, known: list[str]) -> str:
    # The key itself is shown as the place of the problem: a key cannot be a secret.
    return _with_allowed("is not a known key", key, known)


def _with_allowed(clause: str, name: str, allowed: Collection[str]) -> str:
    hint = did_you_mean(name, allowed)
    parts = (f"{clause}.", hint, f"Allowed: {listed_names(allowed)}")
    return " ".join(filter(None, parts))


def _child_schemas(schema: _Schema, node: _Schema, step: str) -> Iterator[_Schema]:
    properties = _mapping(node.get("properties"))
    if step in properties:
        yield from _resolve_refs(schema, _mapping(properties[step]))
    for key in ("additionalProperties", "items"):
        yield from _resolve_refs(schema, _mapping(node.get(key)))
    for pattern in _mapping(node.get("patternProperties")).values():
        yield from _resolve_refs(schema, _mapping(pattern))


def _resolve_refs(schema: _Schema, node: _Schema) -> Iterator[_Schema]:
    reference = node.get("$ref")
    if isinstance(reference, str):
        named = _mapping(schema.get("$defs")).get(reference.rpartition("/")[2])
        yield from _resolve_refs(schema, _mapping(named))
    elif node:
        yield node
    branches = node.get("anyOf")
    if isinstance(branches, list):
        for branch in branches:
            yield from _resolve_refs(schema, _mapping(branch))


def _mapping(value: object) -> _Schema:
    return value if isinstance(value, Mapping) else {}
