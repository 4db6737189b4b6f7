"""Removes secrets from texts of upstreams before they are stored, logged or shown.

Known secrets are removed in every encoding in which a server may echo them, unknown ones by
pattern. The result is one line of plain text.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
#: Default length of a redacted line, in characters.
MAX_LINE_LENGTH: Final = 300
#: A shorter "secret" is part of ordinary words: removing it would garble the text.
MIN_SECRET_LENGTH: Final = 4
_MAX_INPUT = 20_000
_MAX_PASSES = 5

_LAST_WORD = re.compile(r"(?<!\S)\S+\Z")
_INVISIBLE = re.compile("[\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_WHITESPACE = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")

_SECRET_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The query of a URL: signatures, keys, sessions.
    (re.compile(r"(\b\w{2,8}://[^\s?#\"'<>]{1,500})[?#][^\s\"'<>]+"), rf"\1?{MASK}"),
    (re.compile(r"(\b\w{2,8}://)[^\s/@\"'<>]{1,200}@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]+"), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}"), MASK),
    (re.compile(r"\b(?:AIza|AKIA|ASIA|LTAI|AKLT|ya29\.|xox[abp]-)[\w-]{10,}"), MASK),
    (
        re.compile(
            r"\b(?:sk|pk|rk|ak|gm|gsk|xai|fal|hf|r8|ghp|gho|rw|or|pkz|live|test)[-_][\w*-]{6,}"
        ),
        MASK,
    ),
    # name=value and "name": "value" where the name says what it is.
    (
        re.compile(
            r"(?i)(\b[\w-]{0,40}(?:key|token|secret|passw(?:or)?d|signature|credential|cookie|session)"
            r"[\w-]{0,20}=\"?)[^\s\"'&,;*]{3,}"
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            r"(?i)(\b(?:[\w-]{0,40}(?:key|token|secret|passw(?:or)?d|signature|credential|cookie|session)"
            r"|authorization)[\"']?\s?:\s?[\"']?)(?=[\w.+/=-]*\d)[\w.+/=-]{8,}"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5}"), MASK),
    # Long and opaque: a key of an unknown maker. Each dash begins a search for a digit and a
    # letter, so the length of that search is bounded.
    (re.compile(r"\b(?=[A-Za-z_-]{0,200}\d)(?=[\d_-]{0,200}[A-Za-z])[\w-]{40,}"), MASK),
)


def redact_line(
    text: str, secrets: Iterable[str] = (), *, max_length: int = MAX_LINE_LENGTH
) -> str:
    """Return a text as one line without secrets. Never raises; idempotent.

    Secrets shorter than `MIN_SECRET_LENGTH` are ignored. A line that is too long ends in "…".
    """
    spellings = _spellings(tuple(sorted(set(secrets))))
    clean = text
    for _ in range(_MAX_PASSES):
        before, clean = clean, _redact_once(clean, spellings, max_length)
        if clean == before:
            break
    return clean


def redact_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text with its known secrets masked, in every encoding, and otherwise unchanged."""
    return _masked(text, _spellings(tuple(sorted(set(secrets)))))


class StreamRedactor:
    """Masks known secrets in a text that arrives in chunks, even where a chunk ends inside one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._spellings = _spellings(tuple(sorted(set(secrets))))
        self._pending = ""

    def feed(self, chunk: str) -> str:
        """Return the text that is safe to show; an end in which a secret may begin is held back."""
        text = _masked(self._pending + chunk, self._spellings)
        held_back = max((_partial_match_length(text, each) for each in self._spellings), default=0)
        safe = len(text) - held_back
        self._pending = text[safe:]
        return text[:safe]

    def finish(self) -> str:
        """Return the text that was held back, at the end of the stream."""
        rest, self._pending = self._pending, ""
        return rest


def _partial_match_length(text: str, spelling: str) -> int:
    """Return how many characters at the end of a text are the start of a spelling."""
    longest = min(len(text), len(spelling) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(spelling[:n])), 0)


def _redact_once(text: str, spellings: tuple[str, ...], max_length: int) -> str:
    line = _cut_input(_masked(text, spellings))
    line = _masked(_WHITESPACE.sub(" ", _INVISIBLE.sub("", line)).strip(), spellings)
    for pattern, replacement in _SECRET_PATTERNS:
        line = pattern.sub(replacement, line)
    return line if len(line) <= max_length else f"{line[: max_length - 1].rstrip()}…"


def _cut_input(text: str) -> str:
    """Return the start of a long text, cut before its last word: half a key matches no pattern."""
    return text if len(text) <= _MAX_INPUT else _LAST_WORD.sub("…", text[:_MAX_INPUT])


def _masked(text: str, spellings: tuple[str, ...]) -> str:
    for spelling in spellings:
        if spelling in text:
            text = text.replace(spelling, MASK)
    return text


@lru_cache(maxsize=64)
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return all encodings of the secrets, longest first."""
    known = (secret for secret in secrets if len(secret.strip()) >= MIN_SECRET_LENGTH)
    encoded = {spelling for secret in known for spelling in _encodings(secret)}
    return tuple(
        sorted((each for each in encoded if len(each) >= MIN_SECRET_LENGTH), key=_longest_first)
    )


def _longest_first(spelling: str) -> tuple[int, str]:
    return -len(spelling), spelling


def _encodings(secret: str) -> Iterator[str]:
    yield secret
    yield _WHITESPACE.sub(" ", _INVISIBLE.sub("", secret)).strip()
    yield quote(secret, safe="", errors="replace")
    yield quote_plus(secret, errors="replace")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield json.dumps(secret)[1:-1].replace("/", "\\/")  # as PHP writes it
    raw = secret.encode("utf-8", "replace")
    for shift in range(3):  # base64 of a longer text that holds the secret
        start, end = (shift * 8 + 5) // 6, (len(raw) + shift) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + raw).decode("ascii")[start:end]
