"""Texts after steps of decoding: each view knows where in the text its bytes come from."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Span = tuple[int, int]
"""A first place, and the one after the last."""

Replacement = bytes | Callable[[re.Match[bytes]], bytes]

SEPARATOR = b"\xff"
"""In no text."""

_MOST_BACKSLASHES = 64  # before a place; more are no JSON


@dataclass(frozen=True, slots=True)
class TextCode:
    """A way to write bytes as letters: so many characters stand for so many bytes."""

    token: re.Pattern[bytes]
    characters: int
    size: int
    decode: Callable[[bytes], bytes]


class TextView:
    """A text after some steps of decoding."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def substituted(self, pattern: re.Pattern[bytes], replacement: Replacement) -> "TextView":
        """Return the text with the matches of a pattern replaced."""
        return TextView(pattern.sub(replacement, self.data))

    def decoded(self, code: TextCode, tokens: Sequence[Span]) -> "TextView":
        """Return what tokens of a code stand for, with a separator between them."""
        return TextView(SEPARATOR.join(code.decode(self.data[start:end]) for start, end in tokens))

    def source(self, start: int, end: int) -> Span:
        """Return the place in the text where a part of this view comes from."""
        return start, end


class WholeText(TextView):
    """The text itself, with views that know their places; they are widened to characters."""

    def substituted(self, pattern: re.Pattern[bytes], replacement: Replacement) -> TextView:
        """Return the text with the matches of a pattern replaced."""
        return _Substituted(self, pattern, replacement)

    def decoded(self, code: TextCode, tokens: Sequence[Span]) -> TextView:
        """Return what tokens of a code stand for, with a separator between them."""
        return _Decoded(self, code, tokens)

    def source(self, start: int, end: int) -> Span:
        """Return the place in the text where a part of this view comes from."""
        data = self.data
        while start and _continues_character(data[start]):
            start -= 1
        start -= _backslashes(data, start) % 2  # half an escape would spoil a JSON document
        end += _backslashes(data, end) % 2
        while end < len(data) and _continues_character(data[end]):
            end += 1
        return start, min(end, len(data))


class _Substituted(WholeText):
    """A view in which matches of a pattern are replaced."""

    def __init__(self, of: TextView, pattern: re.Pattern[bytes], replacement: Replacement) -> None:
        self._of = of
        self._starts: list[int] = []
        self._pieces: list[tuple[int, int, bool]] = []  # start and end before, and if replaced
        pieces: list[bytes] = []
        size = end = 0
        for match in pattern.finditer(of.data):
            text = replacement if isinstance(replacement, bytes) else replacement(match)
            kept = of.data[end : match.start()]
            for piece, before in (
                (kept, (end, match.start(), False)),
                (text, (*match.span(), True)),
            ):
                if piece:
                    self._starts.append(size)
                    self._pieces.append(before)
                    pieces.append(piece)
                    size += len(piece)
            end = match.end()
        self._starts.append(size)
        self._pieces.append((end, len(of.data), False))
        super().__init__(b"".join((*pieces, of.data[end:])))

    def source(self, start: int, end: int) -> Span:
        return self._of.source(self._before(start)[0], self._before(end - 1)[1])

    def _before(self, position: int) -> Span:
        index = bisect_right(self._starts, position) - 1
        start, end, is_replaced = self._pieces[index]
        if is_replaced:
            return start, end
        place = start + position - self._starts[index]
        return place, place + 1


class _Decoded(WholeText):
    """What tokens of a code stand for."""

    def __init__(self, of: TextView, code: TextCode, tokens: Sequence[Span]) -> None:
        self._of, self._code, self._tokens = of, code, tokens
        self._starts: list[int] = []
        pieces: list[bytes] = []
        size = 0
        for start, end in tokens:
            piece = code.decode(of.data[start:end])
            self._starts.append(size)
            pieces.append(piece)
            size += len(piece) + len(SEPARATOR)
        super().__init__(SEPARATOR.join(pieces))

    def source(self, start: int, end: int) -> Span:
        index = bisect_right(self._starts, start) - 1
        token_start, token_end = self._tokens[index]
        first = (start - self._starts[index]) // self._code.size
        last = (end - 1 - self._starts[index]) // self._code.size
        return self._of.source(
            token_start + first * self._code.characters,
            min(token_start + (last + 1) * self._code.characters, token_end),
        )


def _backslashes(data: bytes, end: int) -> int:
    before = data[max(0, end - _MOST_BACKSLASHES) : end]
    return len(before) - len(before.rstrip(b"\\"))


def _continues_character(byte: int) -> bool:
    return byte & 0xC0 == 0x80  # noqa: PLR2004  # of UTF-8
