"""How much the JSON of a request may hold."""

import pytest

from tallylight.gateway.http.text_validation import check_storable
from tallylight.gateway.requests import ApiError


@pytest.mark.parametrize(
    "tree",
    [
        {f"k{number}": 1 for number in range(257)},
        {"x": {f"k{number}": 1 for number in range(10_001)}},
        {"x": [1] * 10_001},
        {"x": [[1] * 100] * 101},
        {"k" * 257: 1},
        {"x": [{"k" * 257: 1}]},
    ],
    ids=["fields", "members", "elements", "in all", "name", "inner name"],
)
def test_more_fields_values_or_letters_of_a_name_than_any_request_has_are_refused(
    tree: dict[str, object],
) -> None:
    with pytest.raises(ApiError):
        check_storable(tree)


def test_a_request_with_many_fields_and_a_long_text_is_taken() -> None:
    fields: dict[str, object] = {f"k{number}": [number] * 30 for number in range(200)}

    check_storable({**fields, "prompt": "x" * 100_000})
