"""vLLM-Omni, an inference server that people run themselves.

Source: PyPI `vllm-omni` 0.30.0, `entrypoints/openai/api_server.py`, `protocol/videos.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from pydantic import JsonValue

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import common_members
from tallylight.simulator.protocols.references import vllm_omni_reference
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.protocols.self_hosted_dialect import SelfHostedDialect
from tallylight.simulator.reading import OrderReading
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation


def _error(status: int, message: str, param: str | None = None) -> SimulatedResponse:
    kind = HTTPStatus(status).phrase.replace(" ", "") + "Error"
    error: dict[str, JsonValue] = {"message": message, "type": kind, "param": param, "code": status}
    return SimulatedResponse(status, {"error": error})


class VllmOmniDialect(SelfHostedDialect):
    """Dialect `vllm_omni`."""

    id_prefix = "video_gen_"

    def validate(self, fields: RequestFields) -> None:
        """Raise InvalidRequestError for a body that is not a form."""
        if not fields.is_form:
            raise InvalidRequestError("Field required", "prompt", "missing")

    def input_reference(self, fields: RequestFields) -> str:
        """Return the input of a create."""
        return vllm_omni_reference(fields)

    def with_levers(self, reading: OrderReading, fields: RequestFields) -> OrderReading:
        """Return what both engines read, and the switch for sound."""
        read = super().with_levers(reading, fields)
        return replace(read, audio=fields.lenient_flag("generate_sound"))

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the video object, with the engine's measurements once it is completed."""
        progress = job.progress_at(world.second())
        job_json: dict[str, JsonValue] = {
            **common_members(job, progress),
            "quality": "standard",
            "error": None,
        }
        if progress.status is JobStatus.COMPLETED and job.outcome.duration is not None:
            media: dict[str, JsonValue] = {"media_type": "video/mp4", "file_name": f"{job.id}.mp4"}
            job_json |= {"inference_time_s": job.outcome.duration, **media}
        if failure := job.failure_at(world.second()):
            job_json["error"] = {"code": 500, "message": failure.message}
        return job_json

    def http_status(self, job_object: Mapping[str, JsonValue]) -> int:
        """Return the code of the job's own error once it has failed, else 200."""
        match job_object["error"]:
            case {"code": int(code)}:
                return code
            case _:
                return 200

    def model_fields(self, name: str, owner: str) -> dict[str, JsonValue]:  # noqa: ARG002
        """Return the owner that the server names for every model, and the root."""
        return {"owned_by": "vllm", "root": name}

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404 for a model that is not served."""
        return _error(404, f"The model `{model}` does not exist.", "model")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404; the server keeps jobs in memory only."""
        return _error(404, "Video not found")

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404: there is no content yet."""
        return _error(404, "Generation is still in-progress")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 422 for a failed job, 404 for a file that has expired."""
        has_failed = job.outcome.failure is not None
        return _error(422 if has_failed else 404, "The video has no content")
