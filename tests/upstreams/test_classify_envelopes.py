"""Answers in all known envelopes, and the ambiguous ones among them."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply


def failure(
    body: object,
    status: int = 200,
    phase: Phase = Phase.CREATE,
    headers: dict[str, str] | None = None,
) -> Failure | None:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return classify(Reply(phase, status, headers or {}, text))


def kind(body: object, status: int = 200, phase: Phase = Phase.CREATE) -> FailureKind | None:
    found = failure(body, status, phase)
    return found.kind if found else None


def error(message: str, code: str | None = None, kind_: str = "new_api_error") -> object:
    return {"error": {"message": message, "type": kind_, "code": code}}


def stream(*events: object, done: bool = True) -> str:
    texts = [json.dumps(event, ensure_ascii=False) for event in events] + ["[DONE]"] * done
    return "".join(f"data: {text}\n\n" for text in texts)


def chunk(content: str | None, reasoning: str | None = None, end: str | None = None) -> object:
    delta = {"content": content, "reasoning_content": reasoning}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]}


HARMLESS: dict[str, tuple[object, Phase]] = {
    "a job accepted": ({"id": "v", "object": "video", "status": "queued"}, Phase.CREATE),
    "a job running": ({"id": "v", "status": "in_progress", "error": None}, Phase.POLL),
    "a job done": ({"id": "v", "status": "completed", "error": {}}, Phase.POLL),
    "a list of models": ({"object": "list", "data": [{"id": "sora-2"}]}, Phase.PROBE),
    "an empty list": ({"object": "list", "data": []}, Phase.LIST),
    "a bare list": ([{"id": "sora-2"}], Phase.PROBE),
    "kling": ({"code": 0, "message": "SUCCEED", "data": {"task_id": "1"}}, Phase.CREATE),
    "kie": ({"code": 200, "msg": "success", "data": {"taskId": "1"}}, Phase.CREATE),
    "minimax": ({"base_resp": {"status_code": 0, "status_msg": "success"}}, Phase.CREATE),
    "new-api": ({"code": "success", "message": "", "data": {"status": "SUCCESS"}}, Phase.POLL),
    "an operation": ({"name": "models/x/operations/1"}, Phase.CREATE),
    "an operation done": (
        {"done": True, "response": {"generateVideoResponse": {"generatedSamples": [{}]}}},
        Phase.POLL,
    ),
    "vertex done": ({"done": True, "response": {"videos": [{"gcsUri": "gs://x"}]}}, Phase.POLL),
    "dashscope suspended": ({"output": {"task_status": "SUSPENDED"}}, Phase.POLL),
    "a deletion": ({"id": "v", "object": "video.deleted", "deleted": True}, Phase.CANCEL),
    "a prompt about risk control": (
        {"id": "v", "status": "queued", "prompt": "风控 maintenance quota"},
        Phase.CREATE,
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_an_accepted_a_running_and_a_finished_job_are_no_failures(name: str) -> None:
    body, phase = HARMLESS[name]

    assert kind(body, phase=phase) is None


def test_a_video_is_no_failure() -> None:
    reply = Reply(Phase.CONTENT, 200, {"content-type": "video/mp4"}, "\0\0 ftypisom error")

    assert classify(reply) is None


def test_no_content_is_no_failure() -> None:
    assert kind("", 204, Phase.CANCEL) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", FailureKind.UNKNOWN),
        ("{}", FailureKind.UNKNOWN),
        ("null", FailureKind.UNKNOWN),
        ('"ok"', FailureKind.UNKNOWN),
        ('{"id": "video_1", "obj', FailureKind.UNKNOWN),
        ("hello", FailureKind.UNKNOWN),
        ("<html><body>Welcome to nginx!</body></html>", FailureKind.UNKNOWN),
        ('<!doctype html><div id="root"></div>', FailureKind.INVALID_REQUEST),
        ("<html><h1>系統維護中</h1></html>", FailureKind.MAINTENANCE),
        ("<title>Just a moment...</title>", FailureKind.RISK_CONTROL),
    ],
)
def test_a_success_status_without_an_answer_is_no_success(body: str, expected: FailureKind) -> None:
    assert kind(body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": "v", "status": "failed", "error": {"code": "moderation_blocked"}}, "content"),
        ({"id": "v", "status": "failed", "error": {"message": "CUDA error"}}, "degraded"),
        ({"id": "v", "status": "failed", "error": "refused by safety filter"}, "content"),
        ({"id": "v", "status": "failed", "error": None}, "degraded"),
        ({"id": "v", "status": "expired"}, "degraded"),
        ({"id": "v", "status": "cancelled"}, "unknown"),
        ({"code": "success", "data": {"status": "FAILURE", "fail_reason": "内容违规"}}, "content"),
        ({"code": 200, "msg": "ok", "data": {"state": "fail", "failMsg": "timeout"}}, "degraded"),
        ({"output": {"task_status": "FAILED", "code": "DataInspectionFailed"}}, "content"),
        ({"output": {"task_status": "UNKNOWN"}}, "invalid"),
        ({"status": "FAILED", "failureCode": "SAFETY.INPUT.TEXT"}, "content"),
        ({"status": "COMPLETED", "error": "x", "error_type": "request_timeout"}, "degraded"),
        ({"done": True, "error": {"code": 13, "message": ""}}, "degraded"),
        ({"done": True, "error": {"code": 8, "message": ""}}, "rate"),
        ({"done": True, "response": {}}, "content"),
        ({"done": True, "response": {"raiMediaFilteredCount": 1}}, "content"),
        (
            {"done": True, "response": {"raiMediaFilteredReasons": ["58061214"]}},
            "content",
        ),
        ({"promptFeedback": {"blockReason": "OTHER"}}, "content"),
        ({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, "content"),
    ],
)
def test_a_failed_job_under_http_200_is_a_failure(body: object, expected: str) -> None:
    found = kind(body, phase=Phase.POLL)

    assert found is not None
    assert found.value.startswith(expected)


def test_a_job_that_failed_under_an_error_status_is_read_from_its_body() -> None:
    body = {"object": "video", "status": "failed", "error": {"code": 500, "message": "unsafe"}}

    assert kind(body, 500, Phase.POLL) is FailureKind.CONTENT_REJECTED


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: [inner],
        lambda inner: {"code": "fail_to_fetch_task", "message": json.dumps(inner), "data": None},
        lambda inner: {"error": {"message": json.dumps(inner), "type": "upstream_error"}},
        lambda inner: {"detail": inner},
        lambda inner: {"error": {"message": f"status 400: {json.dumps(inner)}", "code": None}},
        lambda inner: {"error": {"message": f"API request failed: 400 - {inner!r}"}},
        lambda inner: {"error": {"message": json.dumps(json.dumps(inner))}},
        json.dumps,
    ],
)
def test_the_cause_is_found_inside_any_wrapper(wrap: Callable[[object], object]) -> None:
    inner = error("You're out of money", "insufficient_user_quota")

    assert kind(wrap(inner), 500) is FailureKind.QUOTA
    assert kind(wrap(wrap(inner)), 500) is FailureKind.QUOTA


def test_the_innermost_code_counts() -> None:
    inner = {"code": "content_policy_violation", "message": "x"}
    outer = {"code": "insufficient_user_quota", "message": json.dumps(inner), "data": None}

    assert kind(outer, 403) is FailureKind.CONTENT_REJECTED


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        # Rejected content is called risk control, too.
        (error("内容风控未通过"), 400, FailureKind.CONTENT_REJECTED),
        (error("提示詞觸發風控，請修改"), 400, FailureKind.CONTENT_REJECTED),
        (error("账号触发风控"), 400, FailureKind.RISK_CONTROL),
        # A quota that resets is a limit; one for the day is not.
        (error("Quota exceeded, resets in 40 seconds"), 429, FailureKind.RATE_LIMITED),
        (error("Daily quota exceeded, try again in 3 hours"), 429, FailureKind.QUOTA),
        # A 403 has many causes.
        (error("余额不足"), 403, FailureKind.QUOTA),
        (error("无权访问该分组"), 403, FailureKind.AUTH),
        (error("该渠道已被禁用"), 403, FailureKind.SUSPENDED),
        (error("blocked by moderation"), 403, FailureKind.CONTENT_REJECTED),
        (error("Forbidden"), 403, FailureKind.UNKNOWN),
        # An empty account pool is not about our key.
        (error("No available tokens", "rate_limit"), 500, FailureKind.RATE_LIMITED),
        (error("No available tokens for video generation"), 500, FailureKind.DEGRADED),
        # new-api writes one text over every 429, but leaves type and code.
        (error("当前分组上游负载已饱和", None, "upstream_error"), 429, FailureKind.DEGRADED),
        (error("当前分组上游负载已饱和", "insufficient_quota"), 429, FailureKind.QUOTA),
        (error("当前分组上游负载已饱和", "rate_limit_exceeded"), 429, FailureKind.RATE_LIMITED),
        # A model is not found: one answer does not show why.
        (error("无可用渠道", "model_not_found"), 503, FailureKind.UNKNOWN),
        (error("The model `x` does not exist", "model_not_found"), 404, FailureKind.UNKNOWN),
        (error("model x is no longer available", "model_not_found"), 404, FailureKind.RETIRED),
        # A 429 is never about a parameter.
        (error("请求超出限制"), 429, FailureKind.RATE_LIMITED),
        (error("请求超出限制"), 400, FailureKind.INVALID_REQUEST),
        # The edge limits our rate, or sends a challenge.
        ("error code: 1015", 429, FailureKind.RATE_LIMITED),
        ("error code: 1020", 403, FailureKind.RISK_CONTROL),
        ("error code: 1016", 530, FailureKind.DEGRADED),
        ("<html><title>Just a moment...</title></html>", 403, FailureKind.RISK_CONTROL),
        ("<html><title>502 Bad Gateway</title></html>", 502, FailureKind.DEGRADED),
        ("<html><title>404 Not Found</title></html>", 404, FailureKind.UNKNOWN),
        ("<html><title>403 Forbidden</title></html>", 403, FailureKind.UNKNOWN),
        # Bad keys under a 400, empty balances under a 401, a database error under "key".
        ({"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}, 400, "auth"),
        (error("该令牌额度已用尽"), 401, FailureKind.QUOTA),
        (error("You have reached the limit", None, "billing_not_active"), 429, FailureKind.QUOTA),
        # An account that is locked for its empty balance has an empty balance.
        ({"detail": "User is locked. Reason: Exhausted balance."}, 403, FailureKind.QUOTA),
    ],
)
def test_ambiguous_answers_are_classified_right(body: object, status: int, expected: str) -> None:
    assert kind(body, status) == expected


@pytest.mark.parametrize(
    ("quota_ids", "expected"),
    [
        (["RequestsPerMinutePerProject"], FailureKind.RATE_LIMITED),
        (["RequestsPerDayPerProject"], FailureKind.QUOTA),
        (["RequestsPerMinutePerProject", "RequestsPerDayPerProject"], FailureKind.QUOTA),
        ([], FailureKind.QUOTA),
    ],
)
def test_googles_429_is_split_by_its_quota(quota_ids: list[str], expected: FailureKind) -> None:
    violations = [{"quotaId": quota_id} for quota_id in quota_ids]
    message = "You exceeded your current quota, please check your plan and billing details."
    body = {
        "error": {
            "code": 429,
            "message": message,
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "google.rpc.QuotaFailure", "violations": violations}],
        }
    }

    assert kind(body, 429) is expected
    assert kind([body], 429) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (stream(chunk("<video src='https://c.example/1.mp4'></video>", end="STOP")), None),
        (stream(chunk(None, "失败原因：heavy_load 风控"), chunk("https://c.example/1.mp4")), None),
        (stream(chunk("❌ 生成失败: 内容违规", end="STOP")), FailureKind.CONTENT_REJECTED),
        (stream(chunk("❌ https://c.example 生成失败", end="STOP")), FailureKind.DEGRADED),
        (stream(chunk("❌ 第一次失败\n"), chunk("[play](https://c.example/1.mp4)")), None),
        (stream(chunk("该模型暂停服务", end="STOP")), FailureKind.SUSPENDED),
        (stream(error("x", "cf_shield_429")), FailureKind.RISK_CONTROL),
        (stream(error("Generation exceeded 3000 seconds limit")), FailureKind.DEGRADED),
        (stream(chunk(None, "35%")), FailureKind.DEGRADED),
        (stream(chunk("Once upon a time", end="STOP")), FailureKind.DEGRADED),
        (stream(chunk(None, "35%"), done=False), FailureKind.DEGRADED),
        (stream(chunk("almost ready"), done=False), FailureKind.DEGRADED),
    ],
)
def test_a_stream_is_read_to_its_end(body: str, expected: FailureKind | None) -> None:
    assert kind(body, phase=Phase.STREAM) == expected


def test_a_chat_without_a_result_that_is_not_streamed_is_a_dry_run() -> None:
    def completion(text: str) -> object:
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}

    ready = completion("All tokens available for video generation.")
    empty = completion("No available models for video generation")

    assert kind(ready, phase=Phase.PROBE) is None
    assert kind(empty, phase=Phase.PROBE) is FailureKind.DEGRADED


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ("{}", {"retry-after": "3"}, 3.0),
        ("{}", {"retry-after": "2.5"}, 2.5),
        ("{}", {"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        (
            "{}",
            {
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
                "retry-after": "Sun, 22 Nov 2026 10:01:00 GMT",
            },
            60.0,
        ),
        ("{}", {"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT"}, None),
        ("{}", {"retry-after": "soon"}, None),
        ("{}", {"retry-after": "-1"}, None),
        ("{}", {"retry-after": "999999999"}, None),
        ("{}", {}, None),
        ('{"error":{"details":[{"retryDelay":"34s"}]}}', {}, 34.0),
        ('{"message":"slow down","retryAfter":60}', {}, 60.0),
        ('{"error":{"message":"Please try again in 2.4s."}}', {}, 2.4),
        ('{"error":{"message":"Try again in 500 ms"}}', {}, 0.5),
        ('{"error":{"message":"额度将在 3 分钟后恢复"}}', {}, 180.0),
        ('{"error":{"message":"請於 20 秒後重試"}}', {}, 20.0),
    ],
)
def test_the_delay_is_read_from_header_or_body(
    body: str, headers: dict[str, str], seconds: float | None
) -> None:
    found = failure(body, 429, headers=headers)

    assert found is not None
    assert found.retry_after == (None if seconds is None else timedelta(seconds=seconds))


def test_a_budget_in_flight_clears_by_itself() -> None:
    body = {"error": {"code": 402, "message": "Budget reached"}}

    with_retry = failure(body, 402, headers={"retry-after": "20"})
    without = failure(body, 402)

    assert with_retry is not None
    assert with_retry.kind is FailureKind.RATE_LIMITED
    assert without is not None
    assert without.kind is FailureKind.QUOTA


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (error("系统维护中"), 503, True),
        (error("This interface is temporarily paused"), 500, True),
        (error("模型已下线"), 400, True),
        (error("账号触发风控"), 500, True),
        (error("Just a moment...", "cf_shield_429"), 429, False),
        ("<html><title>Just a moment...</title></html>", 403, False),
        (error("Gone"), 410, False),
        (error("internal error"), 500, False),
    ],
)
def test_an_answer_that_names_the_state_says_so(body: object, status: int, named: bool) -> None:
    found = failure(body, status)

    assert found is not None
    assert found.names_state is named


def test_a_failure_names_the_part_that_it_was_read_from() -> None:
    found = failure(error("Slow\n down", "slow_down"), 429)

    assert found == Failure(
        kind=FailureKind.RATE_LIMITED,
        fault=Fault.OURS,
        rule="code:slow_down",
        text="Slow down",
        http_status=429,
    )


def test_the_text_holds_no_key() -> None:
    found = failure(error("Incorrect API key provided: sk-proj-abcdef0123456789"), 401)

    assert found is not None
    assert "abcdef" not in found.text


@pytest.mark.parametrize("status", [200, 301, 401, 404, 405, 429])
def test_any_answer_makes_a_reach_probe_succeed(status: int) -> None:
    found = failure("<html>hello</html>", status, Phase.REACH)

    assert found is None or found.fault is not Fault.UPSTREAM


def test_a_reach_probe_fails_if_the_api_is_down() -> None:
    assert kind("<html>502 Bad Gateway</html>", 502, Phase.REACH) is FailureKind.DEGRADED
    assert kind("error code: 1020", 403, Phase.REACH) is FailureKind.RISK_CONTROL


def test_neither_an_answer_nor_an_exception_is_unknown() -> None:
    found = classify(Reply(Phase.CREATE, None, {}, ""))

    assert found is not None
    assert found.kind is FailureKind.UNKNOWN


POOL_TOKEN = error("Your authentication token has been invalidated.", "token_invalidated")


@pytest.mark.parametrize(
    ("body", "status", "phase"),
    [
        (stream(chunk("❌ 生成失败: Invalid token")), 200, Phase.CREATE),
        (stream(error("Incorrect API key provided", "invalid_api_key")), 200, Phase.CREATE),
        ({"id": "v", "status": "failed", "error": {"code": "token_revoked"}}, 200, Phase.POLL),
        (error(f"upstream: {json.dumps(error('expired', 'token_expired'))}"), 500, Phase.CREATE),
        (POOL_TOKEN, 401, Phase.CREATE),
    ],
    ids=["in a stream", "an error event", "a failed job", "a nested 401", "a session that ended"],
)
def test_a_key_refused_after_acceptance_is_the_upstreams(
    body: object, status: int, phase: Phase
) -> None:
    found = failure(body, status, phase)

    assert found is not None
    assert (found.kind, found.fault) == (FailureKind.AUTH, Fault.UPSTREAM)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (error("Incorrect API key provided", "invalid_api_key"), 401),
        (error("该令牌已过期"), 401),
        ({"code": 401, "msg": "You do not have access permissions", "data": None}, 200),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, 200),
    ],
    ids=["a status", "a relay's own", "kie", "minimax"],
)
def test_a_key_refused_at_once_is_ours(body: object, status: int) -> None:
    found = failure(body, status)

    assert found is not None
    assert (found.kind, found.fault) == (FailureKind.AUTH, Fault.OURS)
