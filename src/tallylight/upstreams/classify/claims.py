"""Whether an object of an answer claims a failure, whatever the HTTP status says.

Kling, kie.ai, MiniMax, DashScope, Runway, fal and Google operations all answer HTTP 200 for a job
that failed; each has its own member that says so.
"""

from collections.abc import Iterator, Mapping

from tallylight.upstreams.classify.normalize import normalize_code
from tallylight.upstreams.json_access import objects_at
from tallylight.upstreams.status_words import status_meaning

#: Members that hold the state of a job.
STATE_KEYS = frozenset({"status", "state", "task_status", "job_status"})

_SUCCESS_CODES = frozenset(
    {"success", "succeed", "succeeded", "ok", "completed", "null", "none", ""}
)
_SUCCESS_NUMBERS = frozenset({0, *range(200, 300)})
#: Ends of a Gemini candidate that are none of its maker's doing.
_NORMAL_FINISH_REASONS = frozenset(
    {"stop", "length", "max_tokens", "finish_reason_unspecified", "tool_calls", ""}
)
#: Google operations that are done and empty because the result was held back.
_FILTERED_KEYS = ("rai_media_filtered_reasons", "rai_media_filtered_count")
_MAX_DIGITS = 12


def claims_failure(node: Mapping[str, object]) -> bool:
    """Tell whether an object says that something failed.

    Args:
        node: The object, its keys spelled as `wording.name_of` spells them.
    """
    return any(_failure_signals(node))


def implied_codes(node: Mapping[str, object]) -> Iterator[str]:
    """Yield the codes for what an object tells without giving it one."""
    if any(node.get(key) for key in _FILTERED_KEYS):
        yield "rai_media_filtered"
    if parse_integer(str(node.get("quota_value"))) == 0:
        yield "quota_value_zero"
    yield from (f"finish_{reason}" for reason in _abnormal_finish_reasons(node))


def is_success_code(code: str) -> bool:
    """Tell whether a code stands for success, or for none."""
    return code in _SUCCESS_CODES


def parse_integer(text: str) -> int | None:
    """Return the number that a text is, None if it is none."""
    is_number = text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS
    return int(text) if is_number else None


def _failure_signals(node: Mapping[str, object]) -> Iterator[bool]:
    yield any(_is_nonempty(node.get(key)) for key in ("error", "errors", "failure"))
    yield node.get("success") is False or node.get("ok") is False
    yield any(_is_failure_state(node.get(key)) for key in STATE_KEYS)
    yield normalize_code(str(node.get("task_status"))) == "unknown"
    yield "status_msg" in node and node.get("status_code", 0) != 0
    yield _has_error_code(node)
    yield bool(node.get("block_reason")) or any(node.get(key) for key in _FILTERED_KEYS)
    yield any(_abnormal_finish_reasons(node))


def _has_error_code(node: Mapping[str, object]) -> bool:
    """Tell whether the code beside a message, or beside data, stands for a failure."""
    if not {"message", "msg", "data"} & node.keys():
        return False
    code = node.get("code")
    value = parse_integer(code) if isinstance(code, str) else code
    if isinstance(value, int) and not isinstance(value, bool):
        return value not in _SUCCESS_NUMBERS
    return isinstance(code, str) and not is_success_code(normalize_code(code))


def _abnormal_finish_reasons(node: Mapping[str, object]) -> Iterator[str]:
    """Yield the reasons for which Gemini candidates ended early."""
    for candidate in objects_at(node, "candidates"):
        reason = candidate.get("finishReason")
        if isinstance(reason, str) and normalize_code(reason) not in _NORMAL_FINISH_REASONS:
            yield normalize_code(reason)


def _is_nonempty(value: object) -> bool:
    if isinstance(value, dict):
        return any(item not in (None, "", 0, [], {}) for item in value.values())
    return isinstance(value, str | list) and len(value) > 0


def _is_failure_state(word: object) -> bool:
    status = status_meaning(normalize_code(word)) if isinstance(word, str) else None
    return status is not None and status.is_failure
