"""No text makes the reading of a document recurse, multiply or slow down without end.

The work is measured in calls of functions: a clock would measure the machine, too.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from tallylight.documents.bounded_yaml import MAX_DEPTH, MAX_VALUES
from tallylight.documents.document import (
    MAX_DOCUMENT_BYTES,
    MAX_PROBLEMS,
    Document,
    parse_document,
    read_document,
    validate_document,
)
from tallylight.documents.parsers import Money
from tallylight.errors import ConfigurationError

NAME = "tallylight.yaml"


class Numbers(BaseModel):
    model_config = ConfigDict(extra="forbid")

    things: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    price: Money | None = None


def document(text: str, environment: dict[str, str] | None = None) -> Document:
    return parse_document(text, NAME, Path(), environment or {})


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        document(text)
    (problem,) = raised.value.problems
    return str(problem)


def calls(work: Callable[[], object]) -> int:
    """Return how many functions a piece of work calls, in Python and in C."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        with suppress(ConfigurationError):
            work()
    finally:
        sys.setprofile(before)
    return count


def aliases_of_aliases(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def repeated_merges(count: int) -> str:
    lines = [f"b{n}: {{<<: [{', '.join(['*a'] * 100)}]}}" for n in range(count)]
    return "\n".join(["a: &a {x: 1}", *lines])


def chain(first: str, link: str, length: int) -> str:
    lines = [link.format(n, n - 1) for n in range(1, length)]
    return "\n".join([first, *lines])


INSIDE_ITSELF = (
    "tallylight.yaml:1: repeats a value inside of itself (an alias inside of its own anchor); "
    "write the value out here"
)
TOO_MANY = (
    f"is more than {MAX_VALUES} keys and values, counting each one that an alias repeats; "
    "remove aliases or entries"
)
TOO_DEEP = (
    f"is nested more than {MAX_DEPTH} levels deep, counting the levels that an alias repeats; "
    "remove brackets or levels"
)


@pytest.mark.parametrize(
    "text",
    ["a: &a [*a]", "a: &a {<<: *a}", "a: &a {<<: [*a]}", "a: &a {b: {c: *a}}", "&a {*a : b}"],
)
def test_a_value_that_holds_itself_is_refused_with_its_line(text: str) -> None:
    assert refusal(text) == INSIDE_ITSELF


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (aliases_of_aliases(9), 5),
        (repeated_merges(400), 166),
        ("a: [" + "x," * MAX_VALUES + "]", 1),
    ],
    ids=["aliases", "merges", "values"],
)
def test_too_many_values_are_refused_at_the_line_that_exceeds_the_limit(
    text: str, line: int
) -> None:
    assert refusal(text) == f"tallylight.yaml:{line}: {TOO_MANY}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: " + "[" * 100_000, 1),
        ("a: " + "{a: " * 100_000, 1),
        ("a: " + "[\n " * 100_000, 50),
        ("- " * 20_000, 1),
        ("? " * 20_000, 1),
        ("\n".join(" " * n + "a:" for n in range(1000)), 50),
        (chain("a0: &a0 [x]", "a{0}: &a{0} [*a{1}]", 10_000), 49),
        (chain("a0: &a0 {x: 1}", "a{0}: &a{0} {{<<: *a{1}}}", 10_000), 49),
    ],
    ids=["[", "{", "[ lines", "-", "?", "block", "aliases", "merges"],
)
def test_deep_nesting_is_refused_after_a_few_steps(text: str, line: int) -> None:
    assert refusal(text) == f"tallylight.yaml:{line}: {TOO_DEEP}"
    assert calls(lambda: document(text)) < 100_000


def test_nesting_and_aliases_within_the_limits_are_read() -> None:
    depth = MAX_DEPTH - 2
    found = document(f"deep: {'[' * depth}x{']' * depth}\n{aliases_of_aliases(4)}")

    assert len(found.values) == 5


