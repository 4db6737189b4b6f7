"""Responses have the form that the official SDKs expect."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Video as SdkVideo

from tallylight.gateway.api import ByteRange, RangeNotSatisfiableError, VideoPage
from tallylight.gateway.http.downloads import parse_range
from tallylight.gateway.http.response import api_error_response
from tallylight.gateway.http.serialize import (
    poll_after_header,
    video_headers,
    video_json,
    video_page_json,
)
from tallylight.gateway.requests import ApiError
from tallylight.model.ids import ServiceId, VideoId
from tallylight.model.jobs import Made
from tallylight.model.order import Operation
from tallylight.model.video import CreateParams, VideoError, VideoStatus
from tallylight.model.wish import WishedMeasures
from tests.builders import NOON, VIDEO

MEMBERS = [
    "id",
    "object",
    "model",
    "status",
    "progress",
    "created_at",
    "completed_at",
    "expires_at",
    "prompt",
    "size",
    "seconds",
    "remixed_from_video_id",
    "error",
]


@given(st.text(), st.text(), st.sampled_from(VideoStatus), st.integers(0, 100))
def test_a_video_has_its_thirteen_members_whatever_is_in_them(
    prompt: str, message: str, status: VideoStatus, progress: int
) -> None:
    error = VideoError("moderation_blocked", message) if status is VideoStatus.FAILED else None
    ended = NOON if status in {VideoStatus.COMPLETED, VideoStatus.FAILED} else None
    video = replace(
        VIDEO, prompt=prompt, status=status, progress=progress, error=error, ended_at=ended
    )

    document = json.loads(video_json(video))

    assert list(document) == MEMBERS
    assert document["prompt"] == prompt
    assert document["seconds"] == "8"
    assert document["completed_at"] == (1795348800 if status is VideoStatus.COMPLETED else None)
    assert SdkVideo.model_validate(document, strict=True).status == status
    assert (document["error"] or {}).get("message") == (message if error else None)


def test_a_remix_names_its_source_and_an_edit_does_not() -> None:
    wish = CreateParams(operation=Operation.REMIX, source=VideoId("video_0"))
    remix = replace(VIDEO, params=wish)
    edit = replace(VIDEO, params=replace(wish, operation=Operation.EDIT))

    assert json.loads(video_json(remix))["remixed_from_video_id"] == "video_0"
    assert json.loads(video_json(edit))["remixed_from_video_id"] is None


def test_a_page_names_its_first_and_its_last() -> None:
    page = json.loads(
        video_page_json(VideoPage([VIDEO, replace(VIDEO, id=VideoId("video_2"))], has_more=True))
    )
    empty = json.loads(video_page_json(VideoPage([], has_more=False)))

    assert (page["first_id"], page["last_id"], page["has_more"]) == ("video_1", "video_2", True)
    assert (empty["data"], empty["first_id"], empty["last_id"]) == ([], None, None)


def test_our_headers_name_the_service_and_the_cost() -> None:
    video = replace(
        VIDEO,
        service=ServiceId("sora-2-官轉"),
        attempts=2,
        cost=Decimal("1.200000"),
        seconds=10,
        size="1x2",
        params=CreateParams(measures=WishedMeasures(10, "1x2")),
        made=Made(8, "2x4"),
    )

    assert dict(video_headers(video)) == {
        b"x-tallylight-service": b"sora-2-%E5%AE%98%E8%BD%89",
        b"x-tallylight-attempts": b"2",
        b"x-tallylight-cost": b"1.2",
        b"x-tallylight-substituted": b"seconds=10->8, size=1x2->2x4",
    }


def test_an_unknown_cost_is_told_as_unknown() -> None:
    assert dict(video_headers(replace(VIDEO, cost=None)))[b"x-tallylight-cost"] == b"unknown"


@pytest.mark.parametrize(
    ("minutes", "poll_after"), [(0, b"1000"), (0.5, b"1500"), (1, b"3000"), (30, b"5000")]
)
def test_the_poll_interval_grows_with_the_age_of_the_video(
    minutes: float, poll_after: bytes
) -> None:
    now = NOON + timedelta(minutes=minutes)

    assert poll_after_header(VIDEO, now, timedelta(seconds=1)) == (
        (b"openai-poll-after-ms", poll_after),
    )


def test_an_ended_video_has_no_poll_interval() -> None:
    assert poll_after_header(replace(VIDEO, ended_at=NOON), NOON, timedelta(seconds=1)) == ()


@pytest.mark.parametrize(
    ("error", "status", "body", "headers"),
    [
        (
            ApiError(HTTPStatus.NOT_FOUND, "No “such”.", code="not_found", param="video_id"),
            404,
            ("No “such”.", "invalid_request_error", "video_id", "not_found"),
            {},
        ),
        (
            ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Slowly.",
                code="rate_limit_exceeded",
                retry_after=timedelta(seconds=0.3),
            ),
            429,
            ("Slowly.", "rate_limit_error", None, "rate_limit_exceeded"),
            {b"retry-after": b"1", b"retry-after-ms": b"300"},
        ),
        (
            ApiError(HTTPStatus.TOO_MANY_REQUESTS, "Broke.", code="insufficient_quota"),
            429,
            ("Broke.", "rate_limit_error", None, "insufficient_quota"),
            {b"x-should-retry": b"false"},
        ),
        (
            ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "Later."),
            503,
            ("Later.", "server_error", None, None),
            {b"retry-after": b"5", b"retry-after-ms": b"5000"},
        ),
        (
            ApiError(HTTPStatus.CONFLICT, "Used.", code="idempotency_key_reused"),
            409,
            ("Used.", "invalid_request_error", None, "idempotency_key_reused"),
            {b"x-should-retry": b"false"},
        ),
        (
            ApiError(
                HTTPStatus.CONFLICT, "Under way.", retry_after=timedelta(seconds=1), type="busy"
            ),
            409,
            ("Under way.", "busy", None, None),
            {b"retry-after": b"1", b"retry-after-ms": b"1000"},
        ),
        (
            RangeNotSatisfiableError(512),
            416,
            (
                str(RangeNotSatisfiableError(512)),
                "invalid_request_error",
                None,
                "range_not_satisfiable",
            ),
            {b"content-range": b"bytes */512"},
        ),
        (
            RangeNotSatisfiableError(None),
            416,
            (
                str(RangeNotSatisfiableError(None)),
                "invalid_request_error",
                None,
                "range_not_satisfiable",
            ),
            {},
        ),
    ],
)
def test_an_error_has_an_error_object_and_headers(
    error: ApiError,
    status: int,
    body: tuple[str, str, str | None, str | None],
    headers: dict[bytes, bytes],
) -> None:
    answer = api_error_response(error)

    assert (answer.status, dict(answer.headers)) == (status, headers)
    assert tuple(json.loads(answer.body)["error"].values()) == body


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-99", ByteRange(0, 99)),
        ("bytes=100-", ByteRange(100, None)),
        ("bytes=-50", ByteRange(None, 50)),
        ("Bytes = 1 - 2", ByteRange(1, 2)),
        ("bytes=9-1", None),
        ("bytes=0-1,4-5", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_a_single_range_is_parsed_and_all_else_ignored(header: str, span: ByteRange | None) -> None:
    assert parse_range(header, "", '"a"') == span


def test_a_range_with_another_if_range_is_ignored() -> None:
    assert parse_range("bytes=0-1", '"a"', '"a"') == ByteRange(0, 1)
    assert parse_range("bytes=0-1", '"b"', '"a"') is None
    assert parse_range("bytes=0-1", "Sun, 22 Nov 2026 12:00:00 GMT", '"a"') is None


@given(st.integers(0, 40), st.integers(0, 60), st.integers(0, 60))
def test_a_byte_range_selects_the_bytes_of_a_slice(size: int, first: int, length: int) -> None:
    whole = bytes(range(size))

    middle = ByteRange(first, first + length).resolve(size)
    tail = ByteRange(None, length).resolve(size)

    expected = whole[first : first + length + 1]
    assert (b"" if middle is None else whole[middle[0] : middle[1] + 1]) == expected
    expected = whole[-length:] if length else b""
    assert (b"" if tail is None else whole[tail[0] : tail[1] + 1]) == expected
