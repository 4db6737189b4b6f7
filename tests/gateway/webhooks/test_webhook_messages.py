import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tallylight.gateway.webhooks.messages import RETRY_PERIOD, retry_at, webhook_messages
from tallylight.gateway.webhooks.options import WebhookOptions
from tallylight.model.ids import VideoId
from tallylight.model.video import VideoStatus
from tests import builders
from tests.builders import NOON

VIDEO = replace(builders.VIDEO, status=VideoStatus.COMPLETED)


def endpoint(*events: str) -> WebhookOptions:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return WebhookOptions.model_validate(
        {"url": "https://h.example", "secret": secret, "events": events}
    )


ALL = endpoint("video.completed", "video.failed")


def test_a_completed_video_is_reported_as_in_the_videos_api() -> None:
    (notice,) = webhook_messages(VIDEO, {"billing": ALL}, NOON)

    body = json.loads(notice.body)
    assert body.pop("id").startswith("evt_")
    assert body == {
        "object": "event",
        "created_at": 1795348800,
        "type": "video.completed",
        "data": {"id": "video_1"},
    }
    assert (notice.endpoint, notice.video, notice.at) == ("billing", "video_1", NOON)
    assert "a boat" not in notice.body


def test_every_endpoint_gets_its_events() -> None:
    failed = replace(VIDEO, status=VideoStatus.FAILED)
    endpoints = {"all": ALL, "good": endpoint("video.completed"), "bad": endpoint("video.failed")}

    assert [n.endpoint for n in webhook_messages(VIDEO, endpoints, NOON)] == ["all", "good"]
    assert [n.endpoint for n in webhook_messages(failed, endpoints, NOON)] == ["all", "bad"]


def test_an_active_video_has_no_webhook() -> None:
    for status in (VideoStatus.QUEUED, VideoStatus.IN_PROGRESS):
        assert webhook_messages(replace(VIDEO, status=status), {"all": ALL}, NOON) == ()


def test_every_process_reports_the_end_under_the_same_ids() -> None:
    endpoints = {"one": ALL, "two": ALL}

    here = webhook_messages(VIDEO, endpoints, NOON)
    there = webhook_messages(replace(VIDEO, owner="other"), endpoints, NOON + timedelta(seconds=9))

    assert [n.id for n in here] == [n.id for n in there]
    assert len({n.id for n in here}) == 2
    assert {json.loads(n.body)["id"] for n in (*here, *there)} == {json.loads(here[0].body)["id"]}
    assert (
        webhook_messages(replace(VIDEO, id=VideoId("video_2")), endpoints, NOON)[0].id != here[0].id
    )


def test_the_pauses_grow_from_seconds_to_hours() -> None:
    pauses = [retry_at(NOON, tries, NOON, draw=0.5) for tries in range(1, 12)]

    seconds = [(at - NOON).total_seconds() for at in pauses if at is not None]
    assert seconds == [5, 15, 45, 135, 405, 1215, 3645, 10935, 21600, 21600, 21600]


@given(st.integers(1, 10_000), st.timedeltas(timedelta(), RETRY_PERIOD * 2), st.floats(0, 1))
def test_every_webhook_is_retried_until_its_end(tries: int, age: timedelta, draw: float) -> None:
    now = NOON + age

    due = retry_at(NOON, tries, now, draw=draw)

    assert (due is None) == (age >= RETRY_PERIOD)
    assert due is None or now < due <= NOON + RETRY_PERIOD


@given(st.floats(0, 1))
def test_retry_after_is_obeyed_within_limits(draw: float) -> None:
    asked = retry_at(NOON, 1, NOON, draw=draw, retry_after=timedelta(minutes=10))
    endless = retry_at(NOON, 1, NOON, draw=draw, retry_after=timedelta(days=900))

    assert asked == NOON + timedelta(minutes=10)
    assert endless == NOON + timedelta(hours=6)


def test_all_attempts_lie_within_three_days() -> None:
    now, tries = NOON, 1
    while (due := retry_at(NOON, tries, now, draw=0.5)) is not None:
        now, tries = due, tries + 1

    assert now == NOON + RETRY_PERIOD
    assert 15 < tries < 30
