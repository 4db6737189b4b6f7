"""new-api, the relay that most resellers run.

Source: QuantumNous/new-api `relay/relay_task.go`, `controller/video_proxy.go`,
`middleware/{auth,distributor}.go`, `types/error.go`, `i18n/locales`, as stored in 2026.
"""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.answers import Answer, scripted_answer
from tallylight.simulator.faults import Refuse, Sign
from tallylight.simulator.outcomes import Step
from tallylight.simulator.protocols.orders import Fields, InvalidError
from tallylight.simulator.protocols.references import text_or_file
from tallylight.simulator.world import Job, World

_HTTP_TOO_MANY = 429
_MASK = "当前分组上游负载已饱和，请稍后再试"
_GROUP = "default"


def of_middleware(
    message: str, code: str = "", request_id: str = "", kind: str = "new_api_error"
) -> dict[str, JsonValue]:
    """Return the envelope of what happens before a task is relayed."""
    tail = f" (request id: {request_id})" if request_id else ""
    return {"error": {"message": message + tail, "type": kind, "code": code}}


def of_relay(code: str, message: str) -> dict[str, JsonValue]:
    """Return the envelope of the task relay."""
    return {"code": code, "message": message, "data": None}


def relayed(upstream_body: JsonValue) -> dict[str, JsonValue]:
    """Return an upstream's refusal as the relay passes it on: as JSON text inside the message."""
    return of_relay("fail_to_fetch_task", json.dumps(upstream_body, ensure_ascii=False))


class NewApiShape:
    """Dialect `new_api`."""

    id_prefix = "task_"
    is_complete = False
    is_relay = True
    lists_jobs = False
    serves_content = True
    cancels = False

    def headers(self, world: World) -> Mapping[str, str]:
        """Return what every answer of a relay carries."""
        return {"x-oneapi-request-id": _request_id(world)}

    def check(self, fields: Fields) -> None:
        """Take any fields: it passes them on."""

    def reference(self, fields: Fields) -> str:
        """Return what a create begins from."""
        return text_or_file(fields, "input_reference")

    def job(self, world: World, job: Job) -> dict[str, JsonValue]:
        """Return the object that omits what is empty and shows progress as text while it runs."""
        stage = job.stage(world.second())
        shown: dict[str, JsonValue] = {
            "id": job.id,
            "task_id": job.id,
            "object": "video",
            "model": job.fate.result.model,
            "status": stage.step.value,
            "progress": f"{stage.progress}%" if stage.step is Step.IN_PROGRESS else stage.progress,
            "created_at": job.created_at,
        }
        if job.asked.seconds:
            shown |= {"seconds": str(job.asked.seconds), "size": job.asked.size}
        if stage.step is Step.COMPLETED and job.ends_at is not None:
            shown["completed_at"] = int(world.pace.unix(job.ends_at))
            shown["metadata"] = {"url": file_url(world, job)}
        if stage.step is Step.FAILED and job.fate.failure is not None:
            failure = job.fate.failure
            shown["error"] = {"code": failure.code, "message": failure.message}
        return shown

    def shown_with(self, shown: Mapping[str, JsonValue]) -> int:  # noqa: ARG002
        """Return 200, also for a job that failed."""
        return 200

    def models(self, names: Mapping[str, str], created: int) -> JsonValue:
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

    def unauthorized(self, key: str) -> Answer:
        """Return 401 in the relay's words."""
        return Answer(401, of_middleware("无效的令牌" if key else "未提供令牌"))

    def unknown_model(self, model: str) -> Answer:
        """Return 503 from the distributor: retired, never offered and switched off look alike."""
        message = f"分组 {_GROUP} 下模型 {model} 无可用渠道（distributor）"
        return Answer(503, of_middleware(message, "model_not_found"))

    def unknown_job(self, job_id: str) -> Answer:  # noqa: ARG002  # the answer does not name it
        """Return task_not_exist, which is a 400."""
        return Answer(400, of_relay("task_not_exist", "task_not_exist"))

    def unknown_path(self, method: str, path: str) -> Answer:
        """Return 404 as OpenAI words it."""
        message = f"Invalid URL ({method} {path})"
        return Answer(404, of_middleware(message, kind="invalid_request_error"))

    def invalid(self, error: InvalidError) -> Answer:
        """Return the relay's own refusal for the prompt, the upstream's, nested, for the rest."""
        if error.param == "prompt":
            return Answer(400, of_relay("invalid_request", "prompt is required"))
        upstream = {"message": error.message, "type": "invalid_request_error", "code": error.code}
        return Answer(400, relayed({"error": {**upstream, "param": error.param}}))

    def unfinished(self, job: Job, word: str) -> Answer:  # noqa: ARG002
        """Return 400 with the legacy word for where the task stands."""
        message = f"Task is not completed yet, current status: {word.upper()}"
        return Answer(400, {"error": {"message": message, "type": "invalid_request_error"}})

    def no_content(self, job: Job) -> Answer:  # noqa: ARG002
        """Return 502: the relay could not fetch it either."""
        message = "Upstream service returned status 404"
        return Answer(502, {"error": {"message": message, "type": "server_error"}})

    def deleted(self, world: World, job: Job) -> JsonValue:  # noqa: ARG002
        """Return that a video is gone."""
        return {"id": job.id, "object": "video.deleted", "deleted": True}

    def signed(self, sign: Sign, world: World) -> Answer:
        """Return the relay's words for a state, some of them its upstream's in a nested text."""
        return _signs(_request_id(world))[sign]

    def spoken(self, trouble: Refuse) -> Answer:
        """Return the scenario's answer, its message masked if it is a 429 as the relay does."""
        answer = scripted_answer(trouble)
        error = answer.body.get("error") if isinstance(answer.body, dict) else None
        if answer.status != _HTTP_TOO_MANY or not isinstance(error, dict):
            return answer
        return Answer(answer.status, {"error": {**error, "message": _MASK}}, answer.headers)


