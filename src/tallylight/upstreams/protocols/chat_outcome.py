"""How a chat answer ended: with a video, or with one of the three forms of failure.

A reverse service reports a failed job under HTTP 200 by a line of content that begins with ❌, by
an error event, or by a stream that just closes.
"""

import json

from tallylight.model.evidence import Failure
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.chat_result import Form, Result, results_in
from tallylight.upstreams.protocols.chat_transcript import Transcript
from tallylight.upstreams.protocols.events import DONE
from tallylight.upstreams.protocols.failures import upstream_failure

_CROSS = "❌"

#: Forms that show their own end, so that a stream cut off behind them has lost nothing.
_CLOSED_FORMS = frozenset({Form.VIDEO_TAG, Form.LINK, Form.IMAGE})

#: Forms that mean a result even beside a failure; any other address there may be a help page.
_SURE_FORMS = frozenset({Form.VIDEO_TAG, Form.LINK, Form.VIDEO_ADDRESS})


def outcome(transcript: Transcript, dialect: str, *, aside: str, error: str) -> str | Failure:
    """Return the address of the result, or why there is none.

    Args:
        transcript: All that was said.
        dialect: The upstream's, for the classifier.
        aside: What came in place of a stream: a page, a JSON answer; "" if a stream came.
        error: How the stream broke off, "" if it did not.
    """
    failure = classify(_reply(transcript, aside, error), dialect)
    result = _result(transcript, is_refused=failure is not None)
    if result is not None:
        return result.address
    if failure is not None:
        return failure
    said = transcript.content.strip() or transcript.error or aside
    if transcript.is_whole:
        return upstream_failure("stream:no_video", said or "the answer held no video")
    return upstream_failure("stream:broken_off", error or said or "closed without [DONE]")


def _result(transcript: Transcript, *, is_refused: bool) -> Result | None:
    content = transcript.content
    after_cross = _after_last_cross(content)
    has_failed = is_refused or bool(transcript.error) or after_cross is not None
    for result in results_in(content if after_cross is None else after_cross):
        is_complete = transcript.is_whole or result.form in _CLOSED_FORMS
        if is_complete and (result.form in _SURE_FORMS or not has_failed):
            return result
    return None


def _after_last_cross(content: str) -> str | None:
    lines = content.splitlines()
    crossed = [place for place, line in enumerate(lines) if line.lstrip().startswith(_CROSS)]
    return "\n".join(lines[crossed[-1] + 1 :]) if crossed else None


def _reply(transcript: Transcript, aside: str, error: str) -> Reply:
    """Return the answer as the classifier knows it, without progress and notices of retries."""
    if aside:
        return Reply(Phase.CREATE, 200, {}, aside, error=error)
    events = [transcript.error] if transcript.error else []
    if transcript.content or not events:
        delta = {"content": transcript.content} if transcript.content else {}
        choice = {"index": 0, "delta": delta, "finish_reason": transcript.finish or None}
        chunk = {"object": "chat.completion.chunk", "choices": [choice]}
        events.append(json.dumps(chunk, ensure_ascii=False))
    if transcript.is_done:
        events.append(DONE)
    body = "".join(f"data: {event}\n\n" for event in events)
    return Reply(
        Phase.STREAM,
        200,
        {"content-type": "text/event-stream"},
        body,
        error="" if transcript.is_whole else error,
    )
