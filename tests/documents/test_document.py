from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from tallylight.documents.document import Document, parse_document, read_document, validate_document
from tallylight.documents.parsers import Duration, Money
from tallylight.documents.secret import SecretText
from tallylight.errors import ConfigurationError

NAME = "tallylight.yaml"
MARKED = "sk-marked-key-0123456789"


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: SecretText | None = None
    access: Literal["official", "reverse", "self_hosted"] = "official"
    timeout: Duration | None = None
    price: Money | None = None
    count: int = 1
    base_url: str = ""
    tags: list[str] = Field(default_factory=list)


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    things: dict[str, Thing] = Field(default_factory=dict)
    shared: object = None


def document(text: str, environment: Mapping[str, str] | None = None) -> Document:
    return parse_document(text, NAME, Path(), environment or {})


def problems(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        validate_document(document(text, environment), File)
    return str(raised.value).splitlines()


def test_a_value_that_is_not_allowed_is_told_with_line_key_and_those_that_are() -> None:
    found = problems("things:\n  a:\n    access: revers\n")

    assert found == [
        (
            "tallylight.yaml:3: things.a.access: 'revers' is not allowed. "
            "Did you mean reverse? Allowed: official, reverse, self_hosted"
        )
    ]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        """\
things:
  a:
    acess: reverse
    timeout: 3 hours
    price: ten
  b:
    key: ${NOT_SET}
    count: many
    count: 2
    tags: one
"""
    )

    assert [line.split(": ")[:2] for line in found] == [
        ["tallylight.yaml:3", "things.a.acess"],
        ["tallylight.yaml:4", "things.a.timeout"],
        ["tallylight.yaml:5", "things.a.price"],
        ["tallylight.yaml:7", "things.b.key"],
        ["tallylight.yaml:9", "things.b.count"],
        ["tallylight.yaml:10", "things.b.tags"],
    ]


def test_an_unknown_key_is_told_with_the_nearest_one() -> None:
    (found,) = problems("things:\n  a:\n    base_ur: x\n")

    assert "tallylight.yaml:3: things.a.base_ur: is not a known key" in found
    assert "Did you mean base_url? Allowed: access, base_url, count, key" in found


def test_an_unknown_section_is_told_with_those_there_are() -> None:
    (found,) = problems("thing: {}\n")

    assert found == (
        "tallylight.yaml:1: thing: is not a known key. Did you mean things? Allowed: shared, things"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("count: many", "must be a whole number"),
        ("count: 1.5", "must be a whole number"),
        ("tags: one", "must be a list"),
        ("base_url: [a]", "must be a text; put it in quotes"),
        ("timeout: 30", "'30' is not a duration; write 30s, 10m, 3h or 2d"),
        ("price: ten", "'ten' is not an amount; write US dollars as in 0.10"),
    ],
)
def test_a_wrong_type_is_told_with_the_right_one(value: str, reason: str) -> None:
    assert problems(f"things:\n  a:\n    {value}\n") == [
        f"tallylight.yaml:3: things.a.{value.partition(':')[0]}: {reason}"
    ]


def test_a_scalar_for_a_mapping_is_told() -> None:
    assert problems("things:\n  a: 1\n") == ["tallylight.yaml:2: things.a: must be a mapping"]


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a:\n\t- b",
        "a: b: c",
        "%bad",
        "a: *nowhere",
        "&a a: {",
        "'",
        "a: !!int x: y",
        "\x00",
    ],
)
def test_broken_yaml_is_one_problem_and_no_traceback(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        document(text)

    assert len(raised.value.problems) == 1
    assert "is not YAML" in str(raised.value)


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_a_configuration_error(text: str) -> None:
    with suppress(ConfigurationError):
        assert isinstance(validate_document(document(text), File), File)


def test_a_repeated_key_is_told_with_both_lines() -> None:
    (found,) = problems("things:\n  a: {}\n  b: {}\n  a: {}\n")

    assert found == "tallylight.yaml:4: things.a: is repeated; first in line 2"


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "42\n", "# only a comment\n", "---\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be a mapping of sections"):
        document(text)


def test_a_number_as_a_key_is_a_text_like_others() -> None:
    (found,) = problems("things: {}\n1: 2\n")

    assert found == "tallylight.yaml:2: 1: is not a known key. Allowed: shared, things"


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"tallylight.yaml:2: a key must be a text"):
        document("things:\n  ? [a, b]\n  : c\n")


