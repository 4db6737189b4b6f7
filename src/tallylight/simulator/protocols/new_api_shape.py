"""new-api, the relay that most resellers run.

Source: QuantumNous/new-api `relay/relay_task.go`, `controller/video_proxy.go`,
`middleware/{auth,distributor}.go`, `types/error.go`, `i18n/locales`, as stored in 2026.
"""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.answers import SimulatedResponse, scripted_response
from tallylight.simulator.faults import NamedState, Refuse
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.orders import InvalidRequestError, RequestFields
from tallylight.simulator.protocols.references import url_or_file_reference
from tallylight.simulator.world import SimulatedJob, Simulation

_HTTP_TOO_MANY = 429
_MASKED_MESSAGE = "当前分组上游负载已饱和，请稍后再试"
_GROUP = "default"


def middleware_error(
    message: str, code: str = "", request_id: str = "", kind: str = "new_api_error"
) -> dict[str, JsonValue]:
    """Return the envelope of what happens before a task is relayed."""
    tail = f" (request id: {request_id})" if request_id else ""
    return {"error": {"message": message + tail, "type": kind, "code": code}}


def relay_error(code: str, message: str) -> dict[str, JsonValue]:
    """Return the envelope of the task relay."""
    return {"code": code, "message": message, "data": None}


def nested_upstream_error(upstream_body: JsonValue) -> dict[str, JsonValue]:
    """Return an upstream's refusal as the relay passes it on: as JSON text inside the message."""
    return relay_error("fail_to_fetch_task", json.dumps(upstream_body, ensure_ascii=False))


