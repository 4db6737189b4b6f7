"""Whether an object in an answer reports a failure, independent of the HTTP status.

Kling, kie.ai, MiniMax, DashScope, Runway, fal and Google operations answer HTTP 200 for a failed
job; each has its own member that says so.
"""

from collections.abc import Iterator, Mapping

from tallylight.upstreams.json_access import object_at, objects_at
from tallylight.upstreams.normalize import normalize_code
from tallylight.upstreams.status_words import status_meaning

#: Members that hold the state of a job.
STATE_KEYS = frozenset({"status", "state", "task_status", "job_status"})

_SUCCESS_CODES = frozenset(
    {"success", "succeed", "succeeded", "ok", "completed", "null", "none", ""}
)
_SUCCESS_NUMBERS = frozenset({0, *range(200, 300)})
#: Finish reasons of a Gemini candidate that are no intervention of Google.
_NORMAL_FINISH_REASONS = frozenset(
    {"stop", "length", "max_tokens", "finish_reason_unspecified", "tool_calls", ""}
)
#: Members of Google operations whose result was withheld.
_FILTERED_KEYS = ("rai_media_filtered_reasons", "rai_media_filtered_count")
#: Members that hold a code in answers of one maker, and those that stand beside it there.
_CODE_COMPANIONS: Mapping[str, frozenset[str]] = {
    "code": frozenset({"message", "msg", "data"}),
    "err_code": frozenset({"err_msg", "resp"}),  # PixVerse
    "errcode": frozenset({"errmsg"}),
    "errno": frozenset({"errmsg", "err_msg"}),
}
#: The states of a PixVerse job that are failures, as the codes that say so.
_PIXVERSE_FAILURES: Mapping[int, str] = {7: "moderation_failed", 8: "generation_failed"}
_MAX_DIGITS = 12
_MAX_MEMBERS = 200  # of an `error` that are looked at; a larger one says something


def claims_failure(node: Mapping[str, object]) -> bool:
    """Tell whether an object, with keys normalized by `normalize_code`, reports a failure."""
    return any(_failure_signals(node))


def implied_codes(node: Mapping[str, object]) -> Iterator[str]:
    """Yield codes for failures that an object reports without a code."""
    if any(node.get(key) for key in _FILTERED_KEYS):
        yield "rai_media_filtered"
    if parse_integer(str(node.get("quota_value"))) == 0:
        yield "quota_value_zero"
    yield from (f"finish_{reason}" for reason in _abnormal_finish_reasons(node))
    yield from _withheld_videos(node)


def says_error(value: object) -> bool:
    """Tell whether an `error` member reports one.

    Servers write the member of a job without an error in many ways: null, 0, [], and
    {"code": "", "message": ""}.
    """
    pending = [value]
    for _ in range(_MAX_MEMBERS):
        if not pending:
            return False
        each = pending.pop()
        if isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each
        elif not _is_empty(each):
            break
    return True


def is_success_code(code: str) -> bool:
    """Tell whether a code means success, or the absence of an error."""
    return code in _SUCCESS_CODES


def parse_integer(text: str) -> int | None:
    """Return a text of decimal digits as a number, None for any other text."""
    is_number = text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS
    return int(text) if is_number else None


def _failure_signals(node: Mapping[str, object]) -> Iterator[bool]:
    yield any(says_error(node.get(key)) for key in ("error", "errors", "failure"))
    yield node.get("success") is False or node.get("ok") is False
    yield any(_is_failure_state(node.get(key)) for key in STATE_KEYS)
    yield normalize_code(str(node.get("task_status"))) == "unknown"
    yield "status_msg" in node and node.get("status_code", 0) != 0
    yield _has_error_code(node)
    yield bool(node.get("block_reason")) or any(node.get(key) for key in _FILTERED_KEYS)
    yield any(_abnormal_finish_reasons(node))
    yield any(_withheld_videos(node))


def _has_error_code(node: Mapping[str, object]) -> bool:
    """Tell whether a code beside a message or beside data means a failure."""
    return any(
        _is_error_code(node.get(key))
        for key, companions in _CODE_COMPANIONS.items()
        if companions & node.keys()
    )


def _is_error_code(code: object) -> bool:
    value = parse_integer(code) if isinstance(code, str) else code
    if isinstance(value, int) and not isinstance(value, bool):
        return value not in _SUCCESS_NUMBERS
    return isinstance(code, str) and not is_success_code(normalize_code(code))


def _abnormal_finish_reasons(node: Mapping[str, object]) -> Iterator[str]:
    """Yield the reasons why Gemini candidates ended early."""
    for candidate in objects_at(node, "candidates"):
        reason = candidate.get("finishReason")
        if isinstance(reason, str) and normalize_code(reason) not in _NORMAL_FINISH_REASONS:
            yield normalize_code(reason)


def _withheld_videos(node: Mapping[str, object]) -> Iterator[str]:
    """Yield codes for jobs whose status says "done", or only a number, and that have no video."""
    if object_at(node, "video").get("respect_moderation") is False:
        yield "moderation_not_respected"  # xAI
    if "err_code" in node:
        state = object_at(node, "resp").get("status")
        if isinstance(state, int) and state in _PIXVERSE_FAILURES:
            yield _PIXVERSE_FAILURES[state]


def _is_empty(value: object) -> bool:
    """Tell whether a scalar in an `error` member says nothing, or that all is well."""
    if isinstance(value, str):
        number = parse_integer(value.strip())
        is_code = value.isascii() and is_success_code(normalize_code(value))
        return not value.strip() or is_code or number in _SUCCESS_NUMBERS
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value in _SUCCESS_NUMBERS if is_number else not value


def _is_failure_state(word: object) -> bool:
    status = status_meaning(word) if isinstance(word, str) else None
    return status is not None and status.is_failure
