"""The status words of the family, and what each means in the words of the Videos API."""

from collections.abc import Mapping

from tallylight.upstreams.messages import JobState

#: Words that say a job ended without its video being a failure of generation: somebody cancelled
#: it, or its record or result ran out.
ENDED_WORDS = frozenset({"cancelled", "canceled", "expired", "deleted"})

_STATES: Mapping[str, JobState] = {
    # OpenAI Videos API
    "queued": JobState.QUEUED,
    "in_progress": JobState.IN_PROGRESS,
    "completed": JobState.COMPLETED,
    "failed": JobState.FAILED,
    # QuantumNous/new-api: "unknown" on /v1/videos before the first poll of its own, the others
    # (in capitals) on its older route
    "unknown": JobState.QUEUED,
    "not_start": JobState.QUEUED,
    "submitted": JobState.QUEUED,
    "success": JobState.COMPLETED,
    "failure": JobState.FAILED,
    # OpenRouter and its imitators; apigo.ai
    "pending": JobState.QUEUED,
    # LiteLLM lets its providers' words through: Gemini and Vertex, Runway, DashScope, MiniMax
    "processing": JobState.IN_PROGRESS,
    "running": JobState.IN_PROGRESS,
    "succeeded": JobState.COMPLETED,
    "throttled": JobState.QUEUED,
    "suspended": JobState.QUEUED,
    "error": JobState.FAILED,
    # xAI
    "done": JobState.COMPLETED,
    # kie.ai
    "waiting": JobState.QUEUED,
    "queuing": JobState.QUEUED,
    "generating": JobState.IN_PROGRESS,
    "fail": JobState.FAILED,
    # Kling, before 2026
    "succeed": JobState.COMPLETED,
} | dict.fromkeys(ENDED_WORDS, JobState.FAILED)


def job_state_of(word: str) -> JobState | None:
    """Return the state that an upstream's status word means; None for a word nobody knows."""
    return _STATES.get(word.strip().lower().replace(" ", "_").replace("-", "_"))