def test_merged_keys_come_from_the_anchor_unless_said_again() -> None:
    found = validate_document(
        document(
            "shared: &base {count: 2, access: reverse}\n"
            "things:\n  a: {<<: *base}\n  b: {<<: *base, count: 3}\n"
        ),
        File,
    )

    assert (found.things["a"].count, found.things["a"].access) == (2, "reverse")
    assert (found.things["b"].count, found.things["b"].access) == (3, "reverse")


def test_numbers_with_a_point_stay_exact() -> None:
    found = validate_document(document("things:\n  a: {price: 0.1}\n  b: {price: '2.00'}\n"), File)

    assert found.things["a"].price == Decimal("0.1")
    assert str(found.things["b"].price) == "2.00"


def test_variables_are_put_in_also_inside_a_text() -> None:
    found = validate_document(
        document(
            "things:\n  a:\n    base_url: https://${HOST}/v1\n"
            "    count: ${COUNT}\n    tags: ['$${A}']\n",
            {"HOST": "h.example", "COUNT": "7"},
        ),
        File,
    )

    thing = found.things["a"]
    assert (thing.base_url, thing.count, thing.tags) == ("https://h.example/v1", 7, ["${A}"])


def test_a_missing_and_an_empty_variable_are_told() -> None:
    found = problems(
        "things:\n  a:\n    key: ${A}\n    base_url: ${B}\n    tags: ['${']\n", {"B": ""}
    )

    assert found == [
        "tallylight.yaml:3: things.a.key: environment variable A is not set",
        "tallylight.yaml:4: things.a.base_url: environment variable B is empty",
        (
            "tallylight.yaml:5: things.a.tags.0: has a ${ that names no variable; "
            "write $${ for the text"
        ),
    ]


def test_a_secret_file_is_read_from_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "saygm").write_text(f"{MARKED}\n", encoding="utf-8")
    path = tmp_path / NAME
    path.write_text("things:\n  a:\n    key: {file: keys/saygm}\n", encoding="utf-8")

    found = read_document(path, {})

    key = validate_document(found, File).things["a"].key
    assert key is not None
    assert key.reveal() == MARKED
    assert found.files == {path, tmp_path / "keys" / "saygm"}


def test_secret_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "directory").mkdir()
    path = tmp_path / NAME
    names = ("missing", "empty", "binary", "directory")
    path.write_text(
        "things:\n" + "".join(f"  {name}: {{key: {{file: {name}}}}}\n" for name in names),
        encoding="utf-8",
    )

    with pytest.raises(ConfigurationError) as raised:
        validate_document(read_document(path, {}), File)

    assert str(raised.value).splitlines() == [
        "tallylight.yaml:2: things.missing.key: there is no file missing",
        "tallylight.yaml:3: things.empty.key: the file empty is empty",
        "tallylight.yaml:4: things.binary.key: the file binary is not UTF-8 text",
        (
            "tallylight.yaml:5: things.directory.key: the file directory cannot be read: "
            "Is a directory"
        ),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"a: \xff", "is not UTF-8 text (byte 3)")],
)
def test_a_file_without_usable_text_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as raised:
        read_document(path, {})

    assert str(raised.value) == f"{path}: {reason}"


def test_a_directory_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a directory; name a file"):
        read_document(tmp_path, {})
    with pytest.raises(ConfigurationError, match="there is no such file"):
        read_document(tmp_path / NAME, {})


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"\xef\xbb\xbfthings: {}\n")

    assert read_document(path, {}).values == {"things": {}}


@pytest.mark.parametrize(
    "text",
    [
        f"things:\n  a: {{key: [{MARKED}]}}\n",
        f"things:\n  a: {{key: ' {MARKED}'}}\n",
        f"things:\n  a: {{key: '{MARKED}\t'}}\n",
        f"things:\n  a:\n    key: '{MARKED}\n",
        f"things:\n  a:\n    key: *{MARKED}\n",
        f"things:\n  a:\n    key: a: {MARKED}\n",
        f"things:\n  a:\n    key: {{x: {MARKED}}}\n",
        "things:\n  a: {access: '${KEY}'}\n",
        "things:\n  a: {timeout: '${KEY}'}\n",
        "things:\n  a: {price: 'x${KEY}'}\n",
        "things:\n  a: {key: '${KEY} '}\n",
        "things:\n  a: {count: '${KEY}'}\n",
        "things: ${KEY}\n",
    ],
)
def test_no_problem_shows_a_key(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        validate_document(document(text, {"KEY": MARKED}), File)

    assert MARKED not in str(raised.value)
    assert MARKED not in repr(raised.value)
