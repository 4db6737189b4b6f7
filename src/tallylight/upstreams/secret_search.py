"""Finds known secrets in texts of strangers, in whatever encoding a server echoes them.

A server quotes a key for a URL, for JSON, for HTML, in base64 or hexadecimal, wholly or in part,
one over another, split over lines or cut off. So the search does not try encodings of the secret:
it decodes the text step by step, and the secret by the same steps, and compares what comes out.
Each view of a text knows where its bytes come from, so that exactly the echo is masked.

All steps take linear time, because an upstream chooses the text.
"""

import binascii
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from tallylight.upstreams.text_views import (
    SEPARATOR,
    Span,
    TextCode,
    TextView,
    WholeText,
)

#: As many consecutive characters of a secret are masked wherever they stand.
WINDOW: Final = 8
#: As many of a part that could be ordinary words or a number; fewer only as the whole secret.
WORDS_WINDOW: Final = 16
#: A shorter "secret" is part of ordinary words: removing it would garble the text.
MIN_SECRET_LENGTH: Final = 4

_LONG_SECRET = 256
_MAX_LAYERS = 5
_MAX_CODE_DEPTH = 2

#: Characters and short tags that do not show, or that a server adds where it breaks a line.
_DROPPED = re.compile(
    rb"(?:[\x00-\x20\x7f]|\xc2[\x80-\xa0\xad]|\xe1\x9a\x80|\xe2\x80[\x80-\x8f\xa8-\xaf]"
    rb"|\xe2\x81[\x9f-\xaf]|\xe3\x80\x80|\xef\xbb\xbf|\xed[\xa0-\xbf][\x80-\xbf]"
    rb"|</?[A-Za-z]{1,8}[ ]{0,4}/?>)+"
)
#: Each escape with all that was escaped again: %252F, &amp;#47;, \\\\u002f.
_ESCAPE = re.compile(
    rb"%(?:25)*(?P<percent>[0-9A-Fa-f]{2})"
    rb"|&(?:amp;)*(?:#(?P<decimal>[0-9]{1,7})|#[xX](?P<hex>[0-9A-Fa-f]{1,6})"
    rb"|(?P<entity>[A-Za-z][A-Za-z0-9]{1,31}));?"
    rb"|\\++(?:u(?P<high>[dD][89abAB][0-9A-Fa-f]{2})\\++u(?P<low>[dD][c-fC-F][0-9A-Fa-f]{2})"
    rb"|u(?P<unicode>[0-9A-Fa-f]{4})|x(?P<byte>[0-9A-Fa-f]{2})|(?P<control>[nrtf]))?"
)
_PLUS = re.compile(rb"\++")  # a space of a form; dropped, as spaces are
_ORDINARY = re.compile(rb"[a-z_.:/ -]+|[A-Z][a-z_.:/ -]+|[A-Z_.:/ -]+|[0-9]+")
_FEWEST_DIFFERENT = 4


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _from_base64(token: bytes) -> bytes:
    whole = token[: len(token) - (len(token) % 4 == 1)].translate(_URL_SAFE)
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def _from_hex(token: bytes) -> bytes:
    return binascii.a2b_hex(token[: len(token) // 2 * 2])


_CODES = (
    TextCode(re.compile(rb"[A-Za-z0-9+/_-]{11,}"), 4, 3, _from_base64),
    TextCode(re.compile(rb"[0-9A-Fa-f]{16,}"), 2, 1, _from_hex),
)


def masked(text: str, secrets: tuple[str, ...], mask: str) -> str:
    """Return a text with each echo of a secret, or of a part of it, replaced by the mask."""
    spans = secret_spans(text, secrets)
    if not spans:
        return text
    data, pieces, end = _encoded(text), [], 0
    for start, stop in spans:
        pieces.append(data[end:start])
        end = stop
    return mask.join(map(_decoded, [*pieces, data[end:]]))


def secret_spans(text: str, secrets: tuple[str, ...]) -> list[Span]:
    """Return where secrets stand in the UTF-8 form of a text, in order and without overlaps."""
    needles = _needles(secrets)
    if not needles.is_empty:
        data = _encoded(text)
        if _first(_spans(TextView(data), needles)) or _first(_literal_spans(data, needles.literal)):
            found = [*_literal_spans(data, needles.literal), *_spans(WholeText(data), needles)]
            return _merged(found)
    return []


@dataclass(frozen=True, slots=True)
class _Needles:
    """What is searched for.

    Args:
        whole: The decoded secrets, in lower case, without spaces.
        windows: Parts of them that betray them, each with the characters before it: a key often
            begins with words.
        run: As many of their characters as the shortest part has: most texts have no such run, and
            then none of the parts.
        literal: Secrets too short to be searched for in a decoded text, as they are written.
    """

    whole: frozenset[bytes]
    windows: Mapping[bytes, bytes]
    run: re.Pattern[bytes]
    literal: frozenset[bytes]

    @property
    def is_empty(self) -> bool:
        return not self.whole and not self.literal


@lru_cache(maxsize=64)
def _needles(secrets: tuple[str, ...]) -> _Needles:
    whole: set[bytes] = set()
    literal: set[bytes] = set()
    for secret in secrets:
        if len(secret.strip()) < MIN_SECRET_LENGTH:
            continue
        raw = _encoded(secret)
        # A header's bytes are read as Latin-1 by many servers, and echoed as that.
        for form in {raw, _encoded(raw.decode("latin-1"))}:
            whole |= {layer.substituted(_PLUS, b"").data for layer in _layers(TextView(form))}
        literal |= {raw, _encoded(json.dumps(secret)[1:-1]), quote(raw, safe="").encode()}
    short = {each for each in literal if len(_DROPPED.sub(b"", each)) < WINDOW}
    whole = {each for each in whole if len(each) >= WINDOW}
    windows = {part.lower(): before.lower() for each in whole for before, part in _windows(each)}
    folded = frozenset(map(bytes.lower, whole))
    characters = b"".join(re.escape(bytes((each,))) for each in sorted({*b"".join(folded)}))
    run = re.compile(b"[%b]{%d}" % (characters or SEPARATOR, WINDOW))
    return _Needles(folded, windows, run, frozenset(short))


def _windows(secret: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the parts of a secret that betray it, each after what stands before it.

    Ordinary words do not betray a secret, nor does a row of equal characters.
    """
    step = 1 if len(secret) <= _LONG_SECRET else WINDOW
    for length in (WORDS_WINDOW, WINDOW):
        last = max(len(secret) - length, 0)
        for start in (*range(0, last, step), last):
            part = secret[start : start + length]
            is_ordinary = length == WINDOW and _ORDINARY.fullmatch(part)
            if not is_ordinary and len(set(part)) >= _FEWEST_DIFFERENT:
                yield secret[max(0, start - WORDS_WINDOW) : start], part


def _spans(view: TextView, needles: _Needles, depth: int = 0) -> Iterator[Span]:
    """Yield the places of secrets in the text of a view."""
    for layer in _layers(view):
        folded = layer.substituted(_PLUS, b"") if b"+" in layer.data else layer
        for start, end in _found(folded.data.lower(), needles):
            yield folded.source(start, end)
    if depth < _MAX_CODE_DEPTH:
        for decoded in _decodings(view):
            yield from _spans(decoded, needles, depth + 1)


def _found(data: bytes, needles: _Needles) -> list[Span]:
    found: list[Span] = []
    if not needles.run.search(data):
        return found
    for needle in needles.whole:
        if needle in data:
            found += [(start, start + len(needle)) for start in _occurrences(data, needle)]
    if found:  # their parts are not found again
        for needle in needles.whole:
            data = data.replace(needle, bytes(len(needle)))
    for needle, before in needles.windows.items():
        if needle in data:
            found += [
                (start - _common_end(data, start, before), start + len(needle))
                for start in _occurrences(data, needle)
            ]
    return _merged(found)


def _common_end(data: bytes, end: int, before: bytes) -> int:
    """Return how many characters before a place are those before a part of a secret."""
    for length in range(len(before)):
        if length >= end or data[end - 1 - length] != before[-1 - length]:
            return length
    return len(before)


def _layers(view: TextView) -> Iterator[TextView]:
    """Yield the text without characters that do not show, and after each step of unescaping."""
    layer = view.substituted(_DROPPED, b"")
    yield layer
    for _ in range(_MAX_LAYERS):
        if not _ESCAPE.search(layer.data):
            return
        before, layer = layer, layer.substituted(_ESCAPE, _meaning).substituted(_DROPPED, b"")
        if layer.data == before.data:
            return
        yield layer


def _decodings(view: TextView) -> Iterator[TextView]:
    """Yield what the tokens of each code stand for.

    What stands before a token may look like a part of it, so each of its first characters may be
    its start.
    """
    unescaped = view.substituted(_ESCAPE, _meaning) if _ESCAPE.search(view.data) else view
    for text in (view,) if unescaped is view else (view, unescaped):
        for code in _CODES:
            tokens = [token.span() for token in code.token.finditer(text.data)]
            for shift in range(code.characters if tokens else 0):
                yield text.decoded(code, [(start + shift, end) for start, end in tokens])


def _meaning(escape: re.Match[bytes]) -> bytes:
    """Return what an escape stands for."""
    kind = escape.lastgroup
    value = escape[kind] if kind else b""
    match kind:
        case "percent" | "byte":
            return bytes.fromhex(value.decode())
        case "unicode" | "hex":
            return _character(int(value, 16))
        case "decimal":
            return _character(int(value))
        case "low":
            high = int(escape["high"], 16) - 0xD800
            return _character(0x10000 + (high << 10) + int(value, 16) - 0xDC00)
        case "entity":
            name = html.unescape(f"&{value.decode()};")
            is_known = name == "&" or not name.startswith("&")
            return (
                _encoded(name)
                if is_known
                else b"&" + escape[0][escape.start(kind) - escape.start() :]
            )
        case _:
            return b""  # a line end, or backslashes alone, which quote what follows


def _character(code_point: int) -> bytes:
    return _encoded(chr(code_point)) if code_point <= 0x10FFFF else b""  # noqa: PLR2004  # of Unicode


def _literal_spans(data: bytes, needles: frozenset[bytes]) -> Iterator[Span]:
    for needle in needles:
        for start in _occurrences(data, needle):
            yield start, start + len(needle)


def _occurrences(data: bytes, needle: bytes) -> Iterator[int]:
    start = data.find(needle)
    while start >= 0:
        yield start
        start = data.find(needle, start + 1)


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _first(spans: Iterator[Span]) -> Span | None:
    return next(spans, None)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
