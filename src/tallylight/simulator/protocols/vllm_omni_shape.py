"""vLLM-Omni, an inference server that people run themselves.

Source: PyPI `vllm-omni` 0.30.0, `entrypoints/openai/api_server.py`, `protocol/videos.py`.
"""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import JsonValue

from tallylight.simulator.answers import SimulatedResponse, scripted_response
from tallylight.simulator.faults import NamedState, Refuse
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.orders import InvalidRequestError, RequestFields
from tallylight.simulator.protocols.own_server_words import STATE_ERRORS
from tallylight.simulator.protocols.references import vllm_omni_reference
from tallylight.simulator.world import SimulatedJob, Simulation


def _error(status: int, message: str, param: str | None = None) -> SimulatedResponse:
    kind = HTTPStatus(status).phrase.replace(" ", "") + "Error"
    error: dict[str, JsonValue] = {"message": message, "type": kind, "param": param, "code": status}
    return SimulatedResponse(status, {"error": error})


class VllmOmniDialect:
    """Dialect `vllm_omni`."""

    id_prefix = "video_gen_"
    is_full_api = False
    is_relay = False
    can_list = True
    serves_content = True
    can_cancel = True

    def headers(self, world: Simulation) -> Mapping[str, str]:  # noqa: ARG002  # others draw ids
        """Return nothing: there are no headers of its own."""
        return {}

    def validate(self, fields: RequestFields) -> None:
        """Refuse anything but a form.

        Raises:
            InvalidError: for JSON.
        """
        if not fields.is_form:
            raise InvalidRequestError("Field required", "prompt", "missing")

    def input_reference(self, fields: RequestFields) -> str:
        """Return what a create begins from."""
        return vllm_omni_reference(fields)

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the video object with what the engine measured."""
        stage = job.progress_at(world.second())
        shown: dict[str, JsonValue] = {
            "id": job.id,
            "object": "video",
            "model": job.outcome.output.model,
            "status": stage.status.value,
            "progress": stage.progress,
            "created_at": job.created_at,
            "prompt": job.prompt,
            "size": job.requested.size,
            "seconds": str(job.requested.seconds),
            "quality": "standard",
            "error": None,
        }
        if stage.status is JobStatus.COMPLETED and job.outcome.duration is not None:
            media: dict[str, JsonValue] = {"media_type": "video/mp4", "file_name": f"{job.id}.mp4"}
            shown |= {"inference_time_s": job.outcome.duration, **media}
        if stage.status is JobStatus.FAILED and job.outcome.failure is not None:
            shown["error"] = {"code": 500, "message": job.outcome.failure.message}
        return shown

    def http_status(self, shown: Mapping[str, JsonValue]) -> int:
        """Return the HTTP status of a job: that of its own error once it has failed."""
        match shown["error"]:
            case {"code": int(code)}:
                return code
            case _:
                return 200

    def model_list(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the models that it serves."""
        data: list[JsonValue] = [
            {"id": name, "object": "model", "created": created, "owned_by": "vllm", "root": name}
            for name in names
        ]
        return {"object": "list", "data": data}

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002  # it does not say which
        """Return 401 as its middleware does."""
        return SimulatedResponse(401, {"error": "Unauthorized"})

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404 for a model that it does not serve."""
        return _error(404, f"The model `{model}` does not exist.", "model")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404; jobs live in its memory alone."""
        return _error(404, "Video not found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the framework's 404."""
        return SimulatedResponse(404, {"detail": "Not Found"})

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the framework's 422 with the place of the fault."""
        place: list[JsonValue] = ["body", error.param or ""]
        kind = error.code or "value_error"
        return SimulatedResponse(
            422, {"detail": [{"type": kind, "loc": place, "msg": error.message}]}
        )

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404: the content is not there yet."""
        return _error(404, "Generation is still in-progress")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 422 for a failed job, 404 for a file that is gone."""
        has_failed = job.outcome.failure is not None
        return _error(422 if has_failed else 404, "The video has no content")

    def deletion_object(self, world: Simulation, job: SimulatedJob) -> JsonValue:  # noqa: ARG002
        """Return that a job, running or not, is gone."""
        return {"id": job.id, "object": "video.deleted", "deleted": True}

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return a state in the words of whoever stands before the server."""
        status, message = STATE_ERRORS[state]
        return SimulatedResponse(status, {"detail": message})

    def scripted_error(self, fault: Refuse) -> SimulatedResponse:
        """Return the scenario's own answer."""
        return scripted_response(fault)
