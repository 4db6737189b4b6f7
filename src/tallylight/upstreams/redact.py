"""Taking secrets out of what strangers say, before it is kept, logged or shown.

Known secrets go exactly, in every spelling a server may echo them in; unknown ones by their shape.
What is left is one line of plain text.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
#: Longest text that comes back.
MAX_LINE_LENGTH: Final = 300
#: Shorter "secrets" are parts of ordinary words; removing them would only garble the text.
MIN_SECRET_LENGTH: Final = 4
_MAX_INPUT = 20_000
_MAX_PASSES = 5

_LAST_WORD = re.compile(r"(?<!\S)\S+\Z")
_INVISIBLE = re.compile("[\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_WHITESPACE = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")

_SECRET_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Everything after the question mark of an address: signatures, keys, sessions.
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
    # Long and opaque: a key whose maker we don't know. Each dash begins a look for a digit and a
    # letter, so how far it looks is bounded.
    (re.compile(r"\b(?=[A-Za-z_-]{0,200}\d)(?=[\d_-]{0,200}[A-Za-z])[\w-]{40,}"), MASK),
)


def redact_line(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text as one line of at most `LIMIT` characters with no secret in it.

    Never raises, and scrubbing twice changes nothing more.

    Args:
        text: Anything a stranger said.
        secrets: What must not come through whatever it looks like; those shorter than
            `SHORTEST_SECRET` are passed over.
    """
    spellings = _spellings(tuple(sorted(set(secrets))))
    clean = text
    for _ in range(_MAX_PASSES):
        before, clean = clean, _redact_once(clean, spellings)
        if clean == before:
            break
    return clean


def redact_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text as it is, but for known secrets in it, however they are spelled."""
    return _masked(text, _spellings(tuple(sorted(set(secrets)))))


class StreamRedactor:
    """Hides known secrets in a text that comes in pieces, also where one lies over their seam."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._spellings = _spellings(tuple(sorted(set(secrets))))
        self._pending = ""

    def feed(self, chunk: str) -> str:
        """Return what can be shown by now; the end is kept back where a secret may begin in it."""
        text = _masked(self._pending + chunk, self._spellings)
        known = len(text) - max(
            (_partial_match_length(text, each) for each in self._spellings), default=0
        )
        self._pending = text[known:]
        return text[:known]

    def finish(self) -> str:
        """Return what was kept back, once nothing more comes."""
        kept, self._pending = self._pending, ""
        return kept


def _partial_match_length(text: str, spelling: str) -> int:
    """Return how many characters at the end of a text are the beginning of a spelling."""
    longest = min(len(text), len(spelling) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(spelling[:n])), 0)


def _redact_once(text: str, spellings: tuple[str, ...]) -> str:
    line = _cut_input(_masked(text, spellings))
    line = _masked(_WHITESPACE.sub(" ", _INVISIBLE.sub("", line)).strip(), spellings)
    for shape, replacement in _SECRET_PATTERNS:
        line = shape.sub(replacement, line)
    return line if len(line) <= MAX_LINE_LENGTH else f"{line[: MAX_LINE_LENGTH - 1].rstrip()}…"


def _cut_input(text: str) -> str:
    """Return the beginning of a long text, not ending in the half of a key."""
    return text if len(text) <= _MAX_INPUT else _LAST_WORD.sub("…", text[:_MAX_INPUT])


def _masked(text: str, spellings: tuple[str, ...]) -> str:
    for spelling in spellings:
        if spelling in text:
            text = text.replace(spelling, MASK)
    return text


@lru_cache(maxsize=64)
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return every way in which secrets may be written, longest first."""
    known = (secret for secret in secrets if len(secret.strip()) >= MIN_SECRET_LENGTH)
    found = {spelling for secret in known for spelling in _encodings(secret)}
    return tuple(
        sorted((each for each in found if len(each) >= MIN_SECRET_LENGTH), key=_longest_first)
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
