"""Chat answers of reverse services: server-sent events, or one completion.

The format is TheSmallHanCat/sora2api's (commit e7d91b3), which other relays copy: progress and
retry notices are in `reasoning_content`, the result is the last `content` or an `error` event,
and a stream that ends without `[DONE]` was cut.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tallylight.upstreams.json_access import array_at, has_array, object_at, parse_json

_MAX_EVENTS = 20_000
_LINK = re.compile(r"https?://|data:(?:image|video)/|<video\b", re.IGNORECASE)
_FAILURE_MARK = "❌"


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The content of a chat answer, without progress and retry notices, and its error events."""

    content: str
    errors: tuple[object, ...]
    is_complete: bool

    @property
    def has_link(self) -> bool:
        """Tell whether the content names a result: a video, an image or any URL."""
        return _LINK.search(self.content) is not None

    @property
    def is_refusal(self) -> bool:
        """Tell whether the content ends with a failure, by the mark that all relays use.

        A link on a line after the mark is the result of a retry.
        """
        _, mark, after = self.content.rpartition(_FAILURE_MARK)
        return bool(mark) and _LINK.search(after.partition("\n")[2]) is None


def is_stream(body: str) -> bool:
    """Tell whether a body is a stream of server-sent events."""
    head = body.lstrip("﻿ \t\r\n")[:64]
    return head.startswith(("data:", "event:", "id:", "retry:", ": ", ":\n"))


def read_stream(body: str) -> ChatReply:
    """Return the chat answer in a whole stream of events."""
    content: list[str] = []
    errors: list[object] = []
    is_complete = False
    for data in _events(body):
        if data.strip() == "[DONE]":
            is_complete = True
            continue
        event = object_at(parse_json(data))
        if event.get("error"):
            errors.append(event)
        delta, is_last = _content_of(event, "delta")
        content.append(delta)
        is_complete = is_complete or is_last
    return ChatReply("".join(content), tuple(errors), is_complete)


def read_completion(value: object) -> ChatReply | None:
    """Return the chat answer in a completion that is not streamed; None if the value is none."""
    if not has_array(value, "choices"):
        return None
    completion = object_at(value)
    content, _ = _content_of(completion, "message")
    errors = (completion,) if completion.get("error") else ()
    return ChatReply(content, errors, is_complete=True)


def _events(body: str) -> Iterator[str]:
    """Yield the data of each event, with its data lines joined."""
    lines: list[str] = []
    for line in body.splitlines()[:_MAX_EVENTS]:
        if line.startswith("data:"):
            lines.append(line[5:])
        elif not line.strip() and lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _content_of(event: Mapping[str, object], part: str) -> tuple[str, bool]:
    """Return the content in an event, and whether the event has a finish reason."""
    choice = object_at(next(iter(array_at(event, "choices")), None))
    content = object_at(choice, part).get("content")
    return content if isinstance(content, str) else "", bool(choice.get("finish_reason"))
