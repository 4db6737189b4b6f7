"""Every row of every table decides, and none is hidden by another."""

import json

import pytest

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import (
    classify,
    codes,
    numeric_codes,
    rules,
    statuses,
    transport_errors,
    vocabulary,
)
from tallylight.upstreams.classify.answer import Envelope, NumericCode
from tallylight.upstreams.classify.rules import Rule
from tallylight.upstreams.messages import Phase, Reply

#: One example for each phrase of the vocabulary and each language.
PHRASES = {
    "content-risk-control": ("提示詞未能通過風控", "Failure to pass risk control, edit the prompt"),
    "no-account-available": ("No usable accounts left in the pool", "暂无可用账号"),
    "pool-account": ("upstream account expired", "上游帳號已失效", "上流のアカウントが失効"),
    "saturated": ("上游負載過高", "The backend is saturated"),
    "upstream-refused": ("ImageReverse: chat failed, 403", "VideoReverse: status 403"),
    "no-channel": ("No available channel for that model", "分组下模型无可用渠道"),
    "model-gone-or-hidden": ("models/x is not found for API version v1", ("x was not found or "
                             "your project does not have access to it")),
    "model-missing": ("The model x does not exist", "模型 x 不存在", "モデルが見つかりません"),
    "budget-in-flight": ("Too much spending in-flight", "cap over a rolling 10-minute window"),
    "limit-that-clears-soon": ("Requests per day (RPD): limit 200. Please try again in 7m12s.",),
    "limit-per-day": ("You have used your daily allowance", "今日次數已用完",
        "本日の上限に達しました", "Back in action: try again tomorrow", "20 videos/day at most",
        "Exceeded 9 in the last 24 hours", "次日零点重置", "明日0時にリセットされます"),
    "limit-until-a-date": ("Limit reached. Resets at 2026-12-02T00:00:00Z",
        "Your usage allowance is spent and resets on Monday"),
    "limit-that-resets": ("Quota used, resets in 12 s", "额度将在 5 分钟后重置: 额度 恢复 5 分"),
    "balance-empty": ("Your wallet has insufficient funds", "帳戶餘額不足", "残高が足りません"),
    "billing": ("Check the billing page", "套餐已到期"),
    "maintenance": ("We are down for maintenance", "系統維護中", "ただいまメンテナンス中です"),
    "key-disabled": ("This API key has been disabled", "该令牌已被禁用"),
    "service-disabled": ("Your account has been suspended", "該渠道已被禁用",
        "受付を停止しています"),
    "gone-for-good": ("The line was permanently disabled", "该模型不再支持调用"),
    "retired": ("The model has been retired", "該模型已下線", "提供を終了しました"),
    "risk-control": ("Account is under risk control", "帳號被風控"),
    "challenge": ("Blocked by a Cloudflare challenge", "需要人机验证"),
    "suspicious-activity": ("We noticed suspicious activity", "检测到异常流量",
        "不審なアクセスです"),
    "rate-limit": ("Too many requests", "请求过于频繁", "リクエストが多すぎます"),
    "account-settings": ("No endpoint fits your privacy settings", "See your data policy page"),
    "content-policy": ("This violates our safety policy", "內容違規", "不適切な表現です"),
    "refused-prompt": ("The prompt was rejected", "拒绝生成该画面"),
    "key-refused": ("Invalid API key", "無效的令牌", "APIキーが無効です"),
    "permission": ("You do not have permission", "無權使用該模型", "権限がありません"),
    "overload": ("We are experiencing high demand", "服务器繁忙", "混み合っています"),
    "too-slow": ("The job timed out", "生成超時", "タイムアウトしました"),
    "connection": ("Connection reset by peer", "网络异常", "接続に失敗しました"),
    "not-done-yet": ("The video is not ready yet", "视频未生成"),
    "no-such-job": ("Task 12 not found", "任務不存在", "タスクが見つかりません"),
    "wrong-path": ("Invalid URL (GET /v1/film)", "Invalid URL (POST /videos)"),
    "bad-parameter": ("seconds must be 4 or 8", "缺少参数", "パラメータの形式です"),
    "service-failure": ("Something went wrong", "內部錯誤", "内部エラー"),
    "work-failed": ("Failed to fetch the task", "生成失敗", "生成に失敗しました"),
}  # fmt: skip


def failure(status: int, body: object, phase: Phase = Phase.CREATE) -> Failure | None:
    return classify(Reply(phase, status, {}, json.dumps(body, ensure_ascii=False)))


@pytest.mark.parametrize("rule", codes.SPECIFIC_CODES, ids=lambda rule: rule.name)
def test_a_specific_code_decides_whatever_the_status(rule: Rule) -> None:
    code = rule.name.replace("*", "zz")

    found = failure(418, {"error": {"code": code, "message": ""}})

    assert found is not None
    assert found.rule == f"code:{rule.name}"
    assert found.kind is rule.kind
    assert found.names_state == rule.named


