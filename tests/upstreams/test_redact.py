import base64
import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.upstreams.redact import (
    MASK,
    MAX_LINE_LENGTH,
    StreamRedactor,
    redact_line,
    redact_secrets,
)

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+/="
SECRETS = st.text(ALPHABET, min_size=8, max_size=60)


@pytest.mark.parametrize(
    ("text", "planted"),
    [
        ("Incorrect API key provided: sk-proj-AbC123xyz789", "AbC123xyz789"),
        ("used gm_live_0123456789abcdef here", "0123456789abcdef"),
        ("Authorization: Bearer abc.def-123 is bad", "abc.def-123"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("key AIzaSyA1234567890abcdefghijklmnopqrstuv", "SyA1234567890"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "eyJzdWIiOiIxMjM0In0"),
        ("GET /v1beta/models?key=topsecretvalue failed", "topsecretvalue"),
        ('{"api_key": "a1b2c3d4e5f6"}', "a1b2c3d4e5f6"),
        ("api-key: a1b2c3d4e5f6", "a1b2c3d4e5f6"),
        ("session_token=abcdef; path=/", "abcdef"),
        ("password=hunter22", "hunter22"),
        ("write to someone.else+x@mail.example.org", "someone.else"),
        ("https://cdn.example/v.mp4?X-Amz-Signature=deadbeef&Expires=1", "deadbeef"),
        ("see https://user:pa55word@host.example/x", "pa55word"),
        ("id Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA", "Zm9vYmFyYmF6"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
    ],
)
def test_a_text_that_looks_like_a_secret_is_masked(text: str, planted: str) -> None:
    assert planted in text

    assert planted not in redact_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "当前分组上游负载已饱和，请稍后再试",
        "Invalid token: it has expired",
        "The API key is required",
        "connect to 192.0.2.7:443 failed",
        "see https://docs.example/errors",
        "分组 default 下模型 sora_video2 无可用渠道（distributor）",
        "Rate limit reached for sora-2: Limit 25, Used 25",
        "token: invalid",
        "",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact_line(text) == text


def test_the_query_of_a_url_is_masked_and_the_url_stays() -> None:
    assert (
        redact_line("at https://a.example/v.mp4?sig=1 now")
        == f"at https://a.example/v.mp4?{MASK} now"
    )


def test_a_text_becomes_one_line_without_control_characters() -> None:
    assert redact_line(" a\r\n\tb\0c\u202ed\u200b \x1b[31m") == "a b cd [31m"


def test_a_long_text_is_cut() -> None:
    cut = redact_line("word " * 1_000)

    assert len(cut) <= MAX_LINE_LENGTH
    assert cut.endswith("…")


@pytest.mark.parametrize("secret", ["Geheim/+1= x", "密钥密钥密钥", "pläne&co", 'quo"ted\\x'])
def test_a_secret_is_masked_in_every_encoding(secret: str) -> None:
    spellings = [
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(f"user:{secret}".encode()).decode(),
    ]

    cleaned = [redact_line(f"he said {spelling}!", [secret]) for spelling in spellings]

    assert all(MASK in text for text in cleaned)
    assert all(secret not in text for text in cleaned)


def test_a_secret_split_by_invisible_characters_is_masked() -> None:
    assert "hunter22hunter" not in redact_line("it is hunter22\u200bhunter", ["hunter22hunter"])


def test_a_secret_at_the_edge_of_the_cut_leaves_no_half() -> None:
    secret = "PLANTED-not-key-shaped"

    for filler in range(MAX_LINE_LENGTH - 30, MAX_LINE_LENGTH + 5):
        assert "PLANT" not in redact_line("x" * filler + " " + secret + " y" * 50, [secret])


def test_a_secret_after_many_spaces_is_masked() -> None:
    assert "abc" not in redact_line(" " * 19_990 + "sk-abcdefghijklmnopqrstuvwxyz0123456789")


def test_a_short_secret_does_not_garble_the_text() -> None:
    assert redact_line("banana", ["an", ""]) == "banana"


@given(SECRETS, st.text(max_size=80), st.text(max_size=80))
def test_a_planted_secret_never_survives(secret: str, before: str, after: str) -> None:
    assert secret not in redact_line(before + secret + after, [secret])


@given(st.lists(SECRETS, min_size=1, max_size=3), st.text(max_size=20))
def test_no_secret_hides_behind_another(secrets: list[str], glue: str) -> None:
    cleaned = redact_line(glue.join(secrets) + "".join(secrets), secrets)

    assert not any(secret in cleaned for secret in secrets)


@given(st.text(max_size=500), st.lists(SECRETS, max_size=2))
def test_redacting_is_idempotent(text: str, secrets: list[str]) -> None:
    once = redact_line(text, secrets)

    assert redact_line(once, secrets) == once


@given(st.text(), st.lists(st.text(), max_size=3))
def test_it_never_raises_and_always_gives_one_short_line(text: str, secrets: list[str]) -> None:
    cleaned = redact_line(text, secrets)

    assert len(cleaned) <= MAX_LINE_LENGTH
    assert len(cleaned.splitlines()) <= 1


@given(SECRETS, st.text(max_size=60), st.text(max_size=60), st.data())
def test_a_secret_split_over_chunks_is_masked(
    secret: str, before: str, after: str, data: st.DataObject
) -> None:
    text = before + secret + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    veil = StreamRedactor([secret])

    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    shown = "".join(veil.feed(piece) for piece in pieces) + veil.finish()

    assert secret not in shown


@given(st.lists(st.text(alphabet="abc", max_size=20), max_size=5))
def test_a_stream_without_secrets_is_unchanged(pieces: list[str]) -> None:
    veil = StreamRedactor(["ab-ab-ab-ab"])

    shown = "".join(veil.feed(piece) for piece in pieces) + veil.finish()

    assert shown == "".join(pieces)


def test_a_stream_holds_back_its_unfinished_line() -> None:
    redactor = StreamRedactor(["PLANTED-key"])

    assert redactor.feed("data: [DONE]\n") == "data: [DONE]\n"
    assert redactor.feed("data: he said PLAN") == ""
    assert redactor.feed("TED-key!\n") == f"data: he said {MASK}!\n"


def test_a_stream_holds_back_no_more_than_an_echo_of_a_secret() -> None:
    redactor = StreamRedactor(["PLANTED-key"])

    shown = redactor.feed("x" * 10_000)

    assert len(shown) > 9_000


def test_a_body_is_kept_whole_but_for_its_secrets() -> None:
    body = '{\n  "a":  "' + "x" * 1000 + '"}'

    assert redact_secrets(body, ["PLANTED-key"]) == body
    assert redact_secrets("PLANTED\\/key PLANTED%2Fkey", ["PLANTED/key"]) == f"{MASK} {MASK}"
