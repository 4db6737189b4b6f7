"""new-api, the relay that most resellers run.

Source: QuantumNous/new-api `relay/relay_task.go`, `controller/video_proxy.go`,
`middleware/{auth,distributor}.go`, `types/error.go`, `i18n/locales`, as stored in 2026.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState, Refuse
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import VideosDialect
from tallylight.simulator.protocols.measures import MeasuredFields, relay_measures
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.reading import OrderReading
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation

_HTTP_TOO_MANY = 429
_MASKED_MESSAGE = "当前分组上游负载已饱和，请稍后再试"
_GROUP = "default"


def _middleware_error(
    status: int, message: str, code: str = "", request_id: str = "", kind: str = "new_api_error"
) -> SimulatedResponse:
    """Return a refusal before a task is relayed."""
    tail = f" (request id: {request_id})" if request_id else ""
    error: JsonValue = {"message": message + tail, "type": kind, "code": code}
    return SimulatedResponse(status, {"error": error})


def _relay_error(status: int, code: str, message: str) -> SimulatedResponse:
    """Return a refusal by the task relay."""
    return SimulatedResponse(status, {"code": code, "message": message, "data": None})


def _nested_error(status: int, upstream_body: JsonValue) -> SimulatedResponse:
    """Return an upstream's refusal as the relay forwards it: JSON text inside the message."""
    message = json.dumps(upstream_body, ensure_ascii=False)
    return _relay_error(status, "fail_to_fetch_task", message)


class NewApiDialect(VideosDialect):
    """Dialect `new_api`."""

    id_prefix = "task_"
    is_relay = True
    can_list = False

    def headers(self, world: Simulation) -> Mapping[str, str]:
        """Return the relay's request id."""
        return {"x-oneapi-request-id": _request_id(world)}

    def measured(self, fields: RequestFields) -> MeasuredFields:
        """Return what the channels make of a create: `duration` and `metadata` win."""
        return relay_measures(fields)

    def with_levers(self, reading: OrderReading, fields: RequestFields) -> OrderReading:
        """Return what a channel that has all levers reads; the relay passes the body on to it."""
        return replace(
            reading,
            audio=fields.lenient_flag("generate_audio"),
            quality=fields.lenient_text("quality"),
            seed=fields.lenient_integer("seed"),
            negative=fields.lenient_text("negative_prompt"),
        )

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the object: empty members are omitted, and progress is text while the job runs."""
        progress = job.progress_at(world.second())
        is_running = progress.status is JobStatus.IN_PROGRESS
        job_json: dict[str, JsonValue] = {
            "id": job.id,
            "task_id": job.id,
            "object": "video",
            "model": job.outcome.output.model,
            "status": progress.status.value,
            "progress": f"{progress.percent}%" if is_running else progress.percent,
            "created_at": job.created_at,
        }
        if job.requested.seconds:
            job_json |= {"seconds": str(job.requested.seconds), "size": job.requested.size}
        if progress.status is JobStatus.COMPLETED and job.ends_at is not None:
            job_json["completed_at"] = int(world.clock.unix_time(job.ends_at))
            job_json["metadata"] = {"url": world.file_url(job)}
        if failure := job.failure_at(world.second()):
            job_json["error"] = failure.as_json()
        return job_json

    def model_list(self, owners: Mapping[str, str], created: int) -> dict[str, JsonValue]:
        """Return the models that the key's group is configured for, healthy or not."""
        return {"success": True, **super().model_list(owners, created)}

    def model_fields(self, name: str, owner: str) -> dict[str, JsonValue]:  # noqa: ARG002
        """Return the owner and the endpoint types."""
        return {"owned_by": owner, "supported_endpoint_types": ["openai-video"]}

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return 401 in the relay's text."""
        return _middleware_error(401, "无效的令牌" if key else "未提供令牌")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 503 from the distributor, the same for retired, unknown and paused models."""
        message = f"分组 {_GROUP} 下模型 {model} 无可用渠道（distributor）"
        return _middleware_error(503, message, "model_not_found")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002  # the response does not name it
        """Return task_not_exist, which is a 400."""
        return _relay_error(400, "task_not_exist", "task_not_exist")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return 404 in OpenAI's text."""
        message = f"Invalid URL ({method} {path})"
        return _middleware_error(404, message, kind="invalid_request_error")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the relay's own refusal for the prompt, the upstream's, nested, otherwise."""
        if error.param == "prompt":
            return _relay_error(400, "invalid_request", "prompt is required")
        upstream = {"message": error.message, "type": "invalid_request_error", "code": error.code}
        return _nested_error(400, {"error": {**upstream, "param": error.param}})

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 400 with the legacy name of the task's status."""
        message = f"Task is not completed yet, current status: {status.upper()}"
        return SimulatedResponse(
            400, {"error": {"message": message, "type": "invalid_request_error"}}
        )

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:  # noqa: ARG002
        """Return 502: the relay could not fetch it either."""
        message = "Upstream service returned status 404"
        return SimulatedResponse(502, {"error": {"message": message, "type": "server_error"}})

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:
        """Return the relay's text for a state; some states nest the upstream's error."""
        return _state_errors(_request_id(world))[state]

    def scripted_error(self, fault: Refuse) -> SimulatedResponse:
        """Return the scenario's response; the relay masks the message of a 429."""
        response = super().scripted_error(fault)
        error = response.body.get("error") if isinstance(response.body, dict) else None
        if response.status != _HTTP_TOO_MANY or not isinstance(error, dict):
            return response
        return SimulatedResponse(
            response.status, {"error": {**error, "message": _MASKED_MESSAGE}}, response.headers
        )


