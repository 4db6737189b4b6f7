"""Chat answers of reverse services: server-sent events, or one completion.

The shape is TheSmallHanCat/sora2api's (commit e7d91b3), which other relays copy: progress and
retry notices stand in `reasoning_content`, the outcome is the last `content` or an `error` event,
and a stream that ends without `[DONE]` has been cut.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tallylight.upstreams.json_access import array_at, has_array, object_at, parse_json

_MAX_EVENTS = 20_000
_LINK = re.compile(r"https?://|data:(?:image|video)/|<video\b", re.IGNORECASE)
_CROSS = "❌"


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What a chat answer came to.

    Args:
        content: All that was said as content; progress and retry notices are left out.
        errors: The events that carry an error, as they were sent.
        ended: It came to its end (`[DONE]`, or a finish reason).
    """

    content: str
    errors: tuple[object, ...]
    is_complete: bool

    @property
    def has_link(self) -> bool:
        """Tell whether it names a result: a video, an image, any address."""
        return _LINK.search(self.content) is not None

    @property
    def is_refusal(self) -> bool:
        """Tell whether its last word is a failure, by the sign the relays agree on.

        A link on a later line than the sign came after another try.
        """
        _, cross, after = self.content.rpartition(_CROSS)
        return bool(cross) and _LINK.search(after.partition("\n")[2]) is None


def is_stream(body: str) -> bool:
    """Tell whether a body is a stream of server-sent events."""
    head = body.lstrip("﻿ \t\r\n")[:64]
    return head.startswith(("data:", "event:", "id:", "retry:", ": ", ":\n"))


def read_stream(body: str) -> ChatReply:
    """Return what a whole stream of events came to."""
    content: list[str] = []
    errors: list[object] = []
    ended = False
    for data in _events(body):
        if data.strip() == "[DONE]":
            ended = True
            continue
        event = object_at(parse_json(data))
        if event.get("error"):
            errors.append(event)
        said, finished = _content_of(event, "delta")
        content.append(said)
        ended = ended or finished
    return ChatReply("".join(content), tuple(errors), ended)


def read_completion(value: object) -> ChatReply | None:
    """Return what a completion that came in one piece says; None if the value is none."""
    if not has_array(value, "choices"):
        return None
    completion = object_at(value)
    content, _ = _content_of(completion, "message")
    errors = (completion,) if completion.get("error") else ()
    return ChatReply(content, errors, is_complete=True)


def _events(body: str) -> Iterator[str]:
    """Yield the data of each event; several data lines of one event belong together."""
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
    """Return the content that an event adds and whether it says that this was the end."""
    choice = object_at(next(iter(array_at(event, "choices")), None))
    content = object_at(choice, part).get("content")
    return content if isinstance(content, str) else "", bool(choice.get("finish_reason"))
