import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.upstreams.json_view import JsonView

ANSWER = JsonView.parse(
    json.dumps(
        {
            "code": 0,
            "data": {
                "task_id": 77,
                "result": {"videos": [{"url": "https://x/1.mp4"}, {"url": "https://x/2.mp4"}]},
                "resultJson": '{"resultUrls": ["https://x/3.mp4"]}',
                "grid": [[1, 2], [3]],
            },
        }
    )
)
NUMBERS = JsonView(
    {
        "number": 1.5,
        "text": " 7 ",
        "negative": -3,
        "minus": "--3",
        "long": "9" * 30,
        "flag": True,
        "none": None,
        "word": "free",
    }
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("data.task_id", "77"),
        ("data.result.videos[1].url", "https://x/2.mp4"),
        ("data.grid[1][0]", "3"),
        ("code", "0"),
        ("data.result.videos[2].url", ""),
        ("data.result.videos.url", ""),
        ("data.result.videos[99999].url", ""),
        ("data[0]", ""),
        ("code.more", ""),
        ("nothing.at.all", ""),
        ("data", ""),
    ],
)
def test_a_path_leads_to_a_text_or_to_nothing(path: str, text: str) -> None:
    assert ANSWER.text(path) == text


def test_a_path_may_begin_in_an_array() -> None:
    assert JsonView.parse('[{"url": "https://x/1.mp4"}]').text("[0].url") == "https://x/1.mp4"


def test_the_elements_of_an_array_are_views() -> None:
    urls = [each.text("url") for each in ANSWER.items("data.result.videos")]

    assert urls == ["https://x/1.mp4", "https://x/2.mp4"]
    assert list(ANSWER.items("data")) == []


def test_json_that_a_string_holds_is_parsed_like_an_answer() -> None:
    inner = JsonView.parse(ANSWER.text("data.resultJson"))

    assert inner.text("resultUrls[0]") == "https://x/3.mp4"


@pytest.mark.parametrize(
    ("path", "integer", "number"),
    [
        ("number", None, Decimal("1.5")),
        ("text", 7, Decimal(7)),
        ("negative", -3, None),
        ("minus", None, None),
        ("long", None, None),
        ("flag", None, None),
        ("none", None, None),
        ("word", None, None),
    ],
)
def test_a_number_is_read_however_it_is_written(
    path: str, integer: int | None, number: Decimal | None
) -> None:
    assert (NUMBERS.integer(path), NUMBERS.number(path)) == (integer, number)


@pytest.mark.parametrize("text", ["", "<html>", "[" * 50_000, "null", '{"a":', "1" * 5_000])
def test_what_is_no_json_reads_as_empty(text: str) -> None:
    view = JsonView.parse(text)

    assert not view.is_object
    assert (view.text("a.b[0]"), view.integer("a"), view.number("a")) == ("", None, None)
    assert list(view.items()) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("ab"), inner),
    ),
    st.text(alphabet="ab.[]-0129", max_size=12),
)
def test_no_path_into_any_json_raises(value: object, path: str) -> None:
    view = JsonView(value)

    view.text(path).encode()
    view.integer(path)
    view.number(path)
    list(view.items(path))


@pytest.mark.parametrize(
    ("value", "left"),
    [(3, 3), (0, 0), (-3, -3), (-0.5, Decimal("-0.5")), ("-7", -7), ("12.5", Decimal("12.5"))],
)
def test_a_balance_may_be_owed(value: object, left: object) -> None:
    assert JsonView({"left": value}).balance("left") == left


@pytest.mark.parametrize("value", [None, True, "", "-", "--3", "nan", float("inf"), [3], {}])
def test_what_is_no_amount_is_no_balance(value: object) -> None:
    assert JsonView({"left": value}).balance("left") is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [(5, 5), ("5", 5), (4.96, 5), ("5.041", 5), (0, 0), (-1, 0), (86_401, 0), ("5s", 0), (None, 0)],
)
def test_a_length_is_told_in_whole_seconds(told: object, seconds: int) -> None:
    assert JsonView({"duration": told}).seconds("duration") == seconds
