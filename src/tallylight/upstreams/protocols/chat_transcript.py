"""What a streamed chat answer has said so far."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tallylight.upstreams.json_access import (
    items_of,
    mapping_of,
    moment_of,
    object_of,
    percent_of,
    text_of,
)
from tallylight.upstreams.protocols.events import DONE

_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,3})?\s?%")
_TAIL = 200
_CONTENT_LIMIT = 1024 * 1024
_COMPLAINTS = frozenset({"message", "msg", "detail"})


@dataclass(slots=True)
class Transcript:
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
    finish: str = ""
    is_done: bool = False
    _content: list[str] = field(default_factory=list)
    _content_size: int = 0
    _said: str = ""  # the end of what was said about progress

    @property
    def content(self) -> str:
        """Return the answer proper, without what was said about progress."""
        return "".join(self._content)

    @property
    def has_begun(self) -> bool:
        """Tell whether anything has been said."""
        return bool(self.id or self._content or self._said)

    @property
    def is_whole(self) -> bool:
        """Tell whether the server has said all it meant to say."""
        return self.is_done or bool(self.finish)

    def take(self, data: str) -> None:
        """Add the data of one event; what comes after the end mark is not read."""
        if self.is_done:
            return
        if data.strip() == DONE:
            self.is_done = True
        elif (event := object_of(data)) is not None:
            self._add(event)

    def _add(self, event: Mapping[str, object]) -> None:
        if event.get("error") or ("choices" not in event and _COMPLAINTS & event.keys()):
            # What was written before belongs to an attempt that is over.
            envelope = event if event.get("error") else {"error": event}
            self.error = json.dumps(envelope, ensure_ascii=False)
            self._content, self._content_size = [], 0
        self.id = self.id or text_of(event.get("id"))
        self.model = text_of(event.get("model")) or self.model
        self.created_at = self.created_at or moment_of(event.get("created"))
        for choice in map(mapping_of, items_of(event.get("choices"))[:1]):
            self._add_words(mapping_of(choice.get("delta") or choice.get("message")))
            self.finish = text_of(choice.get("finish_reason")) or self.finish

    def _add_words(self, words: Mapping[str, object]) -> None:
        content = _written(words.get("content"))
        if content and self._content_size < _CONTENT_LIMIT:
            self._content.append(content)
            self._content_size += len(content)
        said = text_of(words.get("reasoning_content")) or text_of(words.get("reasoning"))
        if said:
            self._said = (self._said + said)[-_TAIL:]
            if percents := _PERCENT.findall(self._said):
                self.progress = percent_of(percents[-1])


def _written(content: object) -> str:
    # A string, or a list of parts: {"type": "text", "text": …}, {"type": "video_url", …}.
    if not isinstance(content, list):
        return text_of(content)
    written = []
    for part in map(mapping_of, content):
        written.append(text_of(part.get("text")))
        for kind, label in (("video_url", "[video]"), ("image_url", "![image]")):
            if address := text_of(mapping_of(part.get(kind)).get("url")):
                written.append(f"{label}({address})")
    return "\n".join(written)
