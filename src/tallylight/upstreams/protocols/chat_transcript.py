"""What a streamed chat answer has said so far."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tallylight.upstreams.json_access import (
    array_at,
    json_percent,
    json_text,
    json_timestamp,
    object_at,
    text_at,
    unwrapped_object,
)
from tallylight.upstreams.protocols.events import DONE_MARKER

_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,3})?\s?%")
_PROGRESS_TAIL = 200
_CONTENT_LIMIT = 1024 * 1024
_ERROR_KEYS = frozenset({"message", "msg", "detail"})


@dataclass(slots=True)
class ChatTranscript:
    """The sum of an answer's events.

    Args:
        id: The answer's own id.
        model: The model it names.
        created_at: When it says it began.
        progress: What it last said of its progress, 0 to 100.
        error: The last event that was an error, as one line of JSON.
        finish: The last finish reason; the answer is whole once it has one.
        is_done: The stream's end mark came.
    """

    id: str = ""
    model: str = ""
    created_at: datetime | None = None
    progress: int | None = None
    error: str = ""
    finish_reason: str = ""
    is_done: bool = False
    _content: list[str] = field(default_factory=list)
    _content_size: int = 0
    _progress_text: str = ""  # the end of what was said about progress

    @property
    def content(self) -> str:
        """Return the answer proper, without what was said about progress."""
        return "".join(self._content)

    @property
    def has_begun(self) -> bool:
        """Tell whether anything has been said."""
        return bool(self.id or self._content or self._progress_text)

    @property
    def is_complete(self) -> bool:
        """Tell whether the server has said all it meant to say."""
        return self.is_done or bool(self.finish_reason)

    def add_event(self, data: str) -> None:
        """Add the data of one event; what comes after the end mark is not read."""
        if self.is_done:
            return
        if data.strip() == DONE_MARKER:
            self.is_done = True
        else:
            self._apply(unwrapped_object(data))

    def _apply(self, event: Mapping[str, object]) -> None:
        if event.get("error") or ("choices" not in event and _ERROR_KEYS & event.keys()):
            # What was written before belongs to an attempt that is over.
            envelope = event if event.get("error") else {"error": event}
            self.error = json.dumps(envelope, ensure_ascii=False)
            self._content, self._content_size = [], 0
        self.id = self.id or text_at(event, "id")
        self.model = text_at(event, "model") or self.model
        self.created_at = self.created_at or json_timestamp(event.get("created"))
        for choice in map(object_at, array_at(event, "choices")[:1]):
            self._apply_delta(object_at(choice, "delta") or object_at(choice, "message"))
            self.finish_reason = text_at(choice, "finish_reason") or self.finish_reason

    def _apply_delta(self, words: Mapping[str, object]) -> None:
        content = _content_text(words.get("content"))
        if content and self._content_size < _CONTENT_LIMIT:
            self._content.append(content)
            self._content_size += len(content)
        said = text_at(words, "reasoning_content") or text_at(words, "reasoning")
        if said:
            self._progress_text = (self._progress_text + said)[-_PROGRESS_TAIL:]
            if percents := _PERCENT.findall(self._progress_text):
                self.progress = json_percent(percents[-1])


def _content_text(content: object) -> str:
    # A string, or a list of parts: {"type": "text", "text": …}, {"type": "video_url", …}.
    if not isinstance(content, list):
        return json_text(content)
    written = []
    for part in map(object_at, content):
        written.append(text_at(part, "text"))
        for kind, label in (("video_url", "[video]"), ("image_url", "![image]")):
            if address := text_at(object_at(part, kind), "url"):
                written.append(f"{label}({address})")
    return "\n".join(written)