def test_the_work_grows_only_as_fast_as_the_text() -> None:
    def work(size: int) -> int:
        lines = [f"k{n}: &a {{v: [1, x], w: *b}}" for n in range(size)]
        text = "\n".join(["b: &b {x: 1}", *lines])
        return calls(lambda: document(text))

    assert work(800) < 2.5 * work(400)


def test_a_merge_repeated_in_one_mapping_costs_no_more_than_its_values() -> None:
    def work(size: int) -> int:
        entries = ", ".join(f"k{n}: 1" for n in range(size))
        merges = "<<: *a" + ", <<: *b" * size
        return calls(lambda: document(f"a: &a {{{entries}}}\nb: &b {{x: 1}}\nc: {{{merges}}}"))

    assert work(800) < 2.5 * work(400)


def test_a_character_that_yaml_forbids_is_refused_with_its_line() -> None:
    assert refusal("a: b\nc: \x00") == (
        "tallylight.yaml:2: is not YAML: the character U+0000 is not allowed; remove it"
    )


@pytest.mark.parametrize("key", ["a" * 256 + ": b", "? " + "a" * 5000 + "\n: b"])
def test_a_long_key_is_refused(key: str) -> None:
    assert refusal(key) == ("tallylight.yaml:1: a key must be a text of at most 255 characters")


def test_a_large_file_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"#" * (MAX_DOCUMENT_BYTES + 1))

    with pytest.raises(ConfigurationError, match="is larger than 1024 KiB"):
        read_document(path, {})
    with pytest.raises(ConfigurationError, match="is larger than 1024 KiB"):
        document("#" * (MAX_DOCUMENT_BYTES + 1))
    with pytest.raises(ConfigurationError, match="is larger than 1024 KiB"):
        read_document(Path("/dev/zero"), {})


def test_a_secret_file_without_end_is_refused() -> None:
    found = document("price: {file: /dev/zero}\n")

    assert [str(problem) for problem in found.problems] == [
        "tallylight.yaml:1: price: the file /dev/zero cannot be read: is larger than 64 KiB"
    ]


def test_references_fill_in_a_bounded_text() -> None:
    found = document(f"price: {'${A}' * 100}\n", {"A": "x" * 100_000})

    assert len(str(found.values["price"])) < 2 * MAX_DOCUMENT_BYTES
    assert "fill in more than 1024 KiB; remove some" in found.problems[0].reason
    assert len(found.problems) <= MAX_PROBLEMS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("things: {a: 1e999999999}", "things.a: must be a whole number"),
        ("things: {a: 0x" + "f" * 5000 + "}", "things.a: must be a whole number"),
        ("things: {a: " + "9" * 5000 + "}", "things.a: has too many digits"),
        ("price: 1e-999999999", "price: '1e-999999999' has more than 30 decimals"),
        ("price: 1e999999999", "price: '1e999999999' is not an amount from 0 to 1000000 US"),
    ],
)
def test_numbers_that_would_fill_the_memory_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        validate_document(document(text), Numbers)

    assert str(raised.value).startswith(f"tallylight.yaml:1: {reason}")


def test_of_many_problems_the_first_are_reported() -> None:
    text = "things:\n" + "".join(f"  k{n}: many\n" for n in range(500))

    with pytest.raises(ConfigurationError) as raised:
        validate_document(document(text), Numbers)

    assert len(raised.value.problems) == MAX_PROBLEMS
    assert raised.value.problems[0].where == "tallylight.yaml:2"


def test_a_problem_shows_a_long_value_shortened_and_a_long_secret_not_at_all() -> None:
    secret = "sk-" + "0123456789" * 200

    with pytest.raises(ConfigurationError) as raised:
        validate_document(document("price: 'x${KEY}'", {"KEY": secret}), Numbers)
    assert "sk-01" not in str(raised.value)

    with pytest.raises(ConfigurationError) as raised:
        validate_document(document(f"price: '{'x' * 9000}'"), Numbers)
    assert len(str(raised.value)) < 1000
