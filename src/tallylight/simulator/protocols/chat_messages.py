"""Messages of reverse video channels: stream chunks, results and errors.

Source: TheSmallHanCat/sora2api, commit e7d91b3 of 2026-03-07, and its issues.
"""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState
from tallylight.simulator.outcomes import JobFailure

DONE_EVENT = "data: [DONE]\n\n"

#: A retry by the channel, which is not a failure.
RETRY_NOTICE = "**生成失败，正在重试**\n\n第 1 次重试（共 3 次）\n\n失败原因：heavy_load\n"


def sse_event(payload: JsonValue) -> str:
    """Return one server-sent event."""
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n"


def completion_chunk(  # noqa: PLR0913  # the members of one chunk
    job_id: str,
    created: int,
    *,
    content: str | None = None,
    reasoning: str | None = None,
    is_first: bool = False,
    is_last: bool = False,
) -> str:
    """Return one chunk of the stream; the model is always "sora", the finish reason "STOP"."""
    delta: dict[str, JsonValue] = {
        "role": "assistant" if is_first else None,
        "content": content,
        "reasoning_content": reasoning,
        "tool_calls": None,
    }
    choice: dict[str, JsonValue] = {
        "index": 0,
        "delta": delta,
        "finish_reason": "STOP" if is_last else None,
        "native_finish_reason": "STOP" if is_last else None,
    }
    payload: dict[str, JsonValue] = {
        "id": f"chatcmpl-{job_id}",
        "object": "chat.completion.chunk",
        "created": created,
        "model": "sora",
        "choices": [choice],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
    return sse_event(payload)


def server_error(message: str) -> dict[str, JsonValue]:
    """Return the error envelope of every failure."""
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


def result_text(form: str, url: str) -> str:
    """Return the content with a result's link, in one of the forms seen at relays."""
    match form:
        case "html":
            return f"```html\n<video src='{url}' controls></video>\n```"
        case "double_quotes":
            return f'<video src="{url}" controls></video>'
        case "link":
            return f"[在线播放]({url})\n\n[点击下载]({url})"
        case "image":
            return f"![Generated Image]({url})"
        case _:
            return url


def non_streaming_response(
    created: int, *, is_available: bool, medium: str
) -> dict[str, JsonValue]:
    """Return the response without streaming: no video, but whether the pool is available."""
    available = (
        f"All tokens available for {medium} generation. Please enable streaming to use the "
        "generation feature."
    )
    message: dict[str, JsonValue] = {
        "role": "assistant",
        "content": available if is_available else f"No available models for {medium} generation",
    }
    return {
        "id": f"chatcmpl-{created}",
        "object": "chat.completion",
        "created": created,
        "model": "sora",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


def state_error_stream(state: NamedState, job_id: str, created: int, variant: int) -> str:
    """Return the stream that refuses with a state; `variant` selects one of its forms."""
    forms = _STATE_MESSAGES[state]
    message = forms[variant % len(forms)]
    if message.startswith("❌"):
        return (
            completion_chunk(job_id, created, content=message, is_first=True, is_last=True)
            + DONE_EVENT
        )
    return sse_event(server_error(message)) + DONE_EVENT


def _relayed_error(code: str, message: str) -> str:
    # The relay prints its upstream's error as the repr of a Python dictionary.
    error = {"error": {"code": code, "message": message, "type": "invalid_request_error"}}
    return f"API request failed: 400 - {error!r}"


_STATE_MESSAGES: Mapping[NamedState, tuple[str, ...]] = {
    NamedState.RISK_CONTROL: (
        _relayed_error(
            "sentinel_block",
            "Hmmm something didn't look right with your request. Please try again later or visit "
            "https://help.openai.com if this issue persists.",
        ),
        "❌ 生成失败: 账号触发风控，请稍后再试",
        (
            "❌ Generation failed: Cloudflare challenge or rate limit (429) triggered. Please "
            "change proxy or reduce request frequency."
        ),
    ),
    NamedState.SUSPENDED: ("❌ 生成失败: 该渠道已暂停服务 (This interface is temporarily paused)",),
    NamedState.MAINTENANCE: ("❌ 生成失败: 系统维护中，请稍后再试",),
    NamedState.OVERLOADED: (
        _relayed_error("heavy_load", "We're under heavy load, please try again later"),
    ),
    NamedState.RATE_LIMITED: (
        _relayed_error("too_many_concurrent_tasks", "You have too many concurrent tasks"),
    ),
    NamedState.QUOTA: ("❌ 生成失败: 账户余额不足，请充值",),
    NamedState.AUTH: (
        "❌ 生成失败: token_invalidated: Your authentication token has been invalidated",
    ),
    NamedState.CONTENT_REJECTED: (
        (
            "❌ 生成失败: This content may violate our guardrails concerning similarity to "
            "third-party content."
        ),
    ),
}


def failed_job_text(failure: JobFailure) -> str:
    """Return the last content of a failed job's stream."""
    return f"❌ 生成失败: {failure.message}"
