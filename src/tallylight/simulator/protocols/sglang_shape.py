"""SGLang's diffusion server with cloud storage, as people run it themselves.

Source: PyPI `sglang` 0.5.23, `multimodal_gen/runtime/entrypoints/openai/video_api.py`.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.answers import Answer, scripted_answer
from tallylight.simulator.faults import Refuse, Sign
from tallylight.simulator.outcomes import Step
from tallylight.simulator.protocols.new_api_shape import file_url
from tallylight.simulator.protocols.orders import Fields, InvalidError
from tallylight.simulator.protocols.own_server_words import WORDS
from tallylight.simulator.protocols.references import text_or_file
from tallylight.simulator.world import Job, World

_MOST_WHILE_RUNNING = 99


def _detail(status: int, message: str) -> Answer:
    return Answer(status, {"detail": message})


class SglangShape:
    """Dialect `sglang`."""

    id_prefix = "video_"
    is_complete = False
    is_relay = False
    lists_jobs = True
    serves_content = False
    cancels = True  # so it looks: the record goes, the work goes on

    def headers(self, world: World) -> Mapping[str, str]:  # noqa: ARG002  # others draw ids
        """Return nothing: there are no headers of its own."""
        return {}

    def check(self, fields: Fields) -> None:
        """Refuse a length in JSON that is no number.

        Raises:
            InvalidError: for a text.
        """
        if not fields.is_form and isinstance(fields.values.get("seconds"), str):
            raise InvalidError("Input should be a valid integer", "seconds", "int_type")

    def reference(self, fields: Fields) -> str:
        """Return what a create begins from."""
        return text_or_file(fields, "input_reference") or text_or_file(fields, "reference_url")

    def job(self, world: World, job: Job) -> dict[str, JsonValue]:
        """Return the job; a finished one names the address of its file in the cloud."""
        stage = job.stage(world.second())
        is_done = stage.step is Step.COMPLETED
        shown: dict[str, JsonValue] = {
            "id": job.id,
            "object": "video",
            "model": job.fate.result.model,
            "status": stage.step.value,
            "progress": 100 if is_done else min(stage.progress, _MOST_WHILE_RUNNING),
            "created_at": job.created_at,
            "prompt": job.prompt,
            "size": job.asked.size,
            "seconds": str(job.asked.seconds),
            "url": file_url(world, job) if is_done else None,
            "file_path": f"outputs/{job.id}.mp4" if is_done else None,
            "error": None,
        }
        if stage.step is Step.FAILED and job.fate.failure is not None:
            shown["error"] = {"message": job.fate.failure.message}  # without a code
        return shown

    def shown_with(self, shown: Mapping[str, JsonValue]) -> int:  # noqa: ARG002
        """Return 200, also for a job that failed."""
        return 200

    def models(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the one model that it has loaded."""
        data: list[JsonValue] = [
            {"id": name, "object": "model", "created": created, "owned_by": "sglang"}
            for name in names
        ]
        return {"object": "list", "data": data}

    def unauthorized(self, key: str) -> Answer:  # noqa: ARG002  # it does not say which
        """Return 401 as its middleware does."""
        return Answer(401, {"error": "Unauthorized"})

    def unknown_model(self, model: str) -> Answer:
        """Return 404 for a model that it has not loaded."""
        return _detail(404, f"Model '{model}' not found")

    def unknown_job(self, job_id: str) -> Answer:  # noqa: ARG002
        """Return 404."""
        return _detail(404, "Video not found")

    def unknown_path(self, method: str, path: str) -> Answer:  # noqa: ARG002
        """Return the framework's 404."""
        return _detail(404, "Not Found")

    def invalid(self, error: InvalidError) -> Answer:
        """Return its own 400 for the prompt, the framework's 422 for the rest."""
        if error.param == "prompt":
            return _detail(400, "prompt is required")
        place: list[JsonValue] = ["body", error.param or ""]
        kind = error.code or "value_error"
        return Answer(422, {"detail": [{"type": kind, "loc": place, "msg": error.message}]})

    def unfinished(self, job: Job, word: str) -> Answer:  # noqa: ARG002
        """Return 404: the content is not there yet."""
        return _detail(404, "Generation is still in-progress")

    def no_content(self, job: Job) -> Answer:
        """Return 400: its content lies in the cloud, or nowhere."""
        return _detail(400, f"Video {job.id} was uploaded to cloud storage; use the cloud URL")

    def deleted(self, world: World, job: Job) -> JsonValue:
        """Return the job as deleted; the work goes on."""
        return {**self.job(world, job), "status": "deleted"}

    def signed(self, sign: Sign, world: World) -> Answer:  # noqa: ARG002
        """Return a state in the words of whoever stands before the server."""
        return _detail(*WORDS[sign])

    def spoken(self, trouble: Refuse) -> Answer:
        """Return the scenario's own answer."""
        return scripted_answer(trouble)
