"""The words that upstreams use for the status of a job, and what each means.

Sources: OpenAI Videos API, vLLM-Omni 0.30, SGLang 0.5.23, LiteLLM 1.109.1, new-api `TaskStatus`,
OpenRouter, Kling, MiniMax V2, Runway, Volcengine Ark, DashScope, xAI, fal, kie.ai, apigo.ai.
"""

from collections.abc import Mapping
from enum import StrEnum

from tallylight.upstreams.messages import JobState


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
        return _JOB_STATES[self] is JobState.FAILED


_JOB_STATES: Mapping[StatusMeaning, JobState] = {
    StatusMeaning.QUEUED: JobState.QUEUED,
    StatusMeaning.RUNNING: JobState.IN_PROGRESS,
    StatusMeaning.SUCCEEDED: JobState.COMPLETED,
    StatusMeaning.FAILED: JobState.FAILED,
    StatusMeaning.EXPIRED: JobState.FAILED,
    StatusMeaning.CANCELLED: JobState.FAILED,
    StatusMeaning.LOST: JobState.FAILED,
}

#: Words met in video objects: at OpenAI, new-api, OpenRouter, xAI, kie.ai, Kling before 2026, and
#: at the providers whose words LiteLLM lets through (Gemini, Runway, DashScope, MiniMax).
_VIDEO_OBJECT_WORDS: Mapping[StatusMeaning, str] = {
    StatusMeaning.QUEUED: "queued not_start submitted pending throttled waiting queuing",
    StatusMeaning.RUNNING: "in_progress processing running generating",
    StatusMeaning.SUCCEEDED: "completed succeeded success succeed done",
    StatusMeaning.FAILED: "failed failure fail error",
    StatusMeaning.EXPIRED: "expired",
    StatusMeaning.CANCELLED: "cancelled canceled deleted",
}
#: Words met elsewhere. A video object with one of them is polled on.
_OTHER_WORDS: Mapping[StatusMeaning, str] = {
    StatusMeaning.QUEUED: "queueing submitting in_queue created accepted",
    StatusMeaning.RUNNING: "preparing started",
    StatusMeaning.SUCCEEDED: "complete finished ready generated",
    StatusMeaning.FAILED: "failed_permanently rejected timeout timed_out aborted",
    StatusMeaning.CANCELLED: "cancel cancelling",
}


def _by_word(table: Mapping[StatusMeaning, str]) -> dict[str, StatusMeaning]:
    return {word: status for status, words in table.items() for word in words.split()}


_STATUS_OF = _by_word(_VIDEO_OBJECT_WORDS) | _by_word(_OTHER_WORDS)
_VIDEO_OBJECT_STATES: Mapping[str, JobState] = {
    # new-api says "unknown" before its own first poll, Runway "suspended" while a job waits. In an
    # answer of any other kind these two say nothing of a job.
    "unknown": JobState.QUEUED,
    "suspended": JobState.QUEUED,
} | {word: _JOB_STATES[status] for word, status in _by_word(_VIDEO_OBJECT_WORDS).items()}


def status_meaning(word: str) -> StatusMeaning | None:
    """Return what a status word means, spelled in lower case with underscores; None if unknown."""
    return _STATUS_OF.get(word)


def video_object_state(word: str) -> JobState | None:
    """Return what the status word of a video object means, in any spelling; None if unknown."""
    return _VIDEO_OBJECT_STATES.get(word.strip().lower().replace(" ", "_").replace("-", "_"))
