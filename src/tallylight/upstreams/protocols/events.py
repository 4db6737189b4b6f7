"""Cuts a stream of server-sent events into their data, however the network has chopped it."""

import re

from tallylight.upstreams.json_access import json_of

_END_OF_LINE = re.compile("\r\n|\n|\r")
_KEPT_ASIDE = 64 * 1024

DONE = "[DONE]"


class EventReader:
    """Takes text in any pieces and gives the data of each event once it is whole.

    More forgiving than the standard (https://html.spec.whatwg.org/multipage/server-sent-events.html):
    the blank line between two events may be missing, and so may the end of the last one. Lines that
    belong to no event are kept aside: a server may answer with plain JSON instead of a stream.
    """

    def __init__(self) -> None:
        self._line: list[str] = []  # the pieces of a line that has not ended yet
        self._data: list[str] = []  # the data lines of an event that has not ended yet
        self._aside: list[str] = []
        self._aside_size = 0
        self._is_done = False

    @property
    def aside(self) -> str:
        """Return what was said outside all events, up to the end mark."""
        return "\n".join(self._aside)

    def feed(self, text: str) -> list[str]:
        """Take in more text; return the data of the events that it completes."""
        if not text:
            return []
        if self._line and self._line[-1].endswith("\r"):
            text = self._line.pop() + text  # the other half of a line end may come now
        if not ("\n" in text or "\r" in text[:-1]):
            self._line.append(text)
            return []
        held = "\r" if text.endswith("\r") else ""
        lines = _END_OF_LINE.split(text.removesuffix(held))
        lines[0] = "".join((*self._line, lines[0]))
        self._line = [lines.pop() + held]
        return [data for line in lines for data in self._take(line)]

    def end(self) -> list[str]:
        """Return the data of an event that the stream broke off in."""
        rest = "".join(self._line).removesuffix("\r")
        self._line = []
        return [*self._take(rest), *self._take("")]

    def _take(self, line: str) -> list[str]:
        line = line.removeprefix("\ufeff")
        if not line:
            return self._finished()
        if line.startswith("data:"):
            finished = self._finished() if self._is_whole() else []
            self._data.append(line.removeprefix("data:").removeprefix(" "))
            return finished
        if not line.startswith((":", "event:", "id:", "retry:")):
            self._keep_aside(line)
        return []

    def _is_whole(self) -> bool:
        # Only asked of a single line: asked of every longer event, it would take a hostile one
        # the square of its lines.
        if len(self._data) != 1:
            return False
        return self._data[0].strip() == DONE or json_of(self._data[0]) is not None

    def _finished(self) -> list[str]:
        data = "\n".join(self._data)
        self._data = []
        self._is_done = self._is_done or data.strip() == DONE
        return [data] if data else []

    def _keep_aside(self, line: str) -> None:
        room = _KEPT_ASIDE - self._aside_size
        if room > 0 and not self._is_done:
            self._aside.append(line[:room])
            self._aside_size += len(line)
