"""Bodies of every encoding become one tree of fields."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from openai._qs import Querystring

from tallylight.gateway.http.forms import FieldTree, Upload, tree_from_form
from tallylight.gateway.http.text_validation import check_storable, tree_from_json
from tallylight.gateway.requests import ApiError

_SDK = Querystring(array_format="brackets")

_names = st.text("abcdefgh_", min_size=1, max_size=6)
_scalars = st.one_of(st.text("xyz 0", min_size=1), st.integers(), st.booleans())
_objects = st.dictionaries(_names, _scalars, min_size=1, max_size=3)
_shapes = st.recursive(
    st.just(_scalars),
    lambda shapes: st.dictionaries(_names, shapes, min_size=1, max_size=3).map(
        st.fixed_dictionaries
    ),
    max_leaves=4,
)
_alike = (
    st.dictionaries(_names, _shapes, min_size=1, max_size=3)
    .map(st.fixed_dictionaries)
    .flatmap(lambda alike: st.lists(alike, min_size=1, max_size=3))
)
_values = st.one_of(_scalars, _objects, st.lists(_scalars, min_size=1, max_size=4), _alike)


def _as_text(value: object) -> object:
    match value:
        case dict():
            return {name: _as_text(one) for name, one in value.items()}
        case list():
            return [_as_text(one) for one in value]
        case bool():
            return str(value).lower()
        case _:
            return str(value)


@given(st.dictionaries(_names, _values, max_size=4))
def test_fields_grouped_by_element_are_nested(tree: FieldTree) -> None:
    written = _SDK.stringify_items(tree)  # type: ignore[arg-type]  # its own type is narrower

    assert tree_from_form(written) == _as_text(tree)


@pytest.fixture(scope="module")
def sdk() -> Iterator[OpenAI]:
    """Return a client without a server."""
    with OpenAI(api_key="sk-none") as client:
        yield client


@given(tree=st.dictionaries(_names, _values, max_size=4))
def test_fields_grouped_by_name_are_nested(sdk: OpenAI, tree: FieldTree) -> None:
    written = sdk._serialize_multipartform(tree)  # type: ignore[arg-type]  # as above

    assert tree_from_form(_one_by_one(written)) == _as_text(tree)


def _one_by_one(written: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the form fields that httpx encodes for the SDK."""
    for name, value in written.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, one


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("s[][a]=1 s[][a]=2 s[][b]=3 s[][b]=4", [{"a": "1", "b": "3"}, {"a": "2", "b": "4"}]),
        ("s[][a]=1 s[][b]=3 s[][a]=2 s[][b]=4", [{"a": "1", "b": "3"}, {"a": "2", "b": "4"}]),
        ("s[][a]=1 s[][b]=3 s[][a]=2 s[][c]=4", [{"a": "1", "b": "3"}, {"a": "2", "c": "4"}]),
        ("s[][a][u]=1 s[][a][t]=2", [{"a": {"u": "1", "t": "2"}}]),
        ("s[][a][]=1 s[][a][]=2 s[][b]=3", [{"a": ["1", "2"], "b": "3"}]),
    ],
)
def test_the_members_of_an_element_stay_together(written: str, read: list[object]) -> None:
    items = [(name, value) for name, _, value in (one.partition("=") for one in written.split())]

    assert tree_from_form(items) == {"s": read}


def test_brackets_nest() -> None:
    assert tree_from_form([("meta[a]", "1"), ("meta[b][c]", "2")]) == {
        "meta": {"a": "1", "b": {"c": "2"}}
    }


def test_a_repeated_member_starts_a_new_element() -> None:
    items = [("characters[][id]", "a"), ("characters[][id]", "b")]

    assert tree_from_form(items) == {"characters": [{"id": "a"}, {"id": "b"}]}


def test_a_repeated_name_is_a_list() -> None:
    assert tree_from_form([("tag", "a"), ("tag", "b"), ("tag", "c")]) == {"tag": ["a", "b", "c"]}


def test_brackets_that_do_not_match_are_part_of_the_name() -> None:
    assert tree_from_form([("a[b", "1"), ("[c]", "2")]) == {"a[b": "1", "[c]": "2"}


@pytest.mark.parametrize(
    "items",
    [[("a", "1"), ("a[b]", "2")], [("a[b]", "1"), ("a", "2")], [("a[]", "1"), ("a[b]", "2")]],
)
def test_fields_that_contradict_each_other_are_refused(items: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiError, match="contradicts") as refused:
        tree_from_form(items)

    assert refused.value.status == HTTPStatus.BAD_REQUEST
    assert refused.value.param == "a"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"{", "line 1, column 2"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b"[1]", "expected a JSON object"),
    ],
)
def test_a_malformed_json_object_is_refused_with_its_cause(body: bytes, cause: str) -> None:
    with pytest.raises(ApiError, match=cause) as refused:
        tree_from_json(body)

    assert refused.value.status == HTTPStatus.BAD_REQUEST


def test_an_empty_body_has_no_fields() -> None:
    assert tree_from_json(b" \n") == {}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\u0000"}',
        b'{"a": {"b": ["\\ud800"]}}',
        b'{"a": {"\\udfff": 1}}',
        b'{"\\u0000": 1}',
    ],
)
def test_text_that_no_database_stores_is_refused(body: bytes) -> None:
    tree = tree_from_json(body)

    with pytest.raises(ApiError, match="NUL character or half a surrogate pair"):
        check_storable(tree)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999"])
def test_a_number_that_json_does_not_have_is_refused_by_name(number: bytes) -> None:
    tree = tree_from_json(b'{"seconds": 4, "seed": {"a": [' + number + b"]}}")

    with pytest.raises(ApiError, match="is no number") as refused:
        check_storable(tree)

    assert refused.value.param == "seed"


@pytest.mark.parametrize(
    "file", [Upload("caf\udce9.png", "image/png", b"1"), Upload("a", "image/\x00", b"1")]
)
def test_a_file_whose_name_or_kind_no_database_stores_is_refused(file: Upload) -> None:
    with pytest.raises(ApiError, match="NUL character or half a surrogate pair") as refused:
        check_storable({"input_reference": file})

    assert refused.value.param == "input_reference"


def test_a_tree_that_is_too_deep_is_refused() -> None:
    with pytest.raises(ApiError, match="nested too deeply"):
        check_storable(tree_from_json(b'{"a":' * 40 + b"1" + b"}" * 40))


def test_a_whole_surrogate_pair_is_a_character() -> None:
    check_storable(tree_from_json('{"prompt": "\\ud83d\\ude00 風"}'.encode()))
