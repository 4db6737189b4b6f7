"""The state between two polls of a page, and when a change becomes evidence."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue.services import Feed
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.upstreams.feeds.reader import FeedState
from tallylight.upstreams.feeds.reading import (
    FeedReading,
    PlannedMaintenance,
    feed_evidence,
    reading_at,
)
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.messages import Phase, Reply

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
SERVICE = ServiceId("sora-2-official")
FEED = Feed("statuspage", "https://status.example.com", component="Video")
STATUSPAGE = FEED_READERS["statuspage"]
INCIDENT_IO = FEED_READERS["incident_io"]

NO_INCIDENTS = '{"incidents": []}'
UNMODIFIED = Reply(Phase.FEED, 304, {}, "")
BUSY = Reply(Phase.FEED, 503, {}, "try later")
SILENT = Reply(Phase.FEED, None, {}, "", error="TimeoutError: ")
MOVED = Reply(Phase.FEED, 200, {"content-type": "text/html"}, "<html>we have moved</html>")
GONE = Reply(Phase.FEED, 404, {}, "")


def summary(word: str) -> str:
    return json.dumps({"components": [{"id": "c1", "name": "Video", "status": word}]})


def fresh(body: str, tag: str = '"1"') -> Reply:
    return Reply(Phase.FEED, 200, {"etag": tag, "last-modified": "Fri, 20 Nov 2026"}, body)


def polled(state: FeedState, *replies: Reply, at: datetime = NOW) -> FeedState:
    return state.apply_replies(STATUSPAGE, FEED, replies, at)


def status_of(state: FeedState) -> Status | None:
    return None if state.reading is None else state.reading.claimed_status


@pytest.fixture
def degraded() -> FeedState:
    return polled(FeedState(), fresh(summary("partial_outage")), fresh(NO_INCIDENTS))


def test_the_first_requests_carry_no_condition() -> None:
    requests = FeedState().requests(STATUSPAGE, FEED)

    assert [dict(request.headers) for request in requests] == [{}, {}]


def test_later_requests_carry_the_validators_of_the_last_answer(degraded: FeedState) -> None:
    first, _ = degraded.requests(STATUSPAGE, FEED)

    assert dict(first.headers) == {
        "if-none-match": '"1"',
        "if-modified-since": "Fri, 20 Nov 2026",
    }


def test_an_unmodified_page_keeps_its_reading(degraded: FeedState) -> None:
    assert polled(degraded, UNMODIFIED, UNMODIFIED) == degraded


def test_an_unmodified_part_of_a_page_counts_as_it_was(degraded: FeedState) -> None:
    recovered = polled(degraded, fresh(summary("operational"), '"2"'), UNMODIFIED)

    assert status_of(recovered) is Status.OPERATIONAL


def test_an_unrequested_304_is_no_page() -> None:
    assert status_of(
        polled(polled(FeedState(), UNMODIFIED, UNMODIFIED), UNMODIFIED, UNMODIFIED)
    ) is (Status.UNKNOWN)


@pytest.mark.parametrize("failure", [BUSY, SILENT])
def test_a_page_that_fails_temporarily_is_tolerated_twice(
    degraded: FeedState, failure: Reply
) -> None:
    once = polled(degraded, failure, failure)
    twice = polled(once, failure, failure)
    thrice = polled(twice, failure, failure)

    assert [status_of(state) for state in (once, twice, thrice)] == [
        Status.DEGRADED,
        Status.DEGRADED,
        Status.UNKNOWN,
    ]


def test_a_partial_answer_is_tolerated_like_none(degraded: FeedState) -> None:
    half = polled(degraded, fresh(summary("operational"), '"2"'), BUSY)

    assert status_of(half) is Status.DEGRADED


def test_an_answer_between_two_failures_resets_the_tolerance(degraded: FeedState) -> None:
    state = polled(polled(degraded, BUSY, BUSY), UNMODIFIED, UNMODIFIED)

    assert status_of(polled(polled(state, BUSY, BUSY), BUSY, BUSY)) is Status.DEGRADED


def test_a_page_that_fails_at_first_is_unknown() -> None:
    state = polled(FeedState(), SILENT, SILENT)

    assert status_of(state) is Status.UNKNOWN
    assert not state.is_searching


def test_a_page_that_moved_is_unknown_and_never_an_outage(degraded: FeedState) -> None:
    state = polled(degraded, MOVED, MOVED)
    while state.is_searching:
        state = polled(state, MOVED, MOVED)

    assert state.reading == FeedReading(Status.UNKNOWN, note="not JSON but text/html")


def test_apis_are_tried_in_turn_and_the_first_that_works_is_kept() -> None:
    feed = Feed("incident_io", "https://status.example.com", component="Video")
    rows = {"components": [{"id": "c1", "name": "Video"}], "ongoing_incidents": []}

    state = FeedState().apply_replies(INCIDENT_IO, feed, (GONE, GONE), NOW)
    assert state.is_searching
    state = state.apply_replies(INCIDENT_IO, feed, (fresh(json.dumps({"summary": rows})),), NOW)

    assert status_of(state) is Status.OPERATIONAL
    assert not state.is_searching
    assert [request.url for request in state.requests(INCIDENT_IO, feed)] == [
        "https://status.example.com/proxy/status.example.com"
    ]


def test_a_search_ends_after_one_round() -> None:
    state = FeedState()
    rounds = 0
    while rounds == 0 or state.is_searching:
        replies = [GONE for _ in state.requests(INCIDENT_IO, FEED)]
        state = state.apply_replies(INCIDENT_IO, FEED, replies, NOW)
        rounds += 1

    assert rounds == 3
    assert status_of(state) is Status.UNKNOWN
    assert state.api_index == 0


PLAN = PlannedMaintenance(NOW, NOW + timedelta(hours=1), "Database upgrade")


@pytest.mark.parametrize(
    ("minutes", "status"),
    [(-1, Status.OPERATIONAL), (0, Status.MAINTENANCE), (60, Status.OPERATIONAL)],
)
def test_planned_maintenance_counts_from_its_start_to_its_end(minutes: int, status: Status) -> None:
    reading = FeedReading(Status.OPERATIONAL, maintenances=(PLAN,))

    assert reading_at(reading, NOW + timedelta(minutes=minutes)).claimed_status is status


def test_planned_maintenance_begins_though_the_page_is_unmodified() -> None:
    work = {
        "name": "Database upgrade",
        "status": "scheduled",
        "scheduled_for": "2026-11-20T11:00:00Z",
        "scheduled_until": "2026-11-20T12:00:00Z",
        "components": [],
    }
    body = json.loads(summary("operational")) | {"scheduled_maintenances": [work]}
    before = polled(FeedState(), fresh(json.dumps(body)), fresh(NO_INCIDENTS))

    during = polled(before, UNMODIFIED, UNMODIFIED, at=NOW + timedelta(minutes=70))
    after = polled(during, UNMODIFIED, UNMODIFIED, at=NOW + timedelta(minutes=130))

    assert [status_of(state) for state in (before, during, after)] == [
        Status.OPERATIONAL,
        Status.MAINTENANCE,
        Status.OPERATIONAL,
    ]


def test_planned_maintenance_does_not_hide_an_incident() -> None:
    reading = FeedReading(Status.SUSPENDED, maintenances=(PLAN,))

    assert reading_at(reading, NOW) == reading


def test_a_first_reading_is_evidence() -> None:
    reading = FeedReading(Status.DEGRADED, note="Slow", at=NOW - timedelta(minutes=14))

    assert feed_evidence(SERVICE, None, reading, NOW) == Evidence(
        SERVICE, NOW, Source.FEED, claimed_status=Status.DEGRADED, note="Slow"
    )


def test_an_unchanged_status_is_no_evidence_even_with_another_headline() -> None:
    before = FeedReading(Status.DEGRADED, note="Slow")
    after = FeedReading(Status.DEGRADED, note="Still slow")

    assert feed_evidence(SERVICE, before, after, NOW) is None


def test_an_unchanged_status_is_no_evidence_after_a_restart() -> None:
    stored = Evidence(SERVICE, NOW, Source.FEED, claimed_status=Status.DEGRADED, note="Slow")

    assert feed_evidence(SERVICE, stored, FeedReading(Status.DEGRADED), NOW) is None


def test_another_end_of_a_maintenance_is_evidence() -> None:
    before = FeedReading(Status.MAINTENANCE, until=NOW)
    after = FeedReading(Status.MAINTENANCE, until=NOW + timedelta(hours=1))

    found = feed_evidence(SERVICE, before, after, NOW)

    assert found is not None
    assert found.until == NOW + timedelta(hours=1)


KEYS = st.sampled_from(
    [
        "components", "incidents", "status", "name", "id", "scheduled_maintenances", "summary",
        "scheduled_for", "scheduled_until", "updated_at", "ongoing_incidents", "component_id",
        "affected_components", "current_status", "page", "activeIncidents", "data", "attributes",
        "aggregate_state", "included", "type", "public_name", "affected_products", "status_impact",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "operational", "major_outage", "monitoring", "in_progress", "Video", "status_report",
        "status_page_resource", "SERVICE_OUTAGE", "2026-11-20T10:00:00Z",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "\ud800",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=40,
)
BODIES = JSON.map(json.dumps) | st.text(max_size=50)
REPLIES = st.builds(
    Reply,
    phase=st.just(Phase.FEED),
    status=st.sampled_from([None, 200, 204, 301, 304, 404, 500]),
    headers=st.sampled_from([{}, {"etag": '"x"'}]),
    body=BODIES,
    error=st.sampled_from(["", "OSError: broken"]),
    truncated=st.booleans(),
)


@given(
    st.sampled_from(sorted(FEED_READERS)),
    st.sampled_from(["", "Video", "c1"]),
    st.lists(st.lists(REPLIES, max_size=2), max_size=4),
)
def test_no_answer_of_a_page_raises(
    format_: str, component: str, answers: Sequence[Sequence[Reply]]
) -> None:
    reader = FEED_READERS[format_]
    feed = Feed(format_, "https://status.example.com", component)
    state = FeedState()

    for replies in answers:
        state = state.apply_replies(reader, feed, replies, NOW)

        assert state.reading is None or "\n" not in state.reading.note
        assert state.requests(reader, feed)


@given(st.sampled_from(sorted(FEED_READERS)), st.lists(BODIES, min_size=2, max_size=2))
def test_any_json_is_read_without_raising(format_: str, bodies: Sequence[str]) -> None:
    reader = FEED_READERS[format_]
    for surface in range(len(reader.apis)):
        replies = [Reply(Phase.FEED, 200, {}, body) for body in bodies]
        asked = reader.requests(Feed(format_, "https://status.example.com"), api_index=surface)

        reading = reader.read(replies[: len(asked)], "Video", surface)

        assert reading.note.encode("utf-8") or reading.claimed_status is not Status.UNKNOWN


def test_a_page_of_too_many_objects_is_not_read() -> None:
    state = polled(FeedState(), fresh("[" + "{}," * 100_000 + "{}]"), fresh(NO_INCIDENTS))

    assert status_of(state) is not Status.OPERATIONAL
    reading = STATUSPAGE.read([fresh("[" + "{}," * 100_000 + "{}]")], "Video")
    assert "more than 100000 objects" in reading.note
