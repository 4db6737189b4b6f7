"""What a chat answer has said so far: its content, its notices and its errors.

The format is TheSmallHanCat/sora2api's (commit e7d91b3), which other relays copy: progress and
retry notices are in `reasoning_content`, the result is the last `content`, and a stream that ends
without `[DONE]` was cut. Errors come as JSON, as text, or as an event of that name.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tallylight.upstreams.chat_links import find_links, is_address
from tallylight.upstreams.classify import claims, embedded_json, envelopes, html, vocabulary
from tallylight.upstreams.event_stream import DONE_MARKER, ERROR_EVENT, SseParser, StreamEvent
from tallylight.upstreams.json_access import (
    array_at,
    json_percent,
    json_text,
    json_timestamp,
    object_at,
    parse_json,
    text_at,
    unwrapped_object,
)
from tallylight.upstreams.normalize import normalize_code, normalize_text
from tallylight.upstreams.redact import redact_secrets

_PERCENT = re.compile(r"\d{1,3}(?:\.\d{1,3})?\s?%")
_PROGRESS_TAIL = 200
_TEXT_LIMIT = 512 * 1024
_MAX_ERRORS = 8
_MAX_ADDRESSES = 50
_MAX_TEXTS = 200
_TEXT_OF_AN_ERROR = frozenset({"message", "msg", "detail"})
#: Members that hold addresses of videos; beside `type: image_url` there is `image_url` alone.
_VIDEO_MEMBERS = ("video_url", "video_urls", "video", "videos")
_FAILURE_MARK = "❌"
_CUT_JSON = re.compile(r"[\[{]\s*+[\"'\[{]|\"")


@dataclass(slots=True)
class _RecentText:
    """The end of a text that grows piece by piece."""

    _pieces: list[str] = field(default_factory=list)
    size: int = 0
    _redacted: str | None = None  # since the last change: to search for secrets takes time

    def add(self, text: str) -> None:
        self._redacted = None
        self._pieces.append(text)
        self.size += len(text)
        if self.size > 2 * _TEXT_LIMIT:
            self._pieces = [self.whole[-_TEXT_LIMIT:]]
            self.size = _TEXT_LIMIT

    def clear(self) -> None:
        self._pieces, self.size, self._redacted = [], 0, None

    def redacted(self, secrets: tuple[str, ...]) -> str:
        if self._redacted is None:
            self._redacted = redact_secrets(self.whole, secrets)
        return self._redacted

    @property
    def whole(self) -> str:
        return "".join(self._pieces)


@dataclass(slots=True)
class ChatTranscript:
    """The accumulated events of an answer.

    Args:
        progress: The last reported progress, 0 to 100.
        errors: The last errors, each as an object with the member `error`.
        addresses: The addresses in members that hold videos.
        finish_reason: The last finish reason; the answer is complete once it has one.
        is_done: The end marker has arrived.
        secrets: Texts that are masked in the content: an echo may be split over events.
    """

    id: str = ""
    model: str = ""
    created_at: datetime | None = None
    progress: int | None = None
    errors: deque[Mapping[str, object]] = field(default_factory=lambda: deque(maxlen=_MAX_ERRORS))
    addresses: deque[str] = field(default_factory=lambda: deque(maxlen=_MAX_ADDRESSES))
    finish_reason: str = ""
    is_done: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)
    _content: _RecentText = field(default_factory=_RecentText)
    _given_up: _RecentText = field(default_factory=_RecentText)  # the content before the last error
    _notices: _RecentText = field(default_factory=_RecentText)
    _progress_text: str = ""  # the last characters of the progress notices
    _has_refusal: bool = False
    _document: str = ""
    _count: int = 0  # of events

    @property
    def content(self) -> str:
        """Return the content since the last error event, without progress notices."""
        return self._content.redacted(self.secrets)

    @property
    def content_before_error(self) -> str:
        """Return the content before the last error event."""
        return self._given_up.redacted(self.secrets)

    @property
    def notices(self) -> str:
        """Return the progress and retry notices."""
        return self._notices.redacted(self.secrets)

    @property
    def final_words(self) -> str:
        """Return what the answer says at last: its content, else a failure among the notices.

        A failure among the notices is final only at the regular end: before, a retry may follow.
        """
        content = self.content.strip()
        _, mark, text = self.notices.rpartition(_FAILURE_MARK)
        return content or (f"{mark}{text}".strip() if mark and self.is_complete else "")

    @property
    def ending_code(self) -> str:
        """Return the code that says how the answer ended, "" for none."""
        return "refusal" if self._has_refusal else normalize_code(self.finish_reason)

    @property
    def document(self) -> str:
        """Return the text or the page that came in place of a stream, "" for none."""
        return self._document if self._count == 1 else ""

    @property
    def has_begun(self) -> bool:
        """Tell whether any event of a chat has arrived."""
        return bool(self.id or self._content.size or self._progress_text)

    @property
    def is_complete(self) -> bool:
        """Tell whether the answer has ended regularly."""
        return self.is_done or bool(self.finish_reason)

    @property
    def text_after_failure_mark(self) -> str | None:
        """Return the lines after the last one that begins with ❌; None without such a line."""
        lines = self.content.splitlines()
        marked = [
            i for i, line in enumerate(lines) if line.lstrip(" \t>*#-").startswith(_FAILURE_MARK)
        ]
        return "\n".join(lines[marked[-1] + 1 :]) if marked else None

    @property
    def says_failure(self) -> bool:
        """Tell whether the answer itself reports a failure, by an error or by ❌."""
        return bool(self.errors) or _FAILURE_MARK in self.final_words

    def add(self, event: StreamEvent) -> None:
        """Add an event; events after the end marker are ignored."""
        if self.is_done:
            return
        if event.data.strip() == DONE_MARKER:
            self.is_done = True
            return
        value = unwrapped_object(event.data) or _python_object(event.data)
        text = json_text(parse_json(event.data)) or event.data.strip()
        if value:
            self.add_object(value, is_error=event.name == ERROR_EVENT)
        elif text and not _CUT_JSON.match(text):
            self._add_text(text, event)

    def add_object(self, event: Mapping[str, object], *, is_error: bool = False) -> None:
        """Add the JSON object of an event; `is_error` says that the event is named so."""
        self._count += 1
        error = _error_in(event, is_error=is_error)
        if error is not None:
            self._add_error(error)
        self.id = self.id or text_at(event, "id")
        self.model = text_at(event, "model") or self.model
        self.created_at = self.created_at or json_timestamp(event.get("created"))
        self.addresses.extend(_addresses_in(event))
        if "choices" not in event and error is None:
            self.progress = json_percent(event.get("progress")) or self.progress
        for choice in map(object_at, array_at(event, "choices")[:1]):
            self._add_choice(choice)

    def _add_text(self, text: str, event: StreamEvent) -> None:
        """Add an event that is no JSON: an error if its words say so, or else content."""
        self._count += 1
        self._document = text if event.is_bare else ""
        if self._count > _MAX_TEXTS:  # a stream of them is content, whatever its words are
            self._content.add(f"{text}\n")
            return
        is_page = html.is_html(text)
        text = html.visible_text(text) if is_page else text
        is_error = event.name == ERROR_EVENT or vocabulary.phrase_rule(normalize_text(text))
        names_result = not is_page and any(link.form.is_named for link in find_links(text))
        if is_page or (is_error and not names_result):
            self._add_error({"error": text})
        else:
            self._content.add(f"{text}\n")

    def _add_choice(self, choice: Mapping[str, object]) -> None:
        message = object_at(choice, "message")
        delta = object_at(choice, "delta") or message
        for holder in (choice, delta):
            self.addresses.extend(_addresses_in(holder))
        self._add_content(delta)
        if notice := text_at(delta, "reasoning_content") or text_at(delta, "reasoning"):
            self._add_notice(notice)
        reason = text_at(choice, "finish_reason") or ("stop" if message else "")
        self.finish_reason = reason or self.finish_reason

    def _add_content(self, delta: Mapping[str, object]) -> None:
        refusal = text_at(delta, "refusal")
        self._has_refusal = self._has_refusal or bool(refusal)
        content = delta.get("content")
        parts = [content] if isinstance(content, dict) else array_at(delta, "content")
        for part in map(object_at, parts):
            self.addresses.extend(_addresses_in(part))
            self._content.add(f"{text_at(part, 'text')}\n")
        self._content.add(json_text(content) + refusal)

    def _add_notice(self, notice: str) -> None:
        self._notices.add(notice)
        self._progress_text = (self._progress_text + notice)[-_PROGRESS_TAIL:]
        if percents := _PERCENT.findall(self._progress_text):
            self.progress = json_percent(percents[-1])

    def _add_error(self, error: Mapping[str, object]) -> None:
        # The content before it belongs to an attempt that has failed.
        self._given_up.add(f"{self._content.whole}\n")
        self._content.clear()
        self.errors.append(error)


def read_transcript(body: str) -> ChatTranscript:
    """Return the chat answer in a whole body."""
    transcript, parser = ChatTranscript(), SseParser()
    for event in (*parser.feed(body), *parser.end()):
        transcript.add(event)
    return transcript


def read_completion(completion: Mapping[str, object]) -> ChatTranscript:
    """Return the chat answer in a completion that is not streamed."""
    transcript = ChatTranscript()
    transcript.add_object(completion)
    transcript.is_done = True
    return transcript


def _error_in(event: Mapping[str, object], *, is_error: bool) -> Mapping[str, object] | None:
    """Return the error that an event reports, as an object with the member `error`."""
    for holder in (event, *map(object_at, array_at(event, "choices")[:1])):
        if claims.says_error(holder.get("error")):
            return holder
    if is_error or ERROR_EVENT in (event.get("type"), event.get("event")):
        return {"error": event}
    if "choices" in event:
        return None
    signals = envelopes.collect_signals(event)
    is_running = signals.state is not None and not signals.state.is_failure
    says_why = any(text_at(event, key) for key in _TEXT_OF_AN_ERROR)
    has_error = signals.failed or (says_why and not is_running and "progress" not in event)
    return {"error": event} if has_error else None


def _python_object(text: str) -> Mapping[str, object]:
    # sora2api prints a Python dict.
    start = text.lstrip()
    return object_at(embedded_json.embedded_value(start)) if start.startswith("{'") else {}


def _addresses_in(holder: Mapping[str, object]) -> Iterator[str]:
    """Yield the addresses in the members of an object that hold videos."""
    named = [holder.get(key) for key in _VIDEO_MEMBERS]
    if "video" in text_at(holder, "type"):
        named.append(holder.get("url"))
    for value in named:
        for item in value if isinstance(value, list) else [value]:
            address = text_at(item, "url") or json_text(item)
            if "/" in address and is_address(address):
                yield address
