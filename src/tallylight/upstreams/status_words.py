"""The words that upstreams use for the status of a job, and what each means.

Sources: OpenAI Videos API, vLLM-Omni 0.30, SGLang 0.5.23, LiteLLM 1.109.1, new-api `TaskStatus`,
OpenRouter, Kling, MiniMax V2, Runway, Volcengine Ark, DashScope, xAI, fal, kie.ai, apigo.ai.
"""

from collections.abc import Mapping
from enum import StrEnum

from tallylight.upstreams.normalize import normalize_code, normalize_text


class StatusMeaning(StrEnum):
    """The status that an upstream reports for a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"  # the job, its record or its result ran out of time
    CANCELLED = "cancelled"
    LOST = "lost"  # DashScope's UNKNOWN: the task id is gone

    @property
    def is_failure(self) -> bool:
        """Tell whether the job ended without a video."""
        return self in _FAILURES


_FAILURES = frozenset(
    {StatusMeaning.FAILED, StatusMeaning.EXPIRED, StatusMeaning.CANCELLED, StatusMeaning.LOST}
)

_WORDS: Mapping[StatusMeaning, str] = {
    StatusMeaning.QUEUED: (
        "queued queueing queuing in_queue not_start not_started submitted submitting pending "
        "throttled waiting created accepted scheduled "
        "排队 排队中 等待 等待中 待处理 未开始 已提交 已创建"
    ),
    StatusMeaning.RUNNING: (
        "in_progress processing running generating rendering preparing starting started working "
        "cancelling canceling 处理中 生成中 进行中 运行中 渲染中 执行中"
    ),
    StatusMeaning.SUCCEEDED: (
        "completed complete succeeded succeed success successful done finished ready generated "
        "完成 已完成 成功 已成功 已生成"
    ),
    StatusMeaning.FAILED: (
        "failed failure fail failed_permanently error errored rejected timeout timed_out aborted "
        "失败 已失败 错误 出错 异常 超时 已拒绝 审核失败 审核不通过 审核未通过"
    ),
    StatusMeaning.EXPIRED: "expired 过期 已过期",
    StatusMeaning.CANCELLED: "cancelled canceled cancel deleted 取消 已取消 已删除",
}
#: What may stand before one of these words without changing its meaning: TASK_STATUS_SUCCEED,
#: video_generation_completed, 视频生成成功. "upload_completed" is a step, not the end of the job.
_SUBJECTS = frozenset(
    {"video", "task", "job", "status", "state", "generation", "image", "render", "request"}
    | {"result", "operation", "prediction", "run", "is", "has", "been", "successfully"}
)
_CHINESE_SUBJECTS = ("视频", "任务", "生成", "状态", "制作", "渲染", "图片")

_STATUS_OF = {word: status for status, words in _WORDS.items() for word in words.split()}
#: Words that one maker gives to a step and another to the end; what is deleted may have been paid.
_VAGUE_WORDS = frozenset({"ready", "generated", "deleted"})
#: new-api says "unknown" before its own first poll, Runway "suspended" while a job waits. In an
#: answer of any other kind these two say nothing of a job.
_WAITING_WORDS = frozenset({"unknown", "suspended"})


def status_meaning(word: str) -> StatusMeaning | None:
    """Return what a status word means, in any spelling; None if it is not known."""
    # Codes are not translated to simplified characters, and texts lose their capitals.
    return _STATUS_OF.get(normalize_code(word if word.isascii() else normalize_text(word)))


def known_as(word: str, *words: str) -> str:
    """Return which of a maker's words a status word is: itself, or the one that means the same.

    A reseller or a later version may spell it otherwise: "cancelled" for "canceled", "completed"
    for "succeed". A word like none of them comes back in lower case.
    """
    name = word.casefold()
    meaning = None if name in words or name in _VAGUE_WORDS else status_meaning(word)
    return next((each for each in words if meaning and status_meaning(each) is meaning), name)


def video_object_status(word: str) -> StatusMeaning | None:
    """Return what the status of a video object means, a word or a phrase; None if unknown."""
    status = status_meaning(word) or _status_of_phrase(word)
    if status is None and normalize_code(word) in _WAITING_WORDS:
        return StatusMeaning.QUEUED
    return status


def _status_of_phrase(phrase: str) -> StatusMeaning | None:
    """Return the status that a phrase ends with, if all before it only names the job."""
    words = normalize_code(phrase).split("_")
    for start in range(1, len(words)):
        if words[start - 1] not in _SUBJECTS:
            break
        if status := _STATUS_OF.get("_".join(words[start:])):
            return status
    text = normalize_text(phrase)
    while (shorter := _without_subject(text)) != text:
        text = shorter
        if status := _STATUS_OF.get(text):
            return status
    return None


def _without_subject(text: str) -> str:
    return next(
        (text.removeprefix(each) for each in _CHINESE_SUBJECTS if text.startswith(each)), text
    )
