"""What MiniMax's adapter makes of odd answers."""

import json
from dataclasses import replace

import pytest

from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import FREE
from tallylight.upstreams.acceptance import Refused
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for
from tallylight.upstreams.steps import Failed, Missing, Page
from tests.builders import SERVICE
from tests.upstreams.flows import ORDER, read_create, read_list, read_poll, submitted

MAKER = replace(SERVICE.upstream, protocol="minimax", dialect="minimax")


def answer(body: object, status: int = 200, phase: Phase = Phase.POLL) -> Reply:
    return Reply(phase, status, {}, json.dumps(body))


def refusal(message: str, kind: str = "bad_request_error", status: int = 400) -> Reply:
    error = {"type": kind, "message": message, "http_code": str(status)}
    return answer({"type": "error", "error": error}, status, Phase.CREATE)


def test_the_safe_dialect_comes_first() -> None:
    assert PROTOCOLS["minimax"].dialects[0] == "resold"
    assert adapter_for(replace(MAKER, dialect="resold")).find is None


def test_a_create_without_a_prompt_still_has_a_text() -> None:
    body = json.loads(submitted(MAKER, replace(ORDER, prompt="")).json)

    assert [each["text"] for each in body["content"]] == [" "]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal("usage limit exceeded (2056)", "rate_limit_error", 429), FailureKind.QUOTA),
        (refusal("rate limit (1002) ", "rate_limit_error", 429), FailureKind.RATE_LIMITED),
        (refusal("invalid params, duration (2013)"), FailureKind.INVALID_REQUEST),
        (refusal("invalid params, unknown model 'MiniMax-H2' (2013)"), FailureKind.UNKNOWN),
        (refusal("no number here"), FailureKind.INVALID_REQUEST),
        (refusal("rate limit", "rate_limit_error", 429), FailureKind.RATE_LIMITED),
    ],
)
def test_the_number_in_brackets_is_read_before_the_type(reply: Reply, kind: FailureKind) -> None:
    found = read_create(MAKER, reply)

    assert isinstance(found, Refused)
    assert found.failure.kind is kind


def test_an_empty_id_is_no_job() -> None:
    body = {"task_id": "", "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}

    found = read_create(MAKER, answer(body, phase=Phase.CREATE))

    assert isinstance(found, Refused)
    assert found.failure.kind is FailureKind.QUOTA


@pytest.mark.parametrize("status", [400, 404])
def test_a_record_that_is_not_found_is_missing_under_either_status(status: int) -> None:
    step = read_poll(MAKER, refusal("record not found (2013)", status=status))

    assert isinstance(step, Missing)


@pytest.mark.parametrize(
    ("task", "usage"),
    [
        ({"status": "cancelled"}, FREE),
        ({"status": "expired"}, None),
        ({"status": "succeeded", "content": {}}, None),
        ({"status": "failed", "error": {}}, None),
    ],
)
def test_a_task_that_ended_without_a_film_has_failed(
    task: dict[str, object], usage: object
) -> None:
    step = read_poll(MAKER, answer({"task": task}))

    assert isinstance(step, Failed)
    assert step.usage == usage


@pytest.mark.parametrize(
    ("count", "total", "cursor"),
    [(50, 51, "2"), (20, 60, "2"), (50, 50, ""), (3, None, "2"), (0, None, ""), (0, 5, "")],
)
def test_a_list_ends_where_its_total_says_or_with_an_empty_page(
    count: int, total: int | None, cursor: str
) -> None:
    items = [{"id": str(each), "status": "running"} for each in range(count)]
    told = {} if total is None else {"total": total}

    page = read_list(MAKER, answer({"items": items, **told}, phase=Phase.LIST))

    assert isinstance(page, Page)
    assert (len(page.jobs), page.cursor) == (count, cursor)