_SENTINEL: JsonValue = {
    "error": {
        "code": "sentinel_block",
        "message": "Hmmm something didn't look right with your request. Please try again later or "
        "visit https://help.openai.com if this issue persists.",
        "type": "invalid_request_error",
    }
}
_PAUSED: JsonValue = {"code": 500, "msg": "This interface is temporarily paused", "data": None}


def _signs(request_id: str) -> Mapping[Sign, Answer]:
    crowded = of_middleware(_MASK, "rate_limit_exceeded", request_id, "requests")
    return {
        Sign.RISK_CONTROL: Answer(403, relayed(_SENTINEL)),
        Sign.SUSPENDED: Answer(503, relayed(_PAUSED)),
        Sign.MAINTENANCE: Answer(503, of_middleware("系统维护中，请稍后再试", "", request_id)),
        Sign.OVERLOADED: Answer(500, of_relay("do_request_failed", "请求上游地址失败")),
        Sign.RATE_LIMITED: Answer(_HTTP_TOO_MANY, crowded),
        Sign.QUOTA: Answer(
            403, of_middleware("用户额度不足, 剩余额度: $0.000000", "insufficient_user_quota")
        ),
        Sign.AUTH: Answer(401, of_middleware("该令牌已过期", "", request_id)),
        Sign.CONTENT_REJECTED: Answer(
            500,
            of_middleware("prompt contains sensitive words: ***", "sensitive_words_detected"),
        ),
    }


_LEGACY_STATUS = {
    Step.QUEUED: "QUEUED",
    Step.IN_PROGRESS: "IN_PROGRESS",
    Step.COMPLETED: "SUCCESS",
    Step.FAILED: "FAILURE",
}


def legacy_job(world: World, job: Job) -> JsonValue:
    """Return a task as the older `/v1/video/generations` route describes it."""
    stage = job.stage(world.second())
    data: dict[str, JsonValue] = {
        "task_id": job.id,
        "status": _LEGACY_STATUS[stage.step],
        "progress": f"{stage.progress}%",
    }
    if stage.step is Step.COMPLETED:
        data["result_url"] = file_url(world, job)
    if stage.step is Step.FAILED and job.fate.failure is not None:
        data["fail_reason"] = job.fate.failure.message
        data["progress"] = "100%"
    return {"code": "success", "message": "", "data": data}


def file_url(world: World, job: Job) -> str:
    """Return where a finished job's file lies for everybody who has the link."""
    suffix = "mp4" if job.asked.seconds else "png"
    return f"{world.base_url}/{job.upstream}/files/{job.id}.{suffix}"


def _request_id(world: World) -> str:
    return f"{world.pace.date():%Y%m%d%H%M%S}{world.token(16)}"
