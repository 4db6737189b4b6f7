"""No echo of a secret survives, whatever a server made of it."""

import base64
import html
import json
import string
import time
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.upstreams.redact import MASK, StreamRedactor, redact_line, redact_secrets
from tallylight.upstreams.secret_search import WINDOW

Encoding = Callable[[str], str]

#: Keys have letters and digits; some makers add others.
LETTERS = string.ascii_letters + string.digits
ODD = "/+%=\"'&<>;:#?@\\ -_.~,éß密鑰🔑"
SECRETS = st.lists(
    st.one_of(st.sampled_from(LETTERS), st.sampled_from(LETTERS), st.sampled_from(ODD)),
    min_size=WINDOW + 4,
    max_size=60,
).map("".join)
AROUND = st.text(st.sampled_from(LETTERS + ' .,:/{}[]"\n中'), max_size=40)


def every_character(template: str) -> Encoding:
    return lambda text: "".join(template.format(ord(character)) for character in text)


def every_byte(template: str) -> Encoding:
    return lambda text: "".join(template.format(byte) for byte in text.encode())


#: Encodings that write character by character, so the part of a secret is a part of its echo.
BY_CHARACTER: dict[str, Encoding] = {
    "as it is": str,
    "URL": lambda text: quote(text, safe=""),
    "URL path": quote,
    "URL, some left": lambda text: quote(text, safe="/=+&"),
    "URL, lower case": lambda text: quote(text, safe="").lower(),
    "form": quote_plus,
    "form, every byte": every_byte("%{:02X}"),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, Unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON, of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "Python": lambda text: repr(text)[1:-1],
    "Python bytes": lambda text: repr(text.encode())[2:-1],
    "HTML": html.escape,
    "HTML, decimal": every_character("&#{};"),
    "HTML, hexadecimal": every_character("&#x{:x};"),
    "JavaScript": every_byte("\\x{:02x}"),
    "upper case": lambda text: text.encode().upper().decode(),
    "lower case": lambda text: text.encode().lower().decode(),
    "Latin-1": lambda text: text.encode().decode("latin-1"),
    "zero width spaces": "\u200b".join,
    "tags": lambda text: "<wbr>".join(text[at : at + 5] for at in range(0, len(text), 5)),
    "lines": lambda text: "\r\n  ".join(text[at : at + 7] for at in range(0, len(text), 7)),
}
TWICE = {"Latin-1", "upper case", "lower case", "URL, lower case"}  # only the innermost makes sense


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def base64_url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def base64_lines(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


def hexadecimal(text: str) -> str:
    return text.encode().hex()


AS_BYTES: tuple[Encoding, ...] = (base64_text, base64_url, base64_lines, hexadecimal)


def surviving(secret: str, encoding: Encoding, shown: str) -> list[str]:
    """Return the parts of a secret that are shown in an encoding."""
    parts = (secret[at : at + WINDOW] for at in range(len(secret) - WINDOW + 1))
    # White space around a line goes, so a part that ends in it is shorter.
    return [part for part in parts if len(part.strip()) == WINDOW and encoding(part) in shown]


@pytest.mark.parametrize("name", BY_CHARACTER)
@given(SECRETS, AROUND, AROUND)
def test_an_encoded_secret_leaves_nothing(name: str, secret: str, before: str, after: str) -> None:
    encoding = BY_CHARACTER[name]
    text = before + encoding(secret) + after

    for shown in (redact_secrets(text, [secret]), redact_line(text, [secret], max_length=5_000)):
        assert surviving(secret, encoding, shown) == []


@given(
    SECRETS,
    AROUND,
    AROUND,
    st.sampled_from(sorted(BY_CHARACTER)),
    st.lists(st.sampled_from(sorted(BY_CHARACTER.keys() - TWICE)), min_size=1, max_size=2),
)
def test_an_encoding_of_an_encoding_leaves_nothing(
    secret: str, before: str, after: str, first: str, others: list[str]
) -> None:
    def encoding(text: str) -> str:
        for name in (first, *others):
            text = BY_CHARACTER[name](text)
        return text

    shown = redact_secrets(before + encoding(secret) + after, [secret])

    assert surviving(secret, encoding, shown) == []


@pytest.mark.parametrize("as_bytes", AS_BYTES)
@given(SECRETS, AROUND, AROUND, st.sampled_from(sorted(BY_CHARACTER.keys() - TWICE)))
def test_a_secret_in_bytes_as_letters_leaves_nothing(
    as_bytes: Encoding, secret: str, before: str, after: str, name: str
) -> None:
    encoded = BY_CHARACTER[name](secret)
    whole = as_bytes(before + encoded + after)

    shown = redact_secrets(f"token: {whole}", [secret])

    kept = [part for part in shown.removeprefix("token: ").split(MASK) if part]
    assert MASK in shown
    assert sum(map(len, kept)) <= len(whole) - len(as_bytes(encoded)) + 8 + 24 * whole.count("\n")


@given(SECRETS, AROUND, st.integers(WINDOW, 60))
def test_the_start_of_a_secret_leaves_nothing_but_words(
    secret: str, before: str, length: int
) -> None:
    start = secret[:length]

    shown = redact_secrets(f"{before}{start}…", [secret])

    for part in surviving(secret, str, shown):
        assert part.isdigit() or not any(map(str.isdigit, part)) or len(set(part.lower())) < 4


def test_the_start_of_a_key_is_masked() -> None:
    key = "sk-proj-Ab9dQ7xK2mPz81LwTq"

    assert redact_secrets(f"bad key: {key[:15]}...", [key]) == f"bad key: {MASK}..."


@pytest.mark.parametrize(
    "text",
    [
        '{"status":"completed","required":true,"created":1712345678}',
        '{"id":"video_00000000-0000-0000","cost_micros":1000000000}',
    ],
)
def test_a_key_made_of_words_or_zeros_breaks_no_answer(text: str) -> None:
    keys = ["test-completed-key-required", "sk-00000000-0000-0000-0000-000000000000", "k12345678"]

    assert redact_secrets(text, keys) == text


@given(SECRETS, AROUND)
def test_json_with_an_echo_is_still_json(secret: str, around: str) -> None:
    document = {"error": {"message": around + secret, "param": None}, "id": [1, secret]}

    shown = json.loads(redact_secrets(json.dumps(document), [secret]))

    assert shown["error"]["param"] is None
    assert secret not in shown["error"]["message"]


@given(SECRETS, AROUND, st.sampled_from(sorted(BY_CHARACTER)), st.data())
def test_an_encoded_secret_split_over_chunks_leaves_nothing(
    secret: str, before: str, name: str, data: st.DataObject
) -> None:
    encoding = BY_CHARACTER[name]
    text = f"{before}{encoding(secret)}\nrest"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    redactor = StreamRedactor([secret])

    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    shown = "".join(map(redactor.feed, pieces)) + redactor.finish()

    assert surviving(secret, encoding, shown) == []


KEY = "sk-proj-Ab9/Vq8+1tE77==zetaQWErty0912345678abcdef"


@pytest.mark.parametrize(
    "piece",
    [
        KEY,
        KEY[:9] + " ",
        quote(KEY, safe=""),
        base64_text(KEY),
        KEY.encode().hex(),
        "%25",
        "%41",
        "&amp;",
        "&a1",
        "\\",
        "\\u0041",
        "abcdefghijk,",
        "word ",
        "<br",
        "0123456789abcdef",
        "\u200b",
    ],
)
def test_a_hostile_text_takes_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * size)[:size]
        taken = []
        for _ in range(3):
            begun = time.thread_time()
            redact_secrets(text, [KEY])
            taken.append(time.thread_time() - begun)
        return min(taken)

    assert seconds(200_000) < max(0.1, 16 * seconds(25_000))