@pytest.mark.parametrize("rule", codes.SPECIFIC_CODES, ids=lambda rule: rule.name)
def test_a_code_may_be_the_type_or_the_message(rule: Rule) -> None:
    name = rule.name.replace("*", "zz")

    typed = failure(418, {"error": {"type": name, "code": None}})
    said = failure(418, {"detail": name.upper()})

    assert typed is not None
    assert typed.kind is rule.kind
    assert said is not None
    assert said.kind is rule.kind


@pytest.mark.parametrize("rule", codes.GENERIC_CODES, ids=lambda rule: rule.name)
def test_a_generic_code_decides_if_no_phrase_or_status_does(rule: Rule) -> None:
    code = rule.name.replace("*", "zz")

    found = failure(418, {"error": {"code": code, "message": ""}})

    assert found is not None
    assert found.kind is rule.kind


@pytest.mark.parametrize("rule", codes.GENERIC_CODES, ids=lambda rule: rule.name)
def test_phrases_take_precedence_over_a_generic_code(rule: Rule) -> None:
    code = rule.name.replace("*", "zz")

    found = failure(418, {"error": {"code": code, "message": "系统维护中"}})

    assert found is not None
    assert found.kind is FailureKind.MAINTENANCE


@pytest.mark.parametrize("names", [codes.SPECIFIC_CODES, codes.GENERIC_CODES])
def test_no_name_occurs_twice_in_a_table(names: tuple[Rule, ...]) -> None:
    all_names = [rule.name for rule in names]

    assert sorted(all_names) == sorted(set(all_names))


@pytest.mark.parametrize("spelling", ["InvalidApiKey", "invalid-api-key", "INVALID_API_KEY"])
def test_the_spelling_of_a_code_does_not_matter(spelling: str) -> None:
    found = failure(418, {"code": spelling, "message": ""})

    assert found is not None
    assert found.kind is FailureKind.AUTH


@pytest.mark.parametrize(
    "number",
    numeric_codes.NUMERIC_RULES,
    ids=lambda number: numeric_codes.NUMERIC_RULES[number].name,
)
def test_a_number_decides_in_its_envelope(number: NumericCode) -> None:
    envelopes: dict[Envelope, object] = {
        Envelope.MINIMAX: {"base_resp": {"status_code": number.value, "status_msg": ""}},
        Envelope.KIE: {"code": number.value, "msg": "", "data": None},
        Envelope.RPC: {"done": True, "error": {"code": number.value, "message": ""}},
    }

    found = failure(200, envelopes[number.envelope])

    assert found is not None
    assert found.kind is numeric_codes.NUMERIC_RULES[number].kind


def test_a_number_means_nothing_outside_its_envelope() -> None:
    found = failure(200, {"code": 1102, "message": ""})

    assert found is not None
    assert found.kind is FailureKind.UNKNOWN


def test_every_phrase_has_an_example() -> None:
    names = {
        phrase.rule.name for phrase in (*vocabulary.SPECIFIC_PHRASES, *vocabulary.GENERIC_PHRASES)
    }

    assert names == PHRASES.keys()


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in PHRASES.items() for text in texts]
)
def test_a_phrase_is_found_in_each_language(name: str, text: str) -> None:
    found = failure(418, {"error": {"message": text}})

    assert found is not None
    assert found.rule == f"words:{name}"


@pytest.mark.parametrize("status", statuses.SPECIFIC_STATUSES)
def test_a_specific_status_takes_precedence_over_generic_codes(status: int) -> None:
    found = failure(status, {"error": {"code": None, "type": "invalid_request_error"}})

    assert found is not None
    assert found.rule == f"status:{status}"
    assert found.kind is statuses.SPECIFIC_STATUSES[status].kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, FailureKind.UNKNOWN),
        (400, FailureKind.INVALID_REQUEST),
        (403, FailureKind.UNKNOWN),
        (409, FailureKind.DEGRADED),
        (418, FailureKind.UNKNOWN),
        (422, FailureKind.INVALID_REQUEST),
        (499, FailureKind.UNKNOWN),
        (500, FailureKind.DEGRADED),
        (503, FailureKind.DEGRADED),
        (599, FailureKind.DEGRADED),
    ],
)
def test_a_bare_status_has_a_fallback_meaning(status: int, kind: FailureKind) -> None:
    found = classify(Reply(Phase.CREATE, status, {}, ""))

    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize("phase", [Phase.POLL, Phase.CONTENT, Phase.CANCEL])
