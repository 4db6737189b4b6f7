"""The words that services have for the state of a job.

Sources: OpenAI Videos API, vLLM-Omni 0.30, SGLang 0.5.23, LiteLLM 1.109.1, new-api `TaskStatus`,
OpenRouter, Kling, MiniMax V2, Runway, Volcengine Ark, DashScope, xAI, fal, kie.ai.
"""

FAILED = "failed"
EXPIRED = "expired"
CANCELLED = "cancelled"
LOST = "lost"  # DashScope's UNKNOWN: the task id is gone
RUNNING = "going"
SUCCEEDED = "done"

_WORDS = {
    FAILED: "failed failure fail error failed_permanently rejected timeout timed_out aborted",
    EXPIRED: "expired",
    CANCELLED: "cancelled canceled cancel cancelling deleted",
    RUNNING: "queued queuing queueing pending waiting submitted submitting not_start in_progress "
    "in_queue processing running generating throttled preparing created accepted started",
    SUCCEEDED: "completed complete succeeded succeed success finished done ready generated",
}
_STATE_OF = {word: state for state, words in _WORDS.items() for word in words.split()}

#: States that end a job without a video.
FAILURE_STATES = frozenset({FAILED, EXPIRED, CANCELLED, LOST})


def classify_state(word: str) -> str:
    """Return the state that a word (as `wording.name_of` spells it) stands for, or ""."""
    return _STATE_OF.get(word, "")
