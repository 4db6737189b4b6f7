"""SGLang's diffusion server with cloud storage, as people run it themselves.

Source: PyPI `sglang` 0.5.23, `multimodal_gen/runtime/entrypoints/openai/video_api.py`.
"""

from pydantic import JsonValue

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import common_members
from tallylight.simulator.protocols.references import url_or_file_reference
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.protocols.self_hosted_dialect import SelfHostedDialect, detail_error
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation

_MAX_RUNNING_PROGRESS = 99


class SglangDialect(SelfHostedDialect):
    """Dialect `sglang`; a deletion removes the record of a running job, and its work goes on."""

    serves_content = False

    def validate(self, fields: RequestFields) -> None:
        """Raise InvalidRequestError for a length in JSON that is not a number."""
        if not fields.is_form and isinstance(fields.values.get("seconds"), str):
            raise InvalidRequestError("Input should be a valid integer", "seconds", "int_type")

    def input_reference(self, fields: RequestFields) -> str:
        """Return the input of a create."""
        return url_or_file_reference(fields, "input_reference") or url_or_file_reference(
            fields, "reference_url"
        )

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the job; a completed one names the URL of its file in the cloud."""
        progress = job.progress_at(world.second())
        is_completed = progress.status is JobStatus.COMPLETED
        percent = 100 if is_completed else min(progress.percent, _MAX_RUNNING_PROGRESS)
        job_json: dict[str, JsonValue] = {
            **common_members(job, progress),
            "progress": percent,
            "url": world.file_url(job) if is_completed else None,
            "file_path": f"outputs/{job.id}.mp4" if is_completed else None,
            "error": None,
        }
        if failure := job.failure_at(world.second()):
            job_json["error"] = {"message": failure.message}  # without a code
        return job_json

    def model_fields(self, name: str, owner: str) -> dict[str, JsonValue]:  # noqa: ARG002
        """Return the owner that the server names for every model."""
        return {"owned_by": "sglang"}

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404 for a model that is not loaded."""
        return detail_error(404, f"Model '{model}' not found")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404."""
        return detail_error(404, "Video not found")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the server's own 400 for the prompt, the framework's 422 otherwise."""
        if error.param == "prompt":
            return detail_error(400, "prompt is required")
        return super().invalid_request(error)

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404: there is no content yet."""
        return detail_error(404, "Generation is still in-progress")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 400: the content is in the cloud, or does not exist."""
        return detail_error(400, f"Video {job.id} was uploaded to cloud storage; use the cloud URL")

    def deletion_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the job with status `deleted`."""
        return {**self.job_object(world, job), "status": "deleted"}
