"""Files inside an answer, as base64 or as a data URL: recognised by their first bytes, and decoded.

The text is as it stands in JSON, or already unescaped; base64 for URLs, with line breaks, without
padding and percent-encoded occurs, too.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from tallylight.upstreams.media_types import SNIFFED_BYTES, media_type_of

_BLOCK = 1024 * 1024
_SHORTEST = 64  # characters; a shorter text holds no file
_DATA_URL = re.compile(r"\Adata:[^,]{0,200}?;\s*base64\s*,", re.IGNORECASE)
_ESCAPE = re.compile(r"\\u00([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_PARTIAL_ESCAPE = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?|%[0-9a-fA-F]?)\Z")
_LINE_ENDS = frozenset("nrt")
_FROM_URL_SAFE = str.maketrans("-_", "+/")
_MARK = re.compile(r"\0long-text:(\d{1,4})")


@dataclass(frozen=True, slots=True)
class LongText:
    """A long text of a JSON answer, in a temporary file of ours.

    Args:
        head: Its first characters.
        file: All of it, as it stands between the quotes in JSON.
    """

    head: str
    file: BinaryIO = field(repr=False, compare=False)


def long_text_mark(index: int) -> str:
    """Return what stands in a body, as JSON, in place of the long text with an index."""
    return f"\\u0000long-text:{index}"


def unmarked(text: str, long_texts: Sequence[LongText]) -> str | LongText:
    """Return the long text that a text of a body stands for, else the text itself."""
    found = _MARK.fullmatch(text) if text.startswith("\0") else None
    index = int(found[1]) if found else len(long_texts)
    return long_texts[index] if index < len(long_texts) else text


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file inside an answer."""

    text: str | LongText

    @property
    def head(self) -> bytes:
        """Return the first bytes; none if they cannot be decoded."""
        text = self.text if isinstance(self.text, str) else self.text.head
        try:
            return next(decoded_blocks([text[: 4 * SNIFFED_BYTES]]))[:SNIFFED_BYTES]
        except ValueError:
            return b""

    @property
    def media_type(self) -> str:
        """Return the media type that the first bytes show, "" if they show none."""
        return media_type_of(self.head)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes.

        Raises:
            ValueError: if the base64 is broken.
        """
        return decoded_blocks(_pieces(self.text))


def inline_file(text: str | LongText) -> InlineFile | None:
    """Return the film or picture that a text is, None if it is none."""
    head = text if isinstance(text, str) else text.head
    if len(head) < _SHORTEST:
        return None
    found = InlineFile(text)
    return found if found.media_type else None


def decoded_blocks(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield the bytes of base64 that comes in pieces, the first with the head of a data URL.

    Raises:
        ValueError: if the base64 is broken.
    """
    pending, rest, is_first = "", "", True
    for piece in pieces:
        text = pending + piece
        if is_first:
            text, is_first = _DATA_URL.sub("", text.replace("\\/", "/")), False
        cut = _PARTIAL_ESCAPE.search(text, max(0, len(text) - 6))
        pending = text[cut.start() :] if cut else ""
        rest += _plain(text[: len(text) - len(pending)])
        whole = len(rest) // 4 * 4
        yield _decoded(rest[:whole])
        rest = rest[whole:]
    yield _decoded(rest + "=" * (-len(rest) % 4))


def _plain(text: str) -> str:
    text = text.replace("\\/", "/")
    if "\\" in text or "%" in text:
        text = _ESCAPE.sub(_unescaped, text)
    return "".join(text.split()).translate(_FROM_URL_SAFE)


def _unescaped(found: re.Match[str]) -> str:
    if number := found[1] or found[2]:
        return chr(int(number, 16))
    return "" if found[3] is None or found[3] in _LINE_ENDS else found[3]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"broken base64: {error}") from None


def _pieces(text: str | LongText) -> Iterator[str]:
    if isinstance(text, str):
        for at in range(0, len(text), _BLOCK):
            yield text[at : at + _BLOCK]
        return
    text.file.seek(0)
    while piece := text.file.read(_BLOCK):
        yield piece.decode("ascii", "replace")
