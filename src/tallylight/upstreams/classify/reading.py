"""Reading a reply into an `Answer`: JSON, a stream, a page, or bare text."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tallylight.upstreams.classify import delays, embedded_json, envelopes, pages, streams
from tallylight.upstreams.classify.answer import FIRST_ERROR_STATUS, Answer, Claim
from tallylight.upstreams.classify.normalize import TEXT_LIMIT, folded
from tallylight.upstreams.messages import Phase, Reply

_NOT_SPOKEN = frozenset({"id", "object", "model", "prompt", "url", "created", "request_id", "logs"})
_MOST_WORDS = 30
_NO_CONTENT = 204


def read(reply: Reply, status: int, dialect: str = "") -> Answer:
    """Return what a reply says.

    Args:
        reply: A reply that came with an HTTP status.
        status: That status.
        dialect: A hint whose numbers bare numeric codes are.
    """
    body = reply.body.strip("﻿ \t\r\n\0")
    if _is_media(reply, status):
        return Answer(reply.phase, status, Claim.FINE)
    if streams.is_stream(body):
        return _chat_answer(reply.phase, status, streams.read_stream(body), dialect)
    value = embedded_json.parsed(body) if body else None
    if isinstance(value, str):
        value = embedded_json.embedded(value) or value
    if isinstance(value, dict | list):
        chat = streams.read_completion(value)
        if chat is not None and status < FIRST_ERROR_STATUS:
            return _chat_answer(reply.phase, status, chat, dialect)
        return _json_answer(reply.phase, status, value, dialect)
    return _text_answer(reply.phase, status, body)


def _is_media(reply: Reply, status: int) -> bool:
    kind = reply.headers.get("content-type", "").lower()
    is_good = status < FIRST_ERROR_STATUS
    return is_good and kind.startswith(("video/", "image/", "audio/", "application/octet-stream"))


def _json_answer(phase: Phase, status: int, value: object, dialect: str) -> Answer:
    finds = envelopes.walk(value, dialect)
    failed = status >= FIRST_ERROR_STATUS or finds.failed
    sign = "" if failed else _emptiness(value)
    said = [text for _, text in sorted(finds.words, key=lambda found: -found[0])]
    if failed and not said:
        said = list(_strings(value))[:_MOST_WORDS]
    text = " · ".join(dict.fromkeys(part.strip() for part in said if part.strip()))
    numbers = sorted(finds.numbers, key=lambda found: -found[0])
    return Answer(
        phase,
        status,
        Claim.FAILED if failed else Claim.NOTHING if sign else Claim.FINE,
        codes=envelopes.by_depth(finds.codes),
        types=envelopes.by_depth(finds.types),
        numbers=tuple(number for _, number in numbers),
        state=finds.state,
        words=folded(text),
        text=text[:TEXT_LIMIT],
        retry_after=delays.span(finds.retry_seconds),
        sign=sign,
    )


def _chat_answer(phase: Phase, status: int, chat: streams.Chat, dialect: str) -> Answer:
    """Return what a chat came to: a link, an error, a refusal, or a break in the middle."""
    failed = status >= FIRST_ERROR_STATUS
    if chat.errors:
        return replace(_json_answer(phase, status, list(chat.errors), dialect), is_streamed=True)
    if chat.has_link and not chat.is_refusal and not failed:
        return Answer(phase, status, Claim.FINE)
    claim, sign = _of_chat_without_link(chat, failed=failed)
    return Answer(
        phase,
        status,
        claim,
        words=folded(chat.content),
        text=chat.content[:TEXT_LIMIT],
        sign=sign,
        is_streamed=True,
    )


def _of_chat_without_link(chat: streams.Chat, *, failed: bool) -> tuple[Claim, str]:
    if chat.is_refusal or failed:
        return Claim.FAILED, "stream:refusal"
    if not chat.ended:
        return Claim.FAILED, "stream:cut"
    return Claim.NOTHING, "stream:no-result"


def _text_answer(phase: Phase, status: int, body: str) -> Answer:
    page = pages.is_page(body)
    text = pages.visible(body) if page else body[:TEXT_LIMIT]
    claim = Claim.FAILED if status >= FIRST_ERROR_STATUS else Claim.NOTHING
    if not body and status == _NO_CONTENT:
        claim = Claim.FINE
    sign = "body:page" if page else "body:text" if body else "body:empty"
    return Answer(phase, status, claim, words=folded(text), text=text, page=page, sign=sign)


def _emptiness(value: object) -> str:
    """Return the sign that a JSON answer claims a success without one, or ""."""
    if value == {}:
        return "body:empty"
    if isinstance(value, Mapping) and value.get("done") is True and not _has_sample(value):
        return "body:no-sample"
    return ""


def _has_sample(operation: Mapping[str, object]) -> bool:
    """Tell whether a finished google.longrunning operation holds a video."""
    response = operation.get("response")
    if not isinstance(response, Mapping):
        return False
    inner = response.get("generateVideoResponse")
    holder = inner if isinstance(inner, Mapping) else response
    return any(holder.get(key) for key in ("generatedSamples", "generatedVideos", "videos"))


def _strings(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the texts of an answer whose envelope is unknown, names and addresses left out."""
    if depth > embedded_json.DEPTH:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _NOT_SPOKEN:
                yield from _strings(item, depth + 1)
    elif isinstance(value, list):
        for item in value[:_MOST_WORDS]:
            yield from _strings(item, depth + 1)
    elif isinstance(value, str) and not value.startswith(("http://", "https://", "data:")):
        yield value