class NewApiDialect:
    """Dialect `new_api`."""

    id_prefix = "task_"
    is_full_api = False
    is_relay = True
    can_list = False
    serves_content = True
    can_cancel = False

    def headers(self, world: Simulation) -> Mapping[str, str]:
        """Return what every answer of a relay carries."""
        return {"x-oneapi-request-id": _request_id(world)}

    def validate(self, fields: RequestFields) -> None:
        """Take any fields: it passes them on."""

    def input_reference(self, fields: RequestFields) -> str:
        """Return what a create begins from."""
        return url_or_file_reference(fields, "input_reference")

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the object that omits what is empty and shows progress as text while it runs."""
        stage = job.progress_at(world.second())
        shown: dict[str, JsonValue] = {
            "id": job.id,
            "task_id": job.id,
            "object": "video",
            "model": job.outcome.output.model,
            "status": stage.status.value,
            "progress": f"{stage.progress}%"
            if stage.status is JobStatus.IN_PROGRESS
            else stage.progress,
            "created_at": job.created_at,
        }
        if job.requested.seconds:
            shown |= {"seconds": str(job.requested.seconds), "size": job.requested.size}
        if stage.status is JobStatus.COMPLETED and job.ends_at is not None:
            shown["completed_at"] = int(world.clock.unix_time(job.ends_at))
            shown["metadata"] = {"url": file_url(world, job)}
        if stage.status is JobStatus.FAILED and job.outcome.failure is not None:
            failure = job.outcome.failure
            shown["error"] = {"code": failure.code, "message": failure.message}
        return shown

    def http_status(self, shown: Mapping[str, JsonValue]) -> int:  # noqa: ARG002
        """Return 200, also for a job that failed."""
        return 200

    def model_list(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the models that the key's group is configured for, healthy or not."""
        data: list[JsonValue] = [
            {
                "id": name,
                "object": "model",
                "created": created,
                "owned_by": owner,
                "supported_endpoint_types": ["openai-video"],
            }
            for name, owner in names.items()
        ]
        return {"success": True, "object": "list", "data": data}

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return 401 in the relay's words."""
        return SimulatedResponse(401, middleware_error("无效的令牌" if key else "未提供令牌"))

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 503 from the distributor: retired, never offered and switched off look alike."""
        message = f"分组 {_GROUP} 下模型 {model} 无可用渠道（distributor）"
        return SimulatedResponse(503, middleware_error(message, "model_not_found"))

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002  # the answer does not name it
        """Return task_not_exist, which is a 400."""
        return SimulatedResponse(400, relay_error("task_not_exist", "task_not_exist"))

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return 404 as OpenAI words it."""
        message = f"Invalid URL ({method} {path})"
        return SimulatedResponse(404, middleware_error(message, kind="invalid_request_error"))

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the relay's own refusal for the prompt, the upstream's, nested, for the rest."""
        if error.param == "prompt":
            return SimulatedResponse(400, relay_error("invalid_request", "prompt is required"))
        upstream = {"message": error.message, "type": "invalid_request_error", "code": error.code}
        return SimulatedResponse(
            400, nested_upstream_error({"error": {**upstream, "param": error.param}})
        )

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 400 with the legacy word for where the task stands."""
        message = f"Task is not completed yet, current status: {status.upper()}"
        return SimulatedResponse(
            400, {"error": {"message": message, "type": "invalid_request_error"}}
        )

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:  # noqa: ARG002
        """Return 502: the relay could not fetch it either."""
        message = "Upstream service returned status 404"
        return SimulatedResponse(502, {"error": {"message": message, "type": "server_error"}})

    def deletion_object(self, world: Simulation, job: SimulatedJob) -> JsonValue:  # noqa: ARG002
        """Return that a video is gone."""
        return {"id": job.id, "object": "video.deleted", "deleted": True}

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:
        """Return the relay's words for a state, some of them its upstream's in a nested text."""
        return _state_errors(_request_id(world))[state]

    def scripted_error(self, fault: Refuse) -> SimulatedResponse:
        """Return the scenario's answer, its message masked if it is a 429 as the relay does."""
        answer = scripted_response(fault)
        error = answer.body.get("error") if isinstance(answer.body, dict) else None
        if answer.status != _HTTP_TOO_MANY or not isinstance(error, dict):
            return answer
        return SimulatedResponse(
            answer.status, {"error": {**error, "message": _MASKED_MESSAGE}}, answer.headers
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
    crowded = middleware_error(_MASKED_MESSAGE, "rate_limit_exceeded", request_id, "requests")
    return {
        NamedState.RISK_CONTROL: SimulatedResponse(403, nested_upstream_error(_SENTINEL_BLOCK)),
        NamedState.SUSPENDED: SimulatedResponse(503, nested_upstream_error(_PAUSED)),
        NamedState.MAINTENANCE: SimulatedResponse(
            503, middleware_error("系统维护中，请稍后再试", "", request_id)
        ),
        NamedState.OVERLOADED: SimulatedResponse(
            500, relay_error("do_request_failed", "请求上游地址失败")
        ),
        NamedState.RATE_LIMITED: SimulatedResponse(_HTTP_TOO_MANY, crowded),
        NamedState.QUOTA: SimulatedResponse(
            403, middleware_error("用户额度不足, 剩余额度: $0.000000", "insufficient_user_quota")
        ),
        NamedState.AUTH: SimulatedResponse(401, middleware_error("该令牌已过期", "", request_id)),
        NamedState.CONTENT_REJECTED: SimulatedResponse(
            500,
            middleware_error("prompt contains sensitive words: ***", "sensitive_words_detected"),
        ),
    }


_LEGACY_STATUS = {
    JobStatus.QUEUED: "QUEUED",
    JobStatus.IN_PROGRESS: "IN_PROGRESS",
    JobStatus.COMPLETED: "SUCCESS",
    JobStatus.FAILED: "FAILURE",
}


def legacy_job(world: Simulation, job: SimulatedJob) -> JsonValue:
    """Return a task as the older `/v1/video/generations` route describes it."""
    stage = job.progress_at(world.second())
    data: dict[str, JsonValue] = {
        "task_id": job.id,
        "status": _LEGACY_STATUS[stage.status],
        "progress": f"{stage.progress}%",
    }
    if stage.status is JobStatus.COMPLETED:
        data["result_url"] = file_url(world, job)
    if stage.status is JobStatus.FAILED and job.outcome.failure is not None:
        data["fail_reason"] = job.outcome.failure.message
        data["progress"] = "100%"
    return {"code": "success", "message": "", "data": data}


def file_url(world: Simulation, job: SimulatedJob) -> str:
    """Return where a finished job's file lies for everybody who has the link."""
    suffix = "mp4" if job.requested.seconds else "png"
    return f"{world.base_url}/{job.upstream}/files/{job.id}.{suffix}"


def _request_id(world: Simulation) -> str:
    return f"{world.clock.datetime_at():%Y%m%d%H%M%S}{world.random_hex(16)}"
