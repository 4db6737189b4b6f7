"""Splits a stream of server-sent events into the data of each event."""

import re
from typing import NamedTuple

from tallylight.upstreams.json_access import parse_json

_END_OF_LINE = re.compile("\r\n|\n|\r")
_BARE_LIMIT = 64 * 1024
_HEAD = 4096
_JSON_LINE_STARTS = (" ", "\t", '"', "}", "]")
_FIELDS = ("data:", "event:", "id:", "retry:")

DONE_MARKER = "[DONE]"
ERROR_EVENT = "error"


class StreamEvent(NamedTuple):
    """One event.

    Args:
        data: The data, its lines joined.
        name: The name in the field `event`, "" for none.
        is_bare: The text stood outside of events: a server may answer with a document, or with a
            line of JSON or of text, where the data of an event is expected.
    """

    data: str
    name: str = ""
    is_bare: bool = False


class SseParser:
    """Reads text in chunks and returns each event once it is complete.

    More tolerant than the standard (https://html.spec.whatwg.org/multipage/server-sent-events.html):
    the blank line between two events may be missing, and so may the end of the last one. A line of
    JSON outside of events is an event of its own; other lines outside of events are one, up to the
    next event.
    """

    def __init__(self) -> None:
        self._partial_line: list[str] = []  # the chunks of an unfinished line
        self._data: list[str] = []  # the data lines of an unfinished event
        self._name = ""  # of the unfinished event
        self._next_name: str | None = None  # of the next one, unless a blank line follows
        self._bare_lines: list[str] = []
        self._bare_size = 0

    def feed(self, text: str) -> list[StreamEvent]:
        """Read the next chunk; return the events that it completes."""
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
        return [event for line in lines for event in self._feed_line(line)]

    def end(self) -> list[StreamEvent]:
        """Return the events in which the stream ended."""
        rest = "".join(self._partial_line).removesuffix("\r")
        self._partial_line = []
        return [*self._feed_line(rest), *self._completed_event(), *self._bare_event()]

    def _feed_line(self, line: str) -> list[StreamEvent]:
        line = line.removeprefix("\ufeff")
        if not line:
            return self._completed_event()
        if line.startswith("data:"):
            return self._feed_data(line.removeprefix("data:").removeprefix(" "))
        if line.startswith("event:"):
            self._feed_name(line.removeprefix("event:").strip())
        elif not line.startswith((":", *_FIELDS)):
            return self._feed_bare_line(line)
        return []

    def _feed_data(self, data: str) -> list[StreamEvent]:
        completed = self._bare_event()
        if self._is_complete() or data.strip() == DONE_MARKER:
            next_name, self._next_name = self._next_name, None
            completed += self._completed_event()
            self._name = next_name or self._name
        self._data.append(data)
        return completed

    def _feed_name(self, name: str) -> None:
        if self._is_complete():
            self._next_name = name
        else:
            self._name = name

    def _feed_bare_line(self, line: str) -> list[StreamEvent]:
        if line.startswith("{") and isinstance(parse_json(line), dict):
            name = "" if self._data else self._name
            completed = [*self._completed_event(), *self._bare_event()]
            return [*completed, StreamEvent(line, name, is_bare=True)]
        if self._data and line.startswith(_JSON_LINE_STARTS):
            self._data.append(line)  # of a document in several lines, only the first is marked
            return []
        room = _BARE_LIMIT - self._bare_size
        if room > 0:
            self._bare_lines.append(line[:room])
            self._bare_size += len(line)
        return []

    def _is_complete(self) -> bool:
        # Only an event of one line is checked: with a check per line, a hostile event would take
        # quadratic time.
        if len(self._data) != 1:
            return False
        return self._data[0].strip() == DONE_MARKER or parse_json(self._data[0]) is not None

    def _completed_event(self) -> list[StreamEvent]:
        """Return the unfinished event, which ends here."""
        name = self._name if self._next_name is None else self._next_name
        data = "\n".join(self._data)
        self._data, self._next_name = [], None
        self._name = ""
        return [StreamEvent(data, name)] if data else []

    def _bare_event(self) -> list[StreamEvent]:
        """Return the lines outside of events as one event, which ends here."""
        lines, self._bare_lines = self._bare_lines, []
        return [StreamEvent("\n".join(lines), is_bare=True)] if lines else []


def is_event_stream(body: str) -> bool:
    """Tell whether a body is a stream of events, perhaps after comments or a line of JSON."""
    lines = [line for line in _END_OF_LINE.split(body.lstrip("\ufeff \t\r\n")[:_HEAD]) if line]
    said = [line for line in lines if not line.startswith(":")]
    if not said:
        return bool(lines)
    is_json = said[0].startswith("{") and parse_json(said[0]) is not None
    has_event = any(line.startswith(("data:", "event:")) for line in said)
    return has_event and (is_json or said[0].startswith(_FIELDS))


def unframed(body: str) -> str:
    """Return the data of the only event in a body; the body itself if it is no such stream."""
    if not is_event_stream(body):
        return body
    parser = SseParser()
    events = [*parser.feed(body), *parser.end()]
    documents = [event.data for event in events if event.data.strip() != DONE_MARKER]
    return documents[0] if len(documents) == 1 else body
