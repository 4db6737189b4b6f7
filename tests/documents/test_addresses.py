"""Origins are written as browsers write them, or refused in one sentence."""

import pytest

from tallylight.documents.addresses import parse_origin


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("*", "*"),
        ("https://app.example", "https://app.example"),
        (" HTTPS://App.Example/ ", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://xn--lcs.example", "https://xn--lcs.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(written: str, origin: str) -> None:
    assert parse_origin(written) == origin


@pytest.mark.parametrize(
    "written",
    [
        *("", "null", "app.example", "https://", "https://app.example/page", "**"),
        *("https://*.example", "https://user@app.example", "https://app.example?a"),
        *("https://app.example:99999", "https://app.example:", "https://図.example"),
        *("https://a.example https://b.example", "https://a.example,https://b.example"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(written: str) -> None:
    with pytest.raises(ValueError, match=r"^is not an origin; write https://host or [^.]+$"):
        parse_origin(written)
