"""vLLM-Omni, an inference server that people run themselves.

Source: PyPI `vllm-omni` 0.30.0, `entrypoints/openai/api_server.py`, `protocol/videos.py`.
"""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import JsonValue

from tallylight.simulator.answers import Answer, scripted_answer
from tallylight.simulator.faults import Refuse, Sign
from tallylight.simulator.outcomes import Step
from tallylight.simulator.protocols.orders import Fields, InvalidError
from tallylight.simulator.protocols.own_server_words import WORDS
from tallylight.simulator.protocols.references import file_or_field
from tallylight.simulator.world import Job, World


def _error(status: int, message: str, param: str | None = None) -> Answer:
    kind = HTTPStatus(status).phrase.replace(" ", "") + "Error"
    error: dict[str, JsonValue] = {"message": message, "type": kind, "param": param, "code": status}
    return Answer(status, {"error": error})


class VllmOmniShape:
    """Dialect `vllm_omni`."""

    id_prefix = "video_gen_"
    is_complete = False
    is_relay = False
    lists_jobs = True
    serves_content = True
    cancels = True

    def headers(self, world: World) -> Mapping[str, str]:  # noqa: ARG002  # others draw ids
        """Return nothing: there are no headers of its own."""
        return {}

    def check(self, fields: Fields) -> None:
        """Refuse anything but a form.

        Raises:
            InvalidError: for JSON.
        """
        if not fields.is_form:
            raise InvalidError("Field required", "prompt", "missing")

    def reference(self, fields: Fields) -> str:
        """Return what a create begins from."""
        return file_or_field(fields)

    def job(self, world: World, job: Job) -> dict[str, JsonValue]:
        """Return the video object with what the engine measured."""
        stage = job.stage(world.second())
        shown: dict[str, JsonValue] = {
            "id": job.id,
            "object": "video",
            "model": job.fate.result.model,
            "status": stage.step.value,
            "progress": stage.progress,
            "created_at": job.created_at,
            "prompt": job.prompt,
            "size": job.asked.size,
            "seconds": str(job.asked.seconds),
            "quality": "standard",
            "error": None,
        }
        if stage.step is Step.COMPLETED and job.fate.duration is not None:
            media: dict[str, JsonValue] = {"media_type": "video/mp4", "file_name": f"{job.id}.mp4"}
            shown |= {"inference_time_s": job.fate.duration, **media}
        if stage.step is Step.FAILED and job.fate.failure is not None:
            shown["error"] = {"code": 500, "message": job.fate.failure.message}
        return shown

    def shown_with(self, shown: Mapping[str, JsonValue]) -> int:
        """Return the HTTP status of a job: that of its own error once it has failed."""
        match shown["error"]:
            case {"code": int(code)}:
                return code
            case _:
                return 200

    def models(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the models that it serves."""
        data: list[JsonValue] = [
            {"id": name, "object": "model", "created": created, "owned_by": "vllm", "root": name}
            for name in names
        ]
        return {"object": "list", "data": data}

    def unauthorized(self, key: str) -> Answer:  # noqa: ARG002  # it does not say which
        """Return 401 as its middleware does."""
        return Answer(401, {"error": "Unauthorized"})

    def unknown_model(self, model: str) -> Answer:
        """Return 404 for a model that it does not serve."""
        return _error(404, f"The model `{model}` does not exist.", "model")

    def unknown_job(self, job_id: str) -> Answer:  # noqa: ARG002
        """Return 404; jobs live in its memory alone."""
        return _error(404, "Video not found")

    def unknown_path(self, method: str, path: str) -> Answer:  # noqa: ARG002
        """Return the framework's 404."""
        return Answer(404, {"detail": "Not Found"})

    def invalid(self, error: InvalidError) -> Answer:
        """Return the framework's 422 with the place of the fault."""
        place: list[JsonValue] = ["body", error.param or ""]
        kind = error.code or "value_error"
        return Answer(422, {"detail": [{"type": kind, "loc": place, "msg": error.message}]})

    def unfinished(self, job: Job, word: str) -> Answer:  # noqa: ARG002
        """Return 404: the content is not there yet."""
        return _error(404, "Generation is still in-progress")

    def no_content(self, job: Job) -> Answer:
        """Return 422 for a failed job, 404 for a file that is gone."""
        has_failed = job.fate.failure is not None
        return _error(422 if has_failed else 404, "The video has no content")

    def deleted(self, world: World, job: Job) -> JsonValue:  # noqa: ARG002
        """Return that a job, running or not, is gone."""
        return {"id": job.id, "object": "video.deleted", "deleted": True}

    def signed(self, sign: Sign, world: World) -> Answer:  # noqa: ARG002
        """Return a state in the words of whoever stands before the server."""
        status, message = WORDS[sign]
        return Answer(status, {"detail": message})

    def spoken(self, trouble: Refuse) -> Answer:
        """Return the scenario's own answer."""
        return scripted_answer(trouble)
