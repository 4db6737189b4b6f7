"""Collects the body of an answer; long base64 texts in JSON, mostly films, go to temporary files.

So the rest stays small: it is searched, parsed and logged like any other answer, and a film inside
an answer costs no memory.
"""

import re
import tempfile

from tallylight.upstreams.inline_files import LongText, long_text_mark

_LONG = 64 * 1024
"""The length from which a text goes to a file."""

_HEAD = 4096
_FILES_LIMIT = 512 * 1024 * 1024
"""The most bytes that all long texts of one answer have together."""

_BEFORE_JSON = b"\xef\xbb\xbf \r\n\t"  # also the mark of UTF-8
_TO_STOP = re.compile(rb'[^"\\]*')
#: Possessive, since each step that could be taken back costs memory.
_IS_BASE64 = re.compile(
    rb'(?:data:[^,"]{0,200},)?'
    rb"(?:[A-Za-z0-9+/=_-]++|\\[/nr]|\\u00[0-9a-fA-F]{2}|%[0-9a-fA-F]{2})*+",
    re.IGNORECASE,
)
_PARTIAL_ESCAPE = 6  # a longest escape, \u002b, may be cut off at the end of what has arrived


class BodyReader:
    """Collects a body up to a limit.

    Args:
        limit: The most bytes of it, without the texts in files.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._is_json: bool | None = None
        self._text_start: int | None = None  # of the JSON text that has not ended yet
        self._is_escaped = False
        self._is_plain = False  # the text that has not ended is long, but no base64
        self._files: list[LongText] = []
        self._file_bytes = 0
        self._is_in_file = False
        self.body = bytearray()
        self.is_truncated = False

    @property
    def long_texts(self) -> tuple[LongText, ...]:
        """Return the texts that went to files; the body has their marks."""
        return tuple(self._files)

    def feed(self, chunk: bytes) -> bool:
        """Add what has arrived; tell whether more is read."""
        if self._is_json is None and (start := chunk.lstrip(_BEFORE_JSON)):
            self._is_json = start[:1] in {b"{", b"["}
        if self._is_json:
            self._feed_json(chunk)
        else:
            self.body += chunk
        if len(self.body) > self._limit or self._file_bytes > _FILES_LIMIT:
            self.is_truncated = True
            del self.body[self._limit :]
        return not self.is_truncated

    def _feed_json(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            if self._text_start is None:
                quote = chunk.find(b'"', at)
                end = len(chunk) if quote < 0 else quote + 1
                self.body += chunk[at:end]
                if quote >= 0:
                    self._text_start, self._is_plain = len(self.body), False
            else:
                end = self._end_in_text(chunk, at)
                self._add_to_text(chunk[at:end])
                if end < len(chunk):  # the closing quote
                    self._text_start, self._is_in_file = None, False
                    self.body += b'"'
                    end += 1
            at = end

    def _end_in_text(self, chunk: bytes, at: int) -> int:
        """Return where the text ends in a chunk: at its closing quote, or at the chunk's end."""
        while at < len(chunk):
            if self._is_escaped:
                self._is_escaped = False
                at += 1
                continue
            found = _TO_STOP.match(chunk, at)
            at = len(chunk) if found is None else found.end()
            if at < len(chunk) and chunk[at : at + 1] == b"\\":
                self._is_escaped = True
                at += 1
            else:
                break
        return at

    def _add_to_text(self, part: bytes) -> None:
        if self._is_in_file:
            self._files[-1].file.write(part)
            self._file_bytes += len(part)
            return
        self.body += part
        start = self._text_start or 0
        if self._is_plain or len(self.body) - start < _LONG:
            return
        text = bytes(self.body[start:])
        found = _IS_BASE64.match(text)
        self._is_plain = found is None or found.end() < len(text) - _PARTIAL_ESCAPE
        if not self._is_plain:
            self._move_to_file(start, text)

    def _move_to_file(self, start: int, text: bytes) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed, and so deleted, when freed
        file.write(text)
        self._file_bytes += len(text)
        self.body[start:] = long_text_mark(len(self._files)).encode("ascii")
        self._files.append(LongText(text[:_HEAD].decode("ascii", "replace"), file))
        self._is_in_file = True
