import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.not_billed import (
    new_api_proves_not_billed,
    sora2api_proves_not_billed,
)
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for

MakeUpstream = Callable[..., Upstream]

TASK_ERROR = {"code": "fail_to_fetch_task", "message": '{"error":"x"}', "data": None}
MIDDLEWARE = {"error": {"message": "no channel", "type": "new_api_error", "code": ""}}
SERVER_ERROR = {"error": {"message": "No token", "type": "server_error", "param": None}}
PASSED_ON = {"error": {"message": "oops", "type": "upstream_error", "code": "bad_response"}}


def answered(status: int | None, body: object) -> Reply:
    return Reply(Phase.CREATE, status, {}, json.dumps(body))


@pytest.mark.parametrize(
    ("protocol_name", "dialect", "status", "body", "disclaims"),
    [
        ("openai_videos", "new_api", 500, TASK_ERROR, True),
        ("openai_videos", "new_api", 504, TASK_ERROR, True),
        ("openai_videos", "new_api", 408, TASK_ERROR, True),
        ("openai_videos", "new_api", 500, MIDDLEWARE, True),
        ("openai_videos", "new_api", 500, PASSED_ON, False),
        ("openai_videos", "new_api", 500, SERVER_ERROR, False),
        ("openai_videos", "new_api", 502, "<html>", False),
        ("openai_videos", "new_api", 200, TASK_ERROR, False),
        ("openai_videos", "openai", 500, TASK_ERROR, False),
        ("openai_videos", "sglang", 500, MIDDLEWARE, False),
        ("chat_video", "sora2api", 500, SERVER_ERROR, True),
        ("chat_video", "sora2api", 502, SERVER_ERROR, False),
        ("chat_video", "sora2api", 500, {"detail": "x"}, False),
        ("chat_video", "new_api", 500, MIDDLEWARE, True),
        ("chat_video", "relay", 500, SERVER_ERROR, False),
    ],
)
def test_only_the_dialects_own_error_proves_not_billed(  # noqa: PLR0913  # one row of a table
    make_upstream: MakeUpstream,
    protocol_name: str,
    dialect: str,
    status: int,
    body: object,
    *,
    disclaims: bool,
) -> None:
    adapter = adapter_for(make_upstream(protocol=protocol_name, dialect=dialect))

    assert adapter.errors.proves_free(answered(status, body)) is disclaims


@pytest.mark.parametrize("read", [new_api_proves_not_billed, sora2api_proves_not_billed])
@pytest.mark.parametrize("body", [TASK_ERROR, MIDDLEWARE, SERVER_ERROR])
def test_an_answer_that_broke_off_proves_nothing(
    read: Callable[[Reply], bool], body: Mapping[str, object]
) -> None:
    whole = answered(500, body)

    assert not read(replace(whole, error="ClientPayloadError: cut"))
    assert not read(replace(whole, truncated=True))
    assert not read(replace(whole, status=None))


@given(
    status=st.none() | st.integers(100, 399),
    body=st.sampled_from([TASK_ERROR, MIDDLEWARE, SERVER_ERROR, PASSED_ON]),
)
def test_neither_a_success_nor_a_missing_answer_proves_not_billed(
    status: int | None, body: Mapping[str, object]
) -> None:
    assert not new_api_proves_not_billed(answered(status, body))
    assert not sora2api_proves_not_billed(answered(status, body))


def test_every_dialect_answers_whether_an_error_was_billed(make_upstream: MakeUpstream) -> None:
    for name, definition in PROTOCOLS.items():
        for dialect in definition.dialects:
            adapter = adapter_for(make_upstream(protocol=name, dialect=dialect))

            assert not adapter.errors.proves_free(answered(500, {}))
