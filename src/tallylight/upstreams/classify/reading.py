"""Parses a reply into a `ParsedReply`: JSON, a stream, a page or bare text."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from operator import itemgetter

from tallylight.upstreams.classify import delays, embedded_json, envelopes, html
from tallylight.upstreams.classify.answer import FIRST_ERROR_STATUS, Claim, ParsedReply
from tallylight.upstreams.classify.chat_results import ends_in_failure, result_addresses
from tallylight.upstreams.classify.chat_transcript import (
    ChatTranscript,
    read_completion,
    read_transcript,
)
from tallylight.upstreams.event_stream import is_event_stream
from tallylight.upstreams.json_access import has_array, object_at, parse_json
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.normalize import TEXT_LIMIT, normalize_text
from tallylight.upstreams.status_words import status_meaning

_IGNORED_KEYS = frozenset(
    {"id", "object", "model", "prompt", "url", "created", "request_id", "logs"}
)
_MAX_TEXTS = 30
_NO_CONTENT = 204


def parse_reply(reply: Reply, status: int) -> ParsedReply:
    """Return a reply with an HTTP status as the rules read it."""
    body = reply.body.strip("﻿ \t\r\n\0")
    if _is_media(reply, status):
        return ParsedReply(reply.phase, status, Claim.SUCCEEDED)
    if is_event_stream(body):
        return parse_chat(reply.phase, status, read_transcript(body))
    value = parse_json(body)
    if isinstance(value, str):
        value = embedded_json.embedded_value(value) or value
    if isinstance(value, dict | list):
        if has_array(value, "choices") and status < FIRST_ERROR_STATUS:
            return parse_chat(reply.phase, status, read_completion(object_at(value)))
        return _json_answer(reply.phase, status, value)
    return _text_answer(reply.phase, status, body)


def _is_media(reply: Reply, status: int) -> bool:
    kind = reply.headers.get("content-type", "").lower()
    is_error = status >= FIRST_ERROR_STATUS
    return not is_error and kind.startswith(
        ("video/", "image/", "audio/", "application/octet-stream")
    )


def _json_answer(phase: Phase, status: int, value: object) -> ParsedReply:
    signals = envelopes.collect_signals(value)
    failed = status >= FIRST_ERROR_STATUS or signals.failed
    symptom = "" if failed else _empty_symptom(value)
    texts = [text for _, text in sorted(signals.texts, key=itemgetter(0), reverse=True)]
    if failed and not texts:
        texts = list(_fallback_texts(value))[:_MAX_TEXTS]
    text = " · ".join(dict.fromkeys(part.strip() for part in texts if part.strip()))
    numbers = sorted(signals.numbers, key=itemgetter(0), reverse=True)
    return ParsedReply(
        phase,
        status,
        Claim.FAILED if failed else Claim.UNREADABLE if symptom else Claim.SUCCEEDED,
        codes=envelopes.by_depth(signals.codes),
        types=envelopes.by_depth(signals.types),
        numbers=tuple(number for _, number in numbers),
        state=signals.state,
        normalized_text=normalize_text(text),
        text=text[:TEXT_LIMIT],
        retry_after=delays.as_delay(signals.retry_seconds),
        symptom=symptom,
    )


def parse_chat(phase: Phase, status: int, chat: ChatTranscript) -> ParsedReply:
    """Return a chat answer as the rules read it: a result, an error, a refusal or a cut stream."""
    if chat.document:
        return _text_answer(phase, status, chat.document)
    has_failed = status >= FIRST_ERROR_STATUS
    if not has_failed and any(result_addresses(chat)):
        return ParsedReply(phase, status, Claim.SUCCEEDED)
    if chat.errors:
        return replace(_json_answer(phase, status, list(chat.errors)), is_streamed=True)
    claim, symptom = (Claim.FAILED, "") if has_failed else _claim_without_result(chat)
    return ParsedReply(
        phase,
        status,
        claim,
        codes=((chat.ending_code,),),
        state=status_meaning(chat.ending_code),
        normalized_text=normalize_text(chat.final_words),
        text=chat.final_words[:TEXT_LIMIT],
        symptom=symptom,
        is_streamed=True,
    )


def _claim_without_result(chat: ChatTranscript) -> tuple[Claim, str]:
    if chat.says_failure or ends_in_failure(chat):
        return Claim.FAILED, "stream:refusal"
    if not chat.is_complete:
        return Claim.FAILED, "stream:cut"
    return Claim.UNREADABLE, "stream:no-result"


def _text_answer(phase: Phase, status: int, body: str) -> ParsedReply:
    page = html.is_html(body)
    text = html.visible_text(body) if page else body[:TEXT_LIMIT]
    # Text in place of a stream is an error; a page may be any other.
    is_failure = status >= FIRST_ERROR_STATUS or (phase is Phase.STREAM and not page and body)
    claim = Claim.FAILED if is_failure else Claim.UNREADABLE
    if not body and status == _NO_CONTENT:
        claim = Claim.SUCCEEDED
    symptom = "body:page" if page else "body:text" if body else "body:empty"
    return ParsedReply(
        phase,
        status,
        claim,
        normalized_text=normalize_text(text),
        text=text,
        is_page=page,
        symptom=symptom,
    )


def _empty_symptom(value: object) -> str:
    """Return the symptom of a JSON answer that claims a success without a result, or ""."""
    if value == {}:
        return "body:empty"
    if isinstance(value, Mapping) and value.get("done") is True and not _has_sample(value):
        return "body:no-sample"
    return ""


def _has_sample(operation: Mapping[str, object]) -> bool:
    """Tell whether a finished google.longrunning operation holds a video."""
    response = object_at(operation, "response")
    holder = object_at(response, "generateVideoResponse") or response
    return any(holder.get(key) for key in ("generatedSamples", "generatedVideos", "videos"))


def _fallback_texts(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the texts of an answer with an unknown envelope, without identifiers and URLs."""
    if depth > embedded_json.MAX_NESTING:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _IGNORED_KEYS:
                yield from _fallback_texts(item, depth + 1)
    elif isinstance(value, list):
        for item in value[:_MAX_TEXTS]:
            yield from _fallback_texts(item, depth + 1)
    elif isinstance(value, str) and not value.startswith(("http://", "https://", "data:")):
        yield value
