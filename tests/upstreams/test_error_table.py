"""The table of a maker goes before the classifier, which reads everything else."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.model.evidence import FailureKind, Fault
from tallylight.upstreams.classify import classify
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.steps import Missing, Trouble


def _codes(answer: JsonView) -> Iterator[str]:
    yield answer.text("error.code")
    yield answer.text("code")


ROWS = (
    Row(FailureKind.QUOTA, codes=("1102",), is_free=True),
    Row(FailureKind.RISK_CONTROL, codes=("1301",), statuses=(403,), is_named=True),
    Row(FailureKind.CONTENT_REJECTED, codes=("1301",)),
    Row(FailureKind.RATE_LIMITED, codes=("account_*_limit",), fault=Fault.UPSTREAM),
    Row(FailureKind.INVALID_REQUEST, codes=("1201",), words=("not exist",), is_missing=True),
    Row(FailureKind.INVALID_REQUEST, codes=("1201",)),
    Row(FailureKind.MAINTENANCE, words=("back at noon", "中午恢复")),
    Row(FailureKind.SUSPENDED, statuses=(418,), is_free=True),
)
ERRORS = Errors(rows=ROWS, codes=_codes)
NO_ROW = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}


def answered(body: object, status: int | None = 200) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(Phase.POLL, status, {}, text)


@pytest.mark.parametrize(
    ("body", "status", "kind", "fault", "rule"),
    [
        ({"code": 1102}, 200, FailureKind.QUOTA, Fault.OURS, "table:1102"),
        ({"code": "1102", "message": "ok"}, 200, FailureKind.QUOTA, Fault.OURS, "table:1102"),
        ({"code": 1301}, 403, FailureKind.RISK_CONTROL, Fault.UPSTREAM, "table:1301"),
        ({"code": 1301}, 400, FailureKind.CONTENT_REJECTED, Fault.CALLER, "table:1301"),
        (
            {"error": {"code": "AccountDailyLimit"}},
            429,
            FailureKind.RATE_LIMITED,
            Fault.UPSTREAM,
            "table:account_*_limit",
        ),
        (
            {"msg": "Maintenance,  BACK at\nnoon."},
            200,
            FailureKind.MAINTENANCE,
            Fault.UPSTREAM,
            "table:back at noon",
        ),
        (
            {"data": {"status": "failed", "fail_reason": "系统升级，中午恢復"}},
            200,
            FailureKind.MAINTENANCE,
            Fault.UPSTREAM,
            "table:back at noon",
        ),
        ({"msg": "short and stout"}, 418, FailureKind.SUSPENDED, Fault.UPSTREAM, "table:418"),
    ],
)
def test_a_row_is_known_by_its_code_its_status_or_its_words(
    body: object, status: int, kind: FailureKind, fault: Fault, rule: str
) -> None:
    failure = ERRORS.of(answered(body, status))

    assert failure is not None
    assert (failure.kind, failure.fault, failure.rule) == (kind, fault, rule)
    assert failure.http_status == status


def test_a_row_goes_before_the_classifier_and_keeps_the_text_and_the_wait_that_it_read() -> None:
    body = {"error": {"code": 1102, "message": "Rate limit of sk-planted-0123456789abcdef reached"}}
    reply = replace(answered(body, 429), headers={"retry-after": "30"})

    general, failure = classify(reply), ERRORS.of(reply)

    assert general is not None
    assert failure is not None
    assert (general.kind, failure.kind) == (FailureKind.RATE_LIMITED, FailureKind.QUOTA)
    assert (failure.text, failure.retry_after) == (general.text, timedelta(seconds=30))
    assert "Rate limit" in failure.text
    assert "0123456789abcdef" not in failure.text


def test_the_innermost_code_of_an_answer_may_decide_alone() -> None:
    failure = ERRORS.of(answered({"code": 500, "error": {"code": 1102}}, 500))

    assert failure is not None
    assert failure.rule == "table:1102"


@pytest.mark.parametrize(
    "reply",
    [
        answered(NO_ROW, 401),
        answered("<html><title>Just a moment...</title></html>", 403),
        answered({"id": "v", "status": "queued"}),
        answered({"status": "failed", "prompt": "a ship that is back at noon"}),
        answered([{"code": 1102}], 500),
        answered('{"code": 1102', 500),
        answered("", None),
        replace(answered({"code": 1102}, 500), error="ClientPayloadError: cut"),
        replace(answered({"code": 1102}, 500), truncated=True),
    ],
)
def test_what_no_row_knows_and_what_broke_off_is_for_the_classifier(reply: Reply) -> None:
    assert ERRORS.of(reply) == classify(reply)
    assert not ERRORS.proves_free(reply)


def test_a_row_names_the_state_of_the_service_if_it_says_so() -> None:
    named, unnamed = ERRORS.of(answered({"code": 1301}, 403)), ERRORS.of(answered({"code": 1301}))

    assert named is not None
    assert unnamed is not None
    assert (named.names_state, unnamed.names_state) == (True, False)


def test_an_answer_without_what_was_asked_for_breaks_its_protocol() -> None:
    failure = ERRORS.failure(answered({"hello": "world"}), "list:unreadable")

    assert (failure.kind, failure.fault) == (FailureKind.DEGRADED, Fault.UPSTREAM)
    assert failure.rule == "list:unreadable"
    assert ERRORS.failure(answered({"code": 1102}), "list:unreadable").rule == "table:1102"


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"code": 1201, "message": "task does not exist"}, 200, Missing),
        ({"code": 1201, "message": "bad task"}, 200, Trouble),
        ({"code": 1102}, 200, Trouble),
        ({"detail": "Not Found"}, 404, Missing),
        ("<html>404</html>", 404, Trouble),
        ({"error": {"message": "video task not found"}}, 500, Missing),
        ({}, 503, Trouble),
    ],
)
def test_only_an_answer_that_denies_the_job_says_that_it_is_missing(
    body: object, status: int, expected: type
) -> None:
    assert type(ERRORS.no_job(answered(body, status), "poll:unreadable")) is expected


def test_a_header_holds_the_code_where_the_maker_says_so() -> None:
    errors = Errors(rows=ROWS, codes=_codes, code_header="x-maker-error")
    said = answered({"message": "no"}, 400)

    for code in ("1102", "1102:https://maker.test/errors"):
        assert errors.failure(replace(said, headers={"x-maker-error": code}), "x").rule == (
            "table:1102"
        )
    assert errors.failure(answered({"code": 1102}), "x").rule == "table:1102"
    assert ERRORS.failure(replace(said, headers={"x-maker-error": "1102"}), "x").rule != (
        "table:1102"
    )


def test_a_row_or_the_dialect_proves_that_nothing_is_billed() -> None:
    own = Errors(is_free=lambda reply: reply.status == 500)

    assert ERRORS.proves_free(answered({"code": 1102}, 504))
    assert ERRORS.proves_free(answered({}, 418))
    assert not ERRORS.proves_free(answered({"code": 1301}, 504))
    assert own.proves_free(answered({}, 500))
    assert not own.proves_free(answered({}, 502))


class TestNamed:
    def test_codes_are_looked_up_in_the_table_first(self) -> None:
        failure = ERRORS.named("1102", "资源包已用完", 200)

        assert (failure.kind, failure.rule) == (FailureKind.QUOTA, "table:1102")
        assert (failure.text, failure.http_status) == ("资源包已用完", 200)

    def test_codes_have_the_words_and_the_status_that_their_row_needs(self) -> None:
        assert ERRORS.named("1201", "task does not EXIST").rule == "table:1201"
        assert ERRORS.named("1301", "x", 403).kind is FailureKind.RISK_CONTROL
        assert ERRORS.named("1301", "x").kind is FailureKind.CONTENT_REJECTED

    @pytest.mark.parametrize(
        ("code", "text", "kind"),
        [
            ("moderation_blocked", "no", FailureKind.CONTENT_REJECTED),
            ("E_42", "余额不足", FailureKind.QUOTA),
            ("", "CUDA out of memory", FailureKind.DEGRADED),
            ("E_42", "", FailureKind.DEGRADED),
            ("", "", FailureKind.DEGRADED),
        ],
    )
    def test_words_that_no_row_knows_are_for_the_classifier(
        self, code: str, text: str, kind: FailureKind
    ) -> None:
        failure = ERRORS.named(code, text, 200)

        assert failure.kind is kind
        assert failure.http_status == 200
