"""kie.ai's jobs: HTTP 200 for everything, `code` for what it means.

Sources: docs.kie.ai (jobs, Kling, Seedance) as stored in 2026, elibarnett/kie-mcp v4.0.6,
neyric/kieai-sdk. The answer to an unknown task, the texts of risk control and of refused content
are in no public source; they are our own.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

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
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_CREDIT_USD = Decimal("0.005")
_CREDITS = 1000
_MODES = {"": "", "std": "720p", "pro": "1080p"}
_STATUS_WORDS = {
    JobStatus.QUEUED: "queuing",
    JobStatus.IN_PROGRESS: "generating",
    JobStatus.COMPLETED: "success",
    JobStatus.FAILED: "fail",
}
_POLICY = "The content was flagged as sensitive: it violates the content policy."


def _answer(code: int, message: str, data: JsonValue = None) -> SimulatedResponse:
    return SimulatedResponse(200, {"code": code, "msg": message, "data": data})


class _KieTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[NamedState.AUTH]

    def unknown_model(self, model: str) -> SimulatedResponse:
        return _answer(422, f"The model name you specified is not supported: {model}")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return _answer(422, "recordInfo is null")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        body: JsonValue = {"status": 404, "error": "Not Found", "path": f"{method} {path}"}
        return SimulatedResponse(404, body)

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        place = f"{error.param}: " if error.param else ""
        return _answer(422, place + error.message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _answer(
        500, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _answer(505, "This feature is currently disabled"),
    NamedState.MAINTENANCE: _answer(455, "The system is undergoing maintenance"),
    NamedState.OVERLOADED: _answer(500, "Server error, please try again later"),
    NamedState.RATE_LIMITED: _answer(429, "Your call frequency is too high"),
    NamedState.QUOTA: _answer(402, "Credits insufficient: top up to continue"),
    NamedState.AUTH: _answer(401, "You do not have access permissions"),
    NamedState.CONTENT_REJECTED: _answer(422, _POLICY),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    jobs, maker = _Jobs(kernel), RouteMaker(kernel, _KieTexts())
    return [
        maker.check_route("/api/v1/chat/credit", jobs.credit),
        maker.route("/api/v1/jobs/createTask", jobs.create, "POST"),
        maker.route("/api/v1/jobs/recordInfo", jobs.record),
        maker.unknown_paths(),
    ]


class _Jobs:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._params: dict[str, str] = {}

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
        return self._kernel.authenticate(key if scheme == "Bearer" else "")

    async def credit(self, exchange: Exchange) -> Response:
        """Return the balance of the account."""
        key = self._authenticate(exchange)
        return _answer(200, "success", 0 if key.state == "exhausted" else _CREDITS).to_response()

    async def create(self, exchange: Exchange) -> Response:
        """Accept a task."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        model, given = fields.text("model"), fields.values.get("input")
        name = self._kernel.find_service(model, key)
        if not isinstance(given, dict):
            raise InvalidRequestError("This field is required", "input")
        reading = _read_input(self._kernel.service(name), model, JsonFields(given))
        job_id = f"task_{self._world.random_hex(24)}"
        self._params[job_id] = json.dumps({"model": model, "input": given})
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return _answer(200, "success", {"taskId": job.id}).to_response()

    async def record(self, exchange: Exchange) -> Response:
        """Return the record of a task."""
        key = self._authenticate(exchange)
        task = exchange.request.query_params.get("taskId", "")
        job = self._kernel.job(exchange, task, Endpoint.POLL)
        if job.key != key.key:
            raise UnknownJobError(task)
        return JSONResponse({"code": 200, "msg": "success", "data": self._record(job)})

    def _record(self, job: SimulatedJob) -> dict[str, JsonValue]:
        progress, failure = self._kernel.progress(job), self._kernel.failure(job)
        is_over = progress.status.is_final
        ended_at = int((job.created_at + (job.outcome.duration or 0)) * 1000) if is_over else None
        record: dict[str, JsonValue] = {
            "taskId": job.id,
            "model": job.reading.model,  # as it was asked for, whoever made the film
            "state": _STATUS_WORDS[progress.status],
            "param": self._params[job.id],
            "resultJson": "",
            "failCode": _fail_code(failure) if failure else "",
            "failMsg": failure.message if failure else "",
            "costTime": int((job.outcome.duration or 0) * 1000) if is_over else 0,
            "completeTime": ended_at,
            "createTime": job.created_at * 1000,
            "updateTime": ended_at or job.created_at * 1000,
            "progress": progress.percent,
        }
        if progress.status is JobStatus.COMPLETED:
            record["resultJson"] = json.dumps({"resultUrls": [self._world.file_url(job)]})
        if is_over:
            billed = job.billed_usd(self._world.second())
            record["creditsConsumed"] = float(billed / _CREDIT_USD)
        return record


def _fail_code(failure: JobFailure) -> str:
    return failure.code if failure.code.isdecimal() else "501"


def _read_input(service: ScenarioService, model: str, fields: JsonFields) -> OrderReading:
    """Return what a model reads from its input; members that it does not know are ignored."""
    prompt = fields.text("prompt")
    if not prompt:
        raise InvalidRequestError("This field is required", "prompt")
    wire = service.wire
    text = fields.text("duration")
    seconds = int(text) if text.isdecimal() else service.lengths[0]
    if (text and not text.isdecimal()) or seconds not in service.lengths:
        raise InvalidRequestError("duration is not within the range of allowed options", "duration")
    if wire.get("resolution") == "mode":
        resolution = ("mode", _MODES[fields.choice("mode", tuple(_MODES))])
    else:
        resolution = ("resolution", fields.text("resolution"))
    aspect = fields.text("aspect_ratio")
    inputs = tuple(_pictures(wire.get("images", ""), fields))
    size = offered_size(service.sizes, resolution, ("aspect_ratio", aspect))
    sized = sized_reading(prompt, size, seconds, model)
    return replace(
        sized,
        aspect="input" if inputs and not aspect else sized.aspect,
        audio=bool(fields.flag("sound")) if wire.get("sound") == "yes" else None,
        seed=fields.integer("seed"),
        inputs=inputs,
    )


def _pictures(name: str, fields: JsonFields) -> list[InputReading]:
    """Return the frames of an array of addresses: the first, then the last."""
    given = fields.values.get(name, [])
    if not isinstance(given, list) or len(given) > 2:  # noqa: PLR2004  # a first and a last frame
        raise InvalidRequestError("Expected an array of at most two", name)
    for each in given:
        if not isinstance(each, str) or not each.startswith(("http://", "https://")):
            raise InvalidRequestError("Expected the URL of an uploaded file", name)
    roles = ("first_frame", "last_frame")
    return [InputReading(role, "image", str(url)) for role, url in zip(roles, given, strict=False)]


TWIN = Twin("kie_jobs", ("kie_jobs",), "", _routes)
