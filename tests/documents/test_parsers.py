from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.documents import parsers
from tallylight.documents.secret import Secret, parse_secret


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("3h", timedelta(hours=3)),
        ("2d", timedelta(days=2)),
        ("1.5 h", timedelta(minutes=90)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(written: str, length: timedelta) -> None:
    assert parsers.parse_duration(written) == length


@pytest.mark.parametrize("written", ["", "30", 30, "s", "3 hours", "1h30m", "-1s", None, True])
def test_anything_else_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 30s, 10m, 3h or 2d"):
        parsers.parse_duration(written)


@pytest.mark.parametrize("written", ["999999999999999d", f"{'9' * 400}d"])
def test_an_endless_duration_is_told(written: str) -> None:
    with pytest.raises(ValueError, match="is too long"):
        parsers.parse_duration(written)


def test_a_pace_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="must be longer than 0"):
        parsers.parse_positive_duration("0s")


@given(st.integers(min_value=1, max_value=10**12))
def test_a_written_duration_reads_the_same(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)

    assert parsers.parse_duration(parsers.serialize_duration(length)) == length


@pytest.mark.parametrize("written", ["off", None, False])
def test_a_pace_can_be_off(written: object) -> None:
    assert parsers.parse_interval(written) is None


@given(st.decimals(min_value=0, max_value=1_000_000, places=6))
def test_money_is_taken_exactly_as_written(amount: Decimal) -> None:
    assert parsers.parse_money(str(amount)) == amount


@pytest.mark.parametrize("written", ["", "ten", "1,50", -1, "NaN", "inf", True, None, [], 1e12])
def test_what_is_no_amount_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        parsers.parse_money(written)


def test_lengths_are_a_list_or_a_stretch() -> None:
    assert parsers.parse_lengths([12, 4, 8]) == (4, 8, 12)
    assert parsers.parse_lengths("3-6") == (3, 4, 5, 6)


@pytest.mark.parametrize("written", ["4", "8-4", "0-4", ["4"], [0], [True], 4, [4.5]])
def test_what_are_no_lengths_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"is not a list of lengths; write \[4, 8, 12\] or 3-15"):
        parsers.parse_lengths(written)


def test_a_class_of_sizes_stands_for_both_shapes() -> None:
    assert parsers.parse_sizes(["720p", "1024x1792"]) == ("1280x720", "720x1280", "1024x1792")


@pytest.mark.parametrize("written", ["720p", [720], ["720"], ["1280*720"], ["0x720"]])
def test_what_are_no_sizes_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"write \[720p\]|write WIDTHxHEIGHT"):
        parsers.parse_sizes(written)


def test_a_rate_may_be_named_by_resolution_or_size() -> None:
    assert parsers.parse_resolution("720p") == "720p"
    assert parsers.parse_resolution("1792x1024") == "1024p"
    assert parsers.parse_resolution("*") == "*"


def test_a_key_never_shows_itself() -> None:
    found = parse_secret("sk-marked-key")

    assert found == Secret("sk-marked-key")
    assert "marked" not in f"{found!r} {found}"


@pytest.mark.parametrize("written", ["", " sk-marked", "sk-marked\n", "sk\x00marked", 12345])
def test_a_key_that_no_header_can_carry_is_refused_unseen(written: object) -> None:
    with pytest.raises(ValueError, match=r"is empty|must be a text") as raised:
        parse_secret(written)

    assert "marked" not in str(raised.value)
    assert "12345" not in str(raised.value)
