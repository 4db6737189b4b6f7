"""The part of a streamed chat answer that has arrived so far."""

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
from tallylight.upstreams.redact import redact_secrets

_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,3})?\s?%")
_PROGRESS_TAIL = 200
_CONTENT_LIMIT = 1024 * 1024
_ERROR_KEYS = frozenset({"message", "msg", "detail"})


@dataclass(slots=True)
class ChatTranscript:
    """The accumulated events of an answer.

    Args:
        progress: The last reported progress, 0 to 100.
        error: The last error event, as one line of JSON.
        finish_reason: The last finish reason; the answer is complete once it has one.
        is_done: The end marker has arrived.
        secrets: Texts that are masked in the content: an echo may be split over events.
    """

    id: str = ""
    model: str = ""
    created_at: datetime | None = None
    progress: int | None = None
    error: str = ""
    finish_reason: str = ""
    is_done: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)
    _content: list[str] = field(default_factory=list)
    _content_size: int = 0
    _progress_text: str = ""  # the last characters of the progress notices

    @property
    def content(self) -> str:
        """Return the content, without progress notices."""
        return redact_secrets("".join(self._content), self.secrets)

    @property
    def has_begun(self) -> bool:
        """Tell whether any event has arrived."""
        return bool(self.id or self._content or self._progress_text)

    @property
    def is_complete(self) -> bool:
        """Tell whether the answer has ended regularly."""
        return self.is_done or bool(self.finish_reason)

    def add_event(self, data: str) -> None:
        """Add the data of one event; events after the end marker are ignored."""
        if self.is_done:
            return
        if data.strip() == DONE_MARKER:
            self.is_done = True
        else:
            self._apply(unwrapped_object(data))

    def _apply(self, event: Mapping[str, object]) -> None:
        if event.get("error") or ("choices" not in event and _ERROR_KEYS & event.keys()):
            # The content before it belongs to an attempt that has failed.
            envelope = event if event.get("error") else {"error": event}
            self.error = json.dumps(envelope, ensure_ascii=False)
            self._content, self._content_size = [], 0
        self.id = self.id or text_at(event, "id")
        self.model = text_at(event, "model") or self.model
        self.created_at = self.created_at or json_timestamp(event.get("created"))
        for choice in map(object_at, array_at(event, "choices")[:1]):
            self._apply_delta(object_at(choice, "delta") or object_at(choice, "message"))
            self.finish_reason = text_at(choice, "finish_reason") or self.finish_reason

    def _apply_delta(self, delta: Mapping[str, object]) -> None:
        content = _content_text(delta.get("content"))
        if content and self._content_size < _CONTENT_LIMIT:
            self._content.append(content)
            self._content_size += len(content)
        notice = text_at(delta, "reasoning_content") or text_at(delta, "reasoning")
        if notice:
            self._progress_text = (self._progress_text + notice)[-_PROGRESS_TAIL:]
            if percents := _PERCENT.findall(self._progress_text):
                self.progress = json_percent(percents[-1])


def _content_text(content: object) -> str:
    # A string, or a list of parts: {"type": "text", "text": …}, {"type": "video_url", …}.
    if not isinstance(content, list):
        return json_text(content)
    texts = []
    for part in map(object_at, content):
        texts.append(text_at(part, "text"))
        for kind, label in (("video_url", "[video]"), ("image_url", "![image]")):
            if url := text_at(object_at(part, kind), "url"):
                texts.append(f"{label}({url})")
    return "\n".join(texts)
