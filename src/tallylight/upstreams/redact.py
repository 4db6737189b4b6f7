"""Removes secrets from texts of upstreams before they are stored, logged or shown.

Known secrets are removed in every encoding in which a server may echo them (`secret_search`),
unknown ones by pattern. The result is one line of plain text.
"""

import re
from collections.abc import Iterable
from typing import Final

from tallylight.upstreams.secret_search import masked

MASK: Final = "***"
#: Default length of a redacted line, in characters.
MAX_LINE_LENGTH: Final = 300
_MAX_INPUT = 20_000
_MAX_PASSES = 5
_LONGEST_ESCAPE = 12  # characters that stand for one of a secret: "\\\\\\\\u002f", "%25252F"

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
            r"(?i)((?<![\w-])[\w-]*(?:key|token|secret|passw(?:or)?d|signature|credential|cookie|session)"
            r"[\w-]{0,20}=\"?)[^\s\"'&,;*]{3,}"
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            r"(?i)((?<![\w-])(?:[\w-]*(?:key|token|secret|passw(?:or)?d|signature|credential|cookie|session)"
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

    Secrets shorter than 4 characters are ignored. A line that is too long ends in "…".
    """
    known = _normalized(secrets)
    clean = text
    for _ in range(_MAX_PASSES):
        before, clean = clean, _redact_once(clean, known, max_length)
        if clean == before:
            break
    return clean


def redact_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text with its known secrets masked, in every encoding, and otherwise unchanged."""
    return _masked(text, _normalized(secrets))


class StreamRedactor:
    """Masks known secrets in a text that arrives in chunks, even where a chunk ends inside one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = _normalized(secrets)
        self._hold_back = _LONGEST_ESCAPE * max(map(len, self._secrets), default=0)
        # An echo in any encoding has none of these, unless the secret has; and lines are complete.
        self._ends = "\n" + "".join(set('{}[]()",!*|^$`') - set("".join(self._secrets)))
        self._pending = ""

    def feed(self, chunk: str) -> str:
        """Return the text that is safe to show.

        Words at its end are held back until the line is complete, or until they are longer than
        any echo of a secret.
        """
        text = _masked(self._pending + chunk, self._secrets)
        ends = (text.rfind(end) + 1 for end in self._ends)
        safe = max(*ends, len(text) - self._hold_back)
        self._pending = text[safe:]
        return text[:safe]

    def finish(self) -> str:
        """Return the text that was held back, at the end of the stream."""
        rest, self._pending = self._pending, ""
        return rest


def _redact_once(text: str, secrets: tuple[str, ...], max_length: int) -> str:
    line = _cut_input(_masked(text, secrets))
    line = _WHITESPACE.sub(" ", _INVISIBLE.sub("", line)).strip()
    for pattern, replacement in _SECRET_PATTERNS:
        line = pattern.sub(replacement, line)
    return line if len(line) <= max_length else f"{line[: max_length - 1].rstrip()}…"


def _cut_input(text: str) -> str:
    """Return the start of a long text, cut before its last word: half a key matches no pattern."""
    return text if len(text) <= _MAX_INPUT else _LAST_WORD.sub("…", text[:_MAX_INPUT])


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    return masked(text, secrets, MASK)


def _normalized(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(secrets)))
