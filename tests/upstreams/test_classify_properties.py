"""Properties of the classifier that hold for every answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.evidence import FailureKind, Fault
from tallylight.upstreams.classify import classify, embedded_json
from tallylight.upstreams.classify.rules import FAULT_BY_KIND
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.normalize import normalize_code, normalize_text
from tallylight.upstreams.redact import MAX_LINE_LENGTH

STATUSES = st.integers(min_value=0, max_value=999)
PHASES = st.sampled_from(Phase)
HEADER_NAMES = st.sampled_from(["retry-after", "retry-after-ms", "date", "content-type", "server"])
HEADERS = st.dictionaries(HEADER_NAMES, st.text(max_size=40))
#: Keys that the walk knows, so that random objects reach its branches.
KEYS = st.sampled_from(
    [
        "error",
        "errors",
        "code",
        "message",
        "msg",
        "type",
        "status",
        "state",
        "detail",
        "data",
        "output",
        "base_resp",
        "status_code",
        "status_msg",
        "reason",
        "details",
        "violations",
        "quotaId",
        "quotaValue",
        "failureCode",
        "done",
        "response",
        "candidates",
        "finishReason",
        "choices",
        "delta",
        "content",
        "promptFeedback",
        "blockReason",
        "retryDelay",
        "task_status",
        "success",
        "raiMediaFilteredReasons",
        "raiMediaFilteredCount",
        "request_id",
        "metadata",
        "flagged_input",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["failed", "queued", "❌", "insufficient_quota", "余额不足", "429", "{", '"{}"']
    ),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.one_of(KEYS, st.text(max_size=8)), inner, max_size=5)
    ),
    max_leaves=25,
)
CODES = st.sampled_from(
    [
        "insufficient_user_quota",
        "rate_limit_exceeded",
        "moderation_blocked",
        "sentinel_block",
        "invalid_api_key",
        "server_error",
        "model_not_found",
        "invalid_request_error",
        "do_request_failed",
        "unheard_of_code",
    ]
)
MESSAGES = st.sampled_from(
    [
        "余额不足",
        "系統維護中，請稍後再試",
        "The model has been retired",
        "Please slow down",
        "prompt is required",
        "Cloudflare challenge",
        "nothing that anybody knows",
        "内容风控未通过",
    ]
)
ERROR_STATUSES = st.sampled_from([400, 401, 402, 403, 404, 418, 429, 500, 502, 503])
SPACES = st.text(" \t\n\r\u3000\u00a0", min_size=1, max_size=4)


def kind(body: object, status: int) -> FailureKind | None:
    found = classify(Reply(Phase.CREATE, status, {}, json.dumps(body, ensure_ascii=False)))
    return found.kind if found else None


@given(st.text(), STATUSES, PHASES, HEADERS)
def test_no_text_makes_it_raise(
    body: str, status: int, phase: Phase, headers: dict[str, str]
) -> None:
    found = classify(Reply(phase, status, headers, body))

    assert found is None or "\n" not in found.text


@given(st.binary(max_size=400), STATUSES, PHASES)
def test_no_bytes_make_it_raise(body: bytes, status: int, phase: Phase) -> None:
    classify(Reply(phase, status, {}, body.decode("utf-8", "replace")))


@given(JSON, STATUSES, PHASES, HEADERS)
def test_no_json_makes_it_raise(
    body: object, status: int, phase: Phase, headers: dict[str, str]
) -> None:
    found = classify(Reply(phase, status, headers, json.dumps(body)))

    if found is not None:
        assert found.http_status == status
        assert len(found.text) <= MAX_LINE_LENGTH


@given(JSON, JSON, st.booleans())
def test_no_stream_makes_it_raise(first: object, second: object, done: bool) -> None:
    events = [json.dumps(first), json.dumps(second), *["[DONE]"] * done]

    classify(Reply(Phase.STREAM, 200, {}, "".join(f"data: {event}\n\n" for event in events)))


@given(st.text(min_size=1))
def test_every_exception_is_a_failure(error: str) -> None:
    found = classify(Reply(Phase.CREATE, None, {}, "", error=error))

    assert found is not None
    assert found.http_status is None


@given(JSON, st.integers(min_value=400, max_value=599))
def test_an_error_status_is_never_a_success(body: object, status: int) -> None:
    assert kind(body, status) is not None


@given(JSON, STATUSES)
def test_the_fault_goes_with_the_kind(body: object, status: int) -> None:
    found = classify(Reply(Phase.CREATE, status, {}, json.dumps(body)))

    assert found is None or found.fault is FAULT_BY_KIND[found.kind]
    assert found is None or isinstance(found.fault, Fault)


@given(CODES, MESSAGES, ERROR_STATUSES, st.integers(min_value=1, max_value=4))
def test_a_nested_error_means_what_it_means_alone(
    code: str, message: str, status: int, depth: int
) -> None:
    alone: object = {"error": {"code": code, "message": message, "type": "new_api_error"}}
    nested = alone
    for _ in range(depth):
        text = json.dumps(nested, ensure_ascii=False)
        nested = {"code": "fail_to_fetch_task", "message": text, "data": None}

    assert kind(nested, status) is kind(alone, status)
    assert kind([nested], status) is kind(alone, status)
    assert kind({"detail": nested}, status) is kind(alone, status)


@given(MESSAGES, ERROR_STATUSES, SPACES, SPACES)
def test_white_space_in_a_message_means_nothing(
    message: str, status: int, before: str, between: str
) -> None:
    spaced = before + message.replace(" ", between) + before

    assert kind({"message": spaced}, status) is kind({"message": message}, status)


@given(MESSAGES, ERROR_STATUSES)
def test_case_and_width_of_a_message_mean_nothing(message: str, status: int) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in message.upper())

    assert kind({"message": wide}, status) is kind({"message": message}, status)


@given(st.text())
def test_normalizing_a_text_is_idempotent(text: str) -> None:
    assert normalize_text(normalize_text(text)) == normalize_text(text)


@given(st.text())
def test_normalizing_a_code_is_idempotent(code: str) -> None:
    assert normalize_code(normalize_code(code)) == normalize_code(code)


@given(st.text())
def test_searching_for_json_never_raises(text: str) -> None:
    embedded_json.embedded_value(text)


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"error":' * 900 + "1" + "}" * 900,
        '{"message":"' + "{'a':" * 5_000 + '"}',
        '{"code":' + "9" * 5_000 + "}",
        "data: " + "[" * 50_000,
        "<html>" + "<script>" * 20_000,
        "<" * 100_000,
        '"' * 50_000,
    ],
)
def test_a_hostile_body_is_a_failure(body: str) -> None:
    found = classify(Reply(Phase.CREATE, 500, {}, body))

    assert found is not None


def test_a_body_that_was_cut_is_no_success() -> None:
    reply = Reply(Phase.CREATE, 200, {}, '{"id": "v", "status": "que', truncated=True)

    found = classify(reply)

    assert found is not None
    assert found.kind is FailureKind.UNKNOWN
