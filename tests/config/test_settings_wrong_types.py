"""A value of a wrong type at any key gets a message in this program's words."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tallylight.config.settings import Settings
from tallylight.documents.document import parse_document, validate_partially

Path_ = tuple[str | int, ...]

SCHEMA = Settings.model_json_schema()
VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 1.5, 10**30, "", "text", "http://[", "https://u:x", "x" * 2000),
    *([], [1], ["x", None], [[1]], {}, {"x": 1}, {"x": {}}, "2026-13-01"),
)
INTERNALS = re.compile(
    r"Value error|Input|String should|Value should|pydantic|[Ff]rozenset|Dictionary|[Dd]atetime"
    r"|\binstance\b|\btuple\b|IPv6|\bint\b|\bstr\b"
)


def keys(node: Mapping[str, object], path: Path_ = (), depth: int = 0) -> Iterator[Path_]:
    """Yield the place of every key of the schema; an entry of a mapping is called x."""
    if depth > 8:
        return
    match node:
        case {"$ref": str(name)}:
            yield from keys(SCHEMA["$defs"][name.rpartition("/")[2]], path, depth)
        case {"anyOf": list(branches)}:
            for branch in branches:
                yield from keys(branch, path, depth + 1)
        case _:
            pass
    inner: list[tuple[str | int, object]] = [*dict(node.get("properties", {})).items()]  # type: ignore[call-overload]  # JSON
    inner += [("x", node.get("additionalProperties")), (0, node.get("items"))]
    inner += [("x", each) for each in dict(node.get("patternProperties", {})).values()]  # type: ignore[call-overload]  # JSON
    for step, child in inner:
        if isinstance(child, Mapping):
            yield (*path, step)
            yield from keys(child, (*path, step), depth + 1)


def nested(path: Path_, value: object) -> object:
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


@pytest.mark.parametrize("section", SCHEMA["properties"])
def test_no_key_of_a_section_answers_a_wrong_type_in_words_of_a_library(section: str) -> None:
    places = [path for path in dict.fromkeys(keys(SCHEMA)) if path[0] == section]

    problems = {
        problem.reason
        for path in places
        for value in VALUES
        for problem in validate_partially(
            parse_document(json.dumps(nested(path, value)), "t.yaml", Path("/none"), {}), Settings
        )[1]
    }

    assert problems
    assert not [reason for reason in problems if INTERNALS.search(reason)]