_SENTINEL_BLOCK: JsonValue = {
    "error": {
        "code": "sentinel_block",
        "message": "Hmmm something didn't look right with your request. Please try again later or "
        "visit https://help.openai.com if this issue persists.",
        "type": "invalid_request_error",
    }
}
_PAUSED: JsonValue = {"code": 500, "msg": "This interface is temporarily paused", "data": None}


def _state_errors(request_id: str) -> Mapping[NamedState, SimulatedResponse]:
    return {
        NamedState.RISK_CONTROL: _nested_error(403, _SENTINEL_BLOCK),
        NamedState.SUSPENDED: _nested_error(503, _PAUSED),
        NamedState.MAINTENANCE: _middleware_error(503, "系统维护中，请稍后再试", "", request_id),
        NamedState.OVERLOADED: _relay_error(500, "do_request_failed", "请求上游地址失败"),
        NamedState.RATE_LIMITED: _middleware_error(
            _HTTP_TOO_MANY, _MASKED_MESSAGE, "rate_limit_exceeded", request_id, "requests"
        ),
        NamedState.QUOTA: _middleware_error(
            403, "用户额度不足, 剩余额度: $0.000000", "insufficient_user_quota"
        ),
        NamedState.AUTH: _middleware_error(401, "该令牌已过期", "", request_id),
        NamedState.CONTENT_REJECTED: _middleware_error(
            500, "prompt contains sensitive words: ***", "sensitive_words_detected"
        ),
    }


_LEGACY_STATUS = {
    JobStatus.QUEUED: "QUEUED",
    JobStatus.IN_PROGRESS: "IN_PROGRESS",
    JobStatus.COMPLETED: "SUCCESS",
    JobStatus.FAILED: "FAILURE",
}


def legacy_job(world: Simulation, job: SimulatedJob) -> JsonValue:
    """Return a task in the form of the older `/v1/video/generations` route."""
    progress = job.progress_at(world.second())
    data: dict[str, JsonValue] = {
        "task_id": job.id,
        "status": _LEGACY_STATUS[progress.status],
        "progress": f"{progress.percent}%",
    }
    if progress.status is JobStatus.COMPLETED:
        data["result_url"] = world.file_url(job)
    if failure := job.failure_at(world.second()):
        data["fail_reason"] = failure.message
        data["progress"] = "100%"
    return {"code": "success", "message": "", "data": data}


def _request_id(world: Simulation) -> str:
    return f"{world.clock.datetime_at():%Y%m%d%H%M%S}{world.random_hex(16)}"
