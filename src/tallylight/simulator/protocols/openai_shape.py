"""The official Videos API as it answered until 2026-09-24.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21; PyPI `openai` 3.54.0; the error code
guide of developers.openai.com. The wording of a download that is not ready, or expired, stands in
no public source and is our own.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.answers import Answer, scripted_answer
from tallylight.simulator.faults import Refuse, Sign
from tallylight.simulator.outcomes import Step
from tallylight.simulator.protocols.orders import Fields, InvalidError
from tallylight.simulator.protocols.references import file_or_object
from tallylight.simulator.world import Job, World

_CREATE_FIELDS = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
_JSON_FIELDS = _CREATE_FIELDS | {"characters"}
_MOST_CHARACTERS = 2
_ASSET_LIFE = 3600  # the guide: download links are valid for at most one hour


def envelope(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, JsonValue]:
    """Return OpenAI's error envelope; all four members are always there."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class OpenAIShape:
    """Dialect `openai`."""

    id_prefix = "video_"
    is_complete = True
    is_relay = False
    lists_jobs = True
    serves_content = True
    cancels = False

    def headers(self, world: World) -> Mapping[str, str]:
        """Return what every answer of api.openai.com carries."""
        return {
            "x-request-id": f"req_{world.token(32)}",
            "openai-version": "2020-10-01",
            "openai-organization": "org-simulated",
            "openai-processing-ms": str(20 + int(world.chance() * 60)),
            "x-ratelimit-limit-requests": "25",
            "x-ratelimit-remaining-requests": "24",
            "x-ratelimit-reset-requests": "2.4s",
        }

    def check(self, fields: Fields) -> None:
        """Refuse what the operation does not have.

        Raises:
            InvalidError: for an unknown field, or for characters that are none.
        """
        # Characters are in the guide and not in the specification, which has them in no form.
        fields.refuse_unknown(_CREATE_FIELDS if fields.is_form else _JSON_FIELDS)
        given = fields.values.get("characters", [])
        if not isinstance(given, list) or len(given) > _MOST_CHARACTERS:
            raise InvalidError("Expected at most 2 characters.", "characters", "invalid_value")
        if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in given):
            raise InvalidError("Expected objects with an 'id'.", "characters", "invalid_type")

    def reference(self, fields: Fields) -> str:
        """Return what a create begins from."""
        return file_or_object(fields)

    def job(self, world: World, job: Job) -> dict[str, JsonValue]:
        """Return the video object with all its thirteen members."""
        stage = job.stage(world.second())
        ended = int(world.pace.unix(job.ends_at)) if job.ends_at is not None else None
        is_completed = stage.step is Step.COMPLETED
        failure = job.fate.failure if stage.step is Step.FAILED else None
        return {
            "id": job.id,
            "object": "video",
            "model": job.fate.result.model,
            "status": stage.step.value,
            "progress": stage.progress,
            "created_at": job.created_at,
            "completed_at": ended if is_completed else None,
            "expires_at": ended + _ASSET_LIFE if is_completed and ended is not None else None,
            "prompt": job.prompt,
            "size": job.asked.size,
            "seconds": str(job.asked.seconds),
            "remixed_from_video_id": job.parent or None,
            "error": {"code": failure.code, "message": failure.message} if failure else None,
        }

    def shown_with(self, shown: Mapping[str, JsonValue]) -> int:  # noqa: ARG002
        """Return 200, also for a job that failed."""
        return 200

    def models(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the list of models that a key may use."""
        data: list[JsonValue] = [
            {"id": name, "object": "model", "created": created, "owned_by": owner}
            for name, owner in names.items()
        ]
        return {"object": "list", "data": data}

    def unauthorized(self, key: str) -> Answer:
        """Return 401, naming the key in part as OpenAI does."""
        if not key:
            message = (
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            return Answer(401, envelope(message, "invalid_request_error"))
        shown = f"{key[:3]}***{key[-3:]}" if len(key) > 8 else "***"  # noqa: PLR2004
        message = (
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        return Answer(401, envelope(message, "invalid_request_error", "invalid_api_key"))

    def unknown_model(self, model: str) -> Answer:
        """Return 404 model_not_found; a retired model answers the same."""
        message = f"The model `{model}` does not exist or you do not have access to it."
        return Answer(404, envelope(message, "invalid_request_error", "model_not_found"))

    def unknown_job(self, job_id: str) -> Answer:
        """Return 404 without a code."""
        message = f"Video with id '{job_id}' not found."
        return Answer(404, envelope(message, "invalid_request_error"))

    def unknown_path(self, method: str, path: str) -> Answer:
        """Return 404, as OpenAI answers to paths that do not exist."""
        return Answer(404, envelope(f"Invalid URL ({method} {path})", "invalid_request_error"))

    def invalid(self, error: InvalidError) -> Answer:
        """Return 400 with the parameter."""
        body = envelope(error.message, "invalid_request_error", error.code, error.param)
        return Answer(400, body)

    def unfinished(self, job: Job, word: str) -> Answer:
        """Return 404: the content is not there yet."""
        message = (
            f"Video is not ready yet (status: {word}), use GET /v1/videos/{job.id} to check status."
        )
        return Answer(404, envelope(message, "invalid_request_error"))

    def no_content(self, job: Job) -> Answer:
        """Return 404: the content is gone, or never was."""
        message = f"The content of video '{job.id}' is not available."
        return Answer(404, envelope(message, "invalid_request_error", "not_found"))

    def deleted(self, world: World, job: Job) -> JsonValue:  # noqa: ARG002
        """Return that a video is gone."""
        return {"id": job.id, "object": "video.deleted", "deleted": True}

    def signed(self, sign: Sign, world: World) -> Answer:  # noqa: ARG002  # other dialects draw ids
        """Return the official words for a state."""
        return _SIGNS[sign]

    def spoken(self, trouble: Refuse) -> Answer:
        """Return the scenario's own answer."""
        return scripted_answer(trouble)


_SIGNS: Mapping[Sign, Answer] = {
    Sign.RISK_CONTROL: Answer(
        403,
        envelope(
            "Hmmm something didn't look right with your request. Please try again later or visit "
            "https://help.openai.com if this issue persists.",
            "invalid_request_error",
            "sentinel_block",
        ),
    ),
    Sign.SUSPENDED: Answer(
        503,
        envelope("This model is temporarily paused.", "service_unavailable_error", "model_paused"),
    ),
    Sign.MAINTENANCE: Answer(
        503,
        envelope(
            "The video service is under scheduled maintenance. Please try again later.",
            "service_unavailable_error",
            "maintenance",
        ),
        {"retry-after": "600"},
    ),
    Sign.OVERLOADED: Answer(
        503,
        envelope(
            "The server is currently overloaded. Please try again later.",
            "service_unavailable_error",
            "server_is_overloaded",
        ),
    ),
    Sign.RATE_LIMITED: Answer(
        429,
        envelope(
            "Rate limit reached for sora-2 in organization org-simulated on requests per min "
            "(RPM): Limit 25, Used 25, Requested 1. Please try again in 2.4s.",
            "requests",
            "rate_limit_exceeded",
        ),
        {"retry-after": "3", "x-ratelimit-remaining-requests": "0"},
    ),
    Sign.QUOTA: Answer(
        429,
        envelope(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
    ),
    Sign.AUTH: Answer(
        403,
        envelope(
            "Your organization must be verified to use the model `sora-2`.",
            "invalid_request_error",
        ),
    ),
    Sign.CONTENT_REJECTED: Answer(
        400,
        envelope(
            "Your request was blocked by our moderation system.",
            "invalid_request_error",
            "moderation_blocked",
        ),
    ),
}
