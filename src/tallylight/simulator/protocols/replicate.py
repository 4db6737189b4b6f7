"""Replicate's predictions: the input is the model's own, and the list repeats it.

Sources: PyPI `replicate` 1.0.7, npm `@ai-sdk/replicate` 3.0.46, replicate.com/docs (HTTP API,
prediction lifecycle, deadlines) as stored in 2026. The texts of 402 and of a throttled account, of
risk control, suspension and maintenance, and that a queued prediction which is cancelled is
`aborted`, are not verified.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobFailure, JobStatus
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError, UnknownModelError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_PAGE_SIZE = 100
_KEPT_S = 3600.0
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 26
_SENSITIVE = "The input or output was flagged as sensitive. Please try again with different inputs."


def _problem(status: int, title: str, detail: str, **more: JsonValue) -> SimulatedResponse:
    return SimulatedResponse(status, {"title": title, "detail": detail, "status": status, **more})


class _ReplicateTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[NamedState.AUTH]

    def unknown_model(self, model: str) -> SimulatedResponse:  # noqa: ARG002
        return _problem(404, "Not found", "The requested resource could not be found.")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return _problem(404, "Prediction not found", "The prediction could not be found.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return _problem(404, "Not found", "The requested resource could not be found.")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        field = error.param or "body"
        place: JsonValue = {"type": "invalid", "field": field, "description": error.message}
        return _problem(
            422,
            "Input validation failed",
            f"- {field}: {error.message}\n",
            invalid_fields=[place],
        )

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _problem(
        403, "Forbidden", "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _problem(403, "Forbidden", "Your account has been suspended."),
    NamedState.MAINTENANCE: _problem(
        503, "Service unavailable", "Replicate is under maintenance. Please try again later."
    ),
    NamedState.OVERLOADED: _problem(503, "Service unavailable", "The service is overloaded."),
    NamedState.RATE_LIMITED: _problem(
        429, "Too many requests", "Request was throttled. Your rate limit resets in ~30s."
    ),
    NamedState.QUOTA: _problem(
        402, "Insufficient credit", "You have insufficient credit to run this model."
    ),
    NamedState.AUTH: _problem(
        401, "Unauthenticated", "You did not pass a valid authentication token"
    ),
    NamedState.CONTENT_REJECTED: _problem(422, "Prediction failed", f"{_SENSITIVE} (E005)"),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    predictions, maker = _Predictions(kernel), RouteMaker(kernel, _ReplicateTexts())
    return [
        maker.check_route("/account", predictions.account),
        maker.route("/predictions", predictions.create, "POST"),
        maker.route("/predictions", predictions.list),
        maker.route("/predictions/{id}", predictions.get),
        maker.route("/predictions/{id}/cancel", predictions.cancel, "POST"),
        maker.check_route("/{kind}/{owner}/{name}", predictions.model),
        maker.route("/{kind}/{owner}/{name}/predictions", predictions.create, "POST"),
        maker.unknown_paths(),
    ]


class _Predictions:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._inputs: dict[str, JsonValue] = {}
        self._stopped: set[str] = set()

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
        return self._kernel.authenticate(key if scheme in {"Bearer", "Token"} else "")

    async def account(self, exchange: Exchange) -> Response:
        """Return the account of a key."""
        key = self._authenticate(exchange)
        return JSONResponse({"type": "organization", "username": key.key[-6:], "name": "Simulated"})

    async def model(self, exchange: Exchange) -> Response:
        """Return a model that is still there."""
        self._authenticate(exchange)
        owner, name = (exchange.request.path_params[each] for each in ("owner", "name"))
        ids = {_addressed(exchange), *self._versions(f"{owner}/{name}")}
        if not any(map(self._kernel.is_offered, ids)):
            raise UnknownModelError(f"{owner}/{name}")
        return JSONResponse({"owner": owner, "name": name, "visibility": "public", "run_count": 7})

    def _versions(self, model: str) -> list[str]:
        services = self._world.scenario.services_at(self._kernel.upstream).values()
        names = (name for service in services for name in service.wire_names)
        return [name for name in names if name.partition(":")[0] == model]

    async def create(self, exchange: Exchange) -> Response:
        """Start a prediction of a model, a version of it, or a deployment."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        model = _addressed(exchange) or fields.text("version")
        name = self._kernel.find_service(model, key)
        given = fields.values.get("input")
        if not isinstance(given, dict):
            raise InvalidRequestError("input is required", "input")
        reading = _read_input(self._kernel.service(name), model, JsonFields(given))
        number = int(self._world.random_hex(34), 16)
        job_id = "".join(_ALPHABET[number >> 5 * at & 31] for at in range(_ID_LENGTH))
        # A create that is accepted without an answer is in the list, too.
        self._inputs[job_id] = given
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse(self._prediction(job), 201)

    async def get(self, exchange: Exchange) -> Response:
        """Return a prediction."""
        return JSONResponse(self._prediction(self._job(exchange, Endpoint.POLL)))

    async def list(self, exchange: Exchange) -> Response:
        """Return a page of the account's predictions, newest first."""
        key = self._authenticate(exchange)
        cursor = exchange.request.query_params.get("cursor", "0")
        if not cursor.isdecimal():
            raise InvalidRequestError("Invalid cursor", "cursor")
        start = int(cursor)
        jobs = [job for job in reversed(self._kernel.jobs(exchange)) if job.key == key.key]
        end = start + _PAGE_SIZE
        following = f"{self._kernel.url}/predictions?cursor={end}" if end < len(jobs) else None
        results: list[JsonValue] = [self._prediction(job) for job in jobs[start:end]]
        return JSONResponse({"previous": None, "next": following, "results": results})

    async def cancel(self, exchange: Exchange) -> Response:
        """End a prediction; the time of one that runs is charged."""
        job = self._job(exchange, Endpoint.CANCEL)
        status = self._status(job)
        if status == "starting":
            self._kernel.cancel(job)
        elif status == "processing":
            self._stopped.add(job.id)
        return JSONResponse(self._prediction(self._kernel.find_job(job.id)))

    def _job(self, exchange: Exchange, endpoint: Endpoint) -> SimulatedJob:
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["id"], endpoint)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        return job

    def _status(self, job: SimulatedJob) -> str:
        if job.is_cancelled:
            return "aborted"
        if job.id in self._stopped:
            return "canceled"
        return _STATUS_WORDS[self._kernel.progress(job).status]

    def _prediction(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, url = self._status(job), f"{self._kernel.url}/predictions/{job.id}"
        model, _, version = job.outcome.output.model.partition(":")
        is_over = status not in {"starting", "processing"}
        ended_at = job.ends_at if is_over and job.ends_at is not None else None
        is_removed = ended_at is not None and self._world.second() - ended_at > _KEPT_S
        failure = self._kernel.failure(job) if status == "failed" else None
        return {
            "id": job.id,
            "model": model,
            "version": version or "hidden",
            "input": {} if is_removed else self._inputs[job.id],
            "output": self._output(job) if status == "succeeded" and not is_removed else None,
            "logs": "",
            "error": _error_text(failure) if failure else None,
            "status": status,
            "created_at": self._time(job.accepted_at),
            "started_at": None if status == "starting" else self._time(job.accepted_at),
            "completed_at": None if ended_at is None else self._time(ended_at),
            "data_removed": is_removed,
            "metrics": {"predict_time": job.outcome.duration} if is_over else {},
            "urls": {"get": url, "cancel": f"{url}/cancel"},
        }

    def _output(self, job: SimulatedJob) -> JsonValue:
        url = self._world.file_url(job)
        return [url] if self._kernel.service(job.service).wire.get("output") == "list" else url

    def _time(self, second: float) -> str:
        moment = datetime.fromtimestamp(self._world.clock.unix_time(second), UTC)
        return moment.isoformat().replace("+00:00", "Z")


_STATUS_WORDS = {
    JobStatus.QUEUED: "starting",
    JobStatus.IN_PROGRESS: "processing",
    JobStatus.COMPLETED: "succeeded",
    JobStatus.FAILED: "failed",
}


def _error_text(failure: JobFailure) -> str:
    """Return the one string that says why: the maker's code stands in it."""
    if failure.code == "moderation_blocked":
        return f"{_SENSITIVE} (E005) (rq7x)"
    code = failure.code.upper() if failure.code[:1] in "eE" and failure.code[1:].isdecimal() else ""
    return f"Prediction failed: {failure.message} ({code or 'E1000'})"


def _addressed(exchange: Exchange) -> str:
    """Return the model, or the deployment, of the path; "" for none."""
    path = exchange.request.path_params
    if "kind" not in path:
        return ""
    model = f"{path['owner']}/{path['name']}"
    return model if path["kind"] == "models" else f"{path['kind']}/{model}"


def _read_input(service: ScenarioService, model: str, fields: JsonFields) -> OrderReading:
    """Return what a model reads from its input; members that it does not know are ignored."""
    prompt = fields.text("prompt")
    if not prompt:
        raise InvalidRequestError("prompt is required", "input.prompt")
    names = {
        role: service.wire[role] for role in ("first_frame", "last_frame") if role in service.wire
    }
    inputs = tuple(
        InputReading(role, "image", source)
        for role, field in names.items()
        if (source := fields.address(field, "invalid"))
    )
    seconds = fields.integer("duration")
    seconds = service.lengths[0] if seconds is None else seconds
    if seconds not in service.lengths:
        raise InvalidRequestError("duration is not one of the enum values", "input.duration")
    aspect = fields.text("aspect_ratio")
    size = offered_size(
        service.sizes,
        ("input.resolution", fields.text("resolution")),
        ("input.aspect_ratio", aspect),
    )
    sized = sized_reading(prompt, size, seconds, model)
    audio = fields.flag("generate_audio")
    return replace(
        sized,
        aspect="input" if inputs and not aspect else sized.aspect,
        audio=(audio is not False) if service.wire.get("audio") == "yes" else None,
        seed=fields.integer("seed"),
        negative=fields.text("negative_prompt") if service.wire.get("negative") == "yes" else "",
        inputs=inputs,
    )


TWIN = Twin("replicate", ("replicate",), "/v1", _routes)
