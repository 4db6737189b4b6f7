"""The outcome of a chat answer: a video, or one of three forms of failure.

A reverse service reports a failed job under HTTP 200 by a line of content that begins with ❌, by
an error event, or by closing the stream.
"""

import json

from tallylight.model.evidence import Failure
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.chat_result import LinkForm, ResultLink, find_result_links
from tallylight.upstreams.protocols.chat_transcript import ChatTranscript
from tallylight.upstreams.protocols.events import DONE_MARKER
from tallylight.upstreams.protocols.failures import upstream_failure

_FAILURE_MARK = "❌"

#: Links with a closing delimiter: a stream that breaks off after them has lost nothing.
_SELF_TERMINATING_FORMS = frozenset({LinkForm.VIDEO_TAG, LinkForm.LINK, LinkForm.IMAGE})

#: Links that are a result even beside a failure; any other URL there may be a help page.
_CERTAIN_FORMS = frozenset({LinkForm.VIDEO_TAG, LinkForm.LINK, LinkForm.VIDEO_URL})


def chat_outcome(
    transcript: ChatTranscript, dialect: str, *, stray_text: str, error: str
) -> str | Failure:
    """Return the URL of the result, or why there is none.

    `stray_text` is the answer in place of a stream, such as a page; `error` says how the stream
    broke off, "" if it did not.
    """
    failure = classify(_reply(transcript, stray_text, error), dialect)
    result = _result(transcript, is_refused=failure is not None)
    if result is not None:
        return result.url
    if failure is not None:
        return failure
    text = transcript.content.strip() or transcript.error or stray_text
    if transcript.is_complete:
        return upstream_failure("stream:no_video", text or "the answer held no video")
    return upstream_failure("stream:disconnected", error or text or "closed without [DONE]")


def _result(transcript: ChatTranscript, *, is_refused: bool) -> ResultLink | None:
    content = transcript.content
    retried = _after_last_failure_mark(content)
    has_failed = is_refused or bool(transcript.error) or retried is not None
    for result in find_result_links(content if retried is None else retried):
        is_complete = transcript.is_complete or result.form in _SELF_TERMINATING_FORMS
        if is_complete and (result.form in _CERTAIN_FORMS or not has_failed):
            return result
    return None


def _after_last_failure_mark(content: str) -> str | None:
    lines = content.splitlines()
    marked = [i for i, line in enumerate(lines) if line.lstrip().startswith(_FAILURE_MARK)]
    return "\n".join(lines[marked[-1] + 1 :]) if marked else None


def _reply(transcript: ChatTranscript, stray_text: str, error: str) -> Reply:
    """Return the answer for the classifier, without progress and retry notices."""
    if stray_text:
        return Reply(Phase.CREATE, 200, {}, stray_text, error=error)
    events = [transcript.error] if transcript.error else []
    if transcript.content or not events:
        delta = {"content": transcript.content} if transcript.content else {}
        choice = {"index": 0, "delta": delta, "finish_reason": transcript.finish_reason or None}
        chunk = {"object": "chat.completion.chunk", "choices": [choice]}
        events.append(json.dumps(chunk, ensure_ascii=False))
    if transcript.is_done:
        events.append(DONE_MARKER)
    body = "".join(f"data: {event}\n\n" for event in events)
    return Reply(
        Phase.STREAM,
        200,
        {"content-type": "text/event-stream"},
        body,
        error="" if transcript.is_complete else error,
    )
