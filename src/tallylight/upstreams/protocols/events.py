"""Splits a stream of server-sent events into the data of each event."""

import re

from tallylight.upstreams.json_access import parse_json

_END_OF_LINE = re.compile("\r\n|\n|\r")
_STRAY_LIMIT = 64 * 1024

DONE_MARKER = "[DONE]"


class SseParser:
    """Reads text in chunks and returns the data of each event once it is complete.

    More tolerant than the standard (https://html.spec.whatwg.org/multipage/server-sent-events.html):
    the blank line between two events may be missing, and so may the end of the last one. Lines
    outside of events are kept apart: a server may answer with plain JSON in place of a stream.
    """

    def __init__(self) -> None:
        self._partial_line: list[str] = []  # the chunks of an unfinished line
        self._data: list[str] = []  # the data lines of an unfinished event
        self._stray_lines: list[str] = []
        self._stray_size = 0
        self._is_done = False

    @property
    def stray_text(self) -> str:
        """Return the text outside of events, up to the end marker."""
        return "\n".join(self._stray_lines)

    def feed(self, text: str) -> list[str]:
        """Read the next chunk; return the data of the events that it completes."""
        if not text:
            return []
        if self._partial_line and self._partial_line[-1].endswith("\r"):
            text = self._partial_line.pop() + text  # a \n may follow: \r\n is one line end
        if not ("\n" in text or "\r" in text[:-1]):
            self._partial_line.append(text)
            return []
        held = "\r" if text.endswith("\r") else ""
        lines = _END_OF_LINE.split(text.removesuffix(held))
        lines[0] = "".join((*self._partial_line, lines[0]))
        self._partial_line = [lines.pop() + held]
        return [data for line in lines for data in self._feed_line(line)]

    def end(self) -> list[str]:
        """Return the data of the event in which the stream ended."""
        rest = "".join(self._partial_line).removesuffix("\r")
        self._partial_line = []
        return [*self._feed_line(rest), *self._feed_line("")]

    def _feed_line(self, line: str) -> list[str]:
        line = line.removeprefix("\ufeff")
        if not line:
            return self._completed_event()
        if line.startswith("data:"):
            completed = self._completed_event() if self._is_complete() else []
            self._data.append(line.removeprefix("data:").removeprefix(" "))
            return completed
        if not line.startswith((":", "event:", "id:", "retry:")):
            self._add_stray_line(line)
        return []

    def _is_complete(self) -> bool:
        # Only an event of one line is checked: with a check per line, a hostile event would take
        # quadratic time.
        if len(self._data) != 1:
            return False
        return self._data[0].strip() == DONE_MARKER or parse_json(self._data[0]) is not None

    def _completed_event(self) -> list[str]:
        data = "\n".join(self._data)
        self._data = []
        self._is_done = self._is_done or data.strip() == DONE_MARKER
        return [data] if data else []

    def _add_stray_line(self, line: str) -> None:
        room = _STRAY_LIMIT - self._stray_size
        if room > 0 and not self._is_done:
            self._stray_lines.append(line[:room])
            self._stray_size += len(line)