@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_job_is_no_missing_service(phase: Phase, status: int) -> None:
    found = classify(Reply(phase, status, {}, ""))

    assert found is not None
    assert found.kind is FailureKind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("httpx.PoolTimeout", "own-process"),
        ("OSError: [Errno 24] Too many open files", "own-process"),
        ("TooLate: not sent within 5 s", "own-process"),
        ("TooLate: no connection within 5 s", "connection"),
        ("httpx.UnsupportedProtocol: missing 'http://'", "own-request"),
        ("aiohttp.client_exceptions.InvalidUrlClientError: x", "own-request"),
        ("tallylight.upstreams.tokens.TokenRefusedError: 401", "token-refused"),
        ("aiohttp.client_exceptions.TooManyRedirects: 0", "redirects"),
        ("aiohttp.client_exceptions.ClientConnectorDNSError: Cannot connect", "name"),
        ("socket.gaierror: [Errno -2] Name or service not known", "name"),
        ("ssl.SSLCertVerificationError: certificate has expired", "tls"),
        ("ClientConnectorCertificateError: Cannot connect", "tls"),
        ("TimeoutError: ", "too-slow"),
        ("httpx.ConnectTimeout: timed out", "too-slow"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "connection"),
        ("aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected", "connection"),
        ("ClientPayloadError: Response payload is not completed", "broken-answer"),
        ("httpx.RemoteProtocolError: illegal chunk", "broken-answer"),
        ("ValueError: something", "other"),
    ],
)
def test_an_exception_is_known_by_its_class(error: str, name: str) -> None:
    found = classify(Reply(Phase.CREATE, None, {}, "", error=error, was_sent=False))

    assert found is not None
    assert found.rule == f"exception:{name}"


def test_every_row_of_exceptions_is_exercised() -> None:
    names = [rule.name for _, rule in transport_errors.EXCEPTION_RULES]

    assert names == [
        "own-process",
        "own-request",
        "token-refused",
        "redirects",
        "name",
        "tls",
        "too-slow",
        "connection",
        "broken-answer",
        "other",
    ]


def test_an_exception_that_only_our_process_can_cause_is_not_the_services_fault() -> None:
    found = classify(Reply(Phase.CREATE, None, {}, "", error="httpx.PoolTimeout"))

    assert found is not None
    assert found.kind is FailureKind.UNKNOWN
    assert found.fault is Fault.OURS


def test_every_kind_has_its_fault() -> None:
    callers = {FailureKind.INVALID_REQUEST, FailureKind.CONTENT_REJECTED}
    ours = {FailureKind.AUTH, FailureKind.QUOTA, FailureKind.RATE_LIMITED}

    expected = {
        kind: Fault.CALLER if kind in callers else Fault.OURS if kind in ours else Fault.UPSTREAM
        for kind in FailureKind
    }
    assert expected == rules.FAULT_BY_KIND


def test_every_rule_has_a_source() -> None:
    tables = (
        codes.SPECIFIC_CODES,
        codes.GENERIC_CODES,
        numeric_codes.NUMERIC_RULES.values(),
        statuses.SPECIFIC_STATUSES.values(),
    )

    assert all(rule.source for table in tables for rule in table)
    assert all(
        phrase.rule.source for phrase in (*vocabulary.SPECIFIC_PHRASES, *vocabulary.GENERIC_PHRASES)
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InvalidEndpointOrModel.ModelShutDown", FailureKind.RETIRED),
        ("InvalidAccount.Suspended", FailureKind.SUSPENDED),
        ("InvalidRequest.InsufficientBalance", FailureKind.QUOTA),
        ("SAFETY.INPUT.TEXT", FailureKind.CONTENT_REJECTED),  # its tail says nothing
    ],
)
def test_a_dotted_code_is_read_by_its_tail(code: str, kind: FailureKind) -> None:
    found = failure(400, {"error": {"code": code, "message": ""}})

    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize("phase", [Phase.CANCEL, Phase.LIST, Phase.POLL])
@pytest.mark.parametrize("code", ["cancel_failed", "task_failed_to_load", "list_failed"])
def test_a_refused_request_about_a_job_is_no_failed_job(phase: Phase, code: str) -> None:
    found = failure(400, {"code": code, "message": "Failed to process the request"}, phase)

    assert found is not None
    assert found.kind is FailureKind.INVALID_REQUEST


@pytest.mark.parametrize("status", [200, 500])
def test_a_job_that_failed_is_one_whatever_the_code(status: int) -> None:
    found = failure(status, {"status": "failed", "error": {"code": "render_failed"}}, Phase.POLL)

    assert found is not None
    assert found.kind is FailureKind.DEGRADED


@pytest.mark.parametrize("status", [200, 401, 403])
@pytest.mark.parametrize(
    "text",
    ["The Sora account of this line has expired", "refresh_token is invalid", "上游账号登录已过期"],
)
def test_an_expired_account_of_the_seller_is_no_key_of_ours(status: int, text: str) -> None:
    found = failure(status, {"error": {"message": text}})

    assert found is not None
    assert found.fault is Fault.UPSTREAM
    assert found.kind is not FailureKind.AUTH


def test_our_own_expired_session_token_is_our_key() -> None:
    found = failure(401, {"error": {"message": "Your session has expired, please log in"}})

    assert found is not None
    assert found.kind is FailureKind.AUTH
