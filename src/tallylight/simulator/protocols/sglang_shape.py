"""SGLang's diffusion server with cloud storage, as people run it themselves.

Source: PyPI `sglang` 0.5.23, `multimodal_gen/runtime/entrypoints/openai/video_api.py`.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.answers import SimulatedResponse, scripted_response
from tallylight.simulator.faults import NamedState, Refuse
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.new_api_shape import file_url
from tallylight.simulator.protocols.orders import InvalidRequestError, RequestFields
from tallylight.simulator.protocols.own_server_words import STATE_ERRORS
from tallylight.simulator.protocols.references import url_or_file_reference
from tallylight.simulator.world import SimulatedJob, Simulation

_MAX_RUNNING_PROGRESS = 99


def _detail_error(status: int, message: str) -> SimulatedResponse:
    return SimulatedResponse(status, {"detail": message})


class SglangDialect:
    """Dialect `sglang`."""

    id_prefix = "video_"
    is_full_api = False
    is_relay = False
    can_list = True
    serves_content = False
    can_cancel = True  # so it looks: the record goes, the work goes on

    def headers(self, world: Simulation) -> Mapping[str, str]:  # noqa: ARG002  # others draw ids
        """Return nothing: there are no headers of its own."""
        return {}

    def validate(self, fields: RequestFields) -> None:
        """Refuse a length in JSON that is no number.

        Raises:
            InvalidError: for a text.
        """
        if not fields.is_form and isinstance(fields.values.get("seconds"), str):
            raise InvalidRequestError("Input should be a valid integer", "seconds", "int_type")

    def input_reference(self, fields: RequestFields) -> str:
        """Return what a create begins from."""
        return url_or_file_reference(fields, "input_reference") or url_or_file_reference(
            fields, "reference_url"
        )

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the job; a finished one names the address of its file in the cloud."""
        stage = job.progress_at(world.second())
        is_done = stage.status is JobStatus.COMPLETED
        shown: dict[str, JsonValue] = {
            "id": job.id,
            "object": "video",
            "model": job.outcome.output.model,
            "status": stage.status.value,
            "progress": 100 if is_done else min(stage.progress, _MAX_RUNNING_PROGRESS),
            "created_at": job.created_at,
            "prompt": job.prompt,
            "size": job.requested.size,
            "seconds": str(job.requested.seconds),
            "url": file_url(world, job) if is_done else None,
            "file_path": f"outputs/{job.id}.mp4" if is_done else None,
            "error": None,
        }
        if stage.status is JobStatus.FAILED and job.outcome.failure is not None:
            shown["error"] = {"message": job.outcome.failure.message}  # without a code
        return shown

    def http_status(self, shown: Mapping[str, JsonValue]) -> int:  # noqa: ARG002
        """Return 200, also for a job that failed."""
        return 200

    def model_list(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the one model that it has loaded."""
        data: list[JsonValue] = [
            {"id": name, "object": "model", "created": created, "owned_by": "sglang"}
            for name in names
        ]
        return {"object": "list", "data": data}

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002  # it does not say which
        """Return 401 as its middleware does."""
        return SimulatedResponse(401, {"error": "Unauthorized"})

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404 for a model that it has not loaded."""
        return _detail_error(404, f"Model '{model}' not found")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404."""
        return _detail_error(404, "Video not found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the framework's 404."""
        return _detail_error(404, "Not Found")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return its own 400 for the prompt, the framework's 422 for the rest."""
        if error.param == "prompt":
            return _detail_error(400, "prompt is required")
        place: list[JsonValue] = ["body", error.param or ""]
        kind = error.code or "value_error"
        return SimulatedResponse(
            422, {"detail": [{"type": kind, "loc": place, "msg": error.message}]}
        )

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404: the content is not there yet."""
        return _detail_error(404, "Generation is still in-progress")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 400: its content lies in the cloud, or nowhere."""
        return _detail_error(
            400, f"Video {job.id} was uploaded to cloud storage; use the cloud URL"
        )

    def deletion_object(self, world: Simulation, job: SimulatedJob) -> JsonValue:
        """Return the job as deleted; the work goes on."""
        return {**self.job_object(world, job), "status": "deleted"}

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return a state in the words of whoever stands before the server."""
        return _detail_error(*STATE_ERRORS[state])

    def scripted_error(self, fault: Refuse) -> SimulatedResponse:
        """Return the scenario's own answer."""
        return scripted_response(fault)
