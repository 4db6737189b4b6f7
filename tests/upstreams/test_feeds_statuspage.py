"""Statuspage: how components, incidents and maintenances give a component's status."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from tallylight.catalogue.services import Feed
from tallylight.model.status import Status
from tallylight.upstreams.feeds.reading import FeedReading
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.messages import Phase, Reply

STATUSPAGE = FEED_READERS["statuspage"]
Entry = Mapping[str, object]


def row(status: str, name: str = "Video API", id_: str = "c1") -> Entry:
    return {
        "id": id_,
        "name": name,
        "status": status,
        "updated_at": "2026-11-20T10:01:58.000Z",
        "group": False,
    }


def incident(
    *affected: str, status: str = "identified", impact: str = "major", id_: str = "i1"
) -> Entry:
    return {
        "id": id_,
        "name": "Elevated video job failures",
        "status": status,
        "impact": impact,
        "updated_at": "2026-11-20T10:05:00.000Z",
        "resolved_at": "2026-11-20T10:04:00Z" if status == "resolved" else None,
        "incident_updates": [],
        "components": [{"id": id_, "name": f"named {id_}"} for id_ in affected],
    }


def maintenance(*affected: str, status: str = "in_progress") -> Entry:
    return {
        "id": "m1",
        "name": "Database upgrade",
        "status": status,
        "impact": "maintenance",
        "scheduled_for": "2026-11-20T10:00:00.000Z",
        "scheduled_until": "2026-11-20T12:00:00.000Z",
        "components": [{"id": id_, "name": f"named {id_}"} for id_ in affected],
    }


def reply(body: object, status: int | None = 200) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(Phase.FEED, status, {"content-type": "application/json"}, text)


def read(
    *rows: Entry,
    incidents: tuple[Entry, ...] = (),
    unresolved: tuple[Entry, ...] = (),
    maintenances: tuple[Entry, ...] = (),
    indicator: str = "none",
    component: str = "c1",
) -> FeedReading:
    summary = {
        "page": {"id": "p", "updated_at": "2026-11-20T10:02:11.000Z"},
        "status": {"indicator": indicator, "description": ""},
        "components": list(rows),
        "incidents": list(incidents),
        "scheduled_maintenances": list(maintenances),
    }
    answers = (reply(summary), reply({"page": {}, "incidents": list(unresolved)}))
    return STATUSPAGE.read(answers, component)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("operational", Status.OPERATIONAL),
        ("degraded_performance", Status.DEGRADED),
        ("partial_outage", Status.DEGRADED),
        ("major_outage", Status.SUSPENDED),
        ("full_outage", Status.SUSPENDED),
        ("under_maintenance", Status.MAINTENANCE),
        ("on_fire", Status.UNKNOWN),
        ("", Status.UNKNOWN),
    ],
)
def test_the_status_of_a_component_is_translated(word: str, status: Status) -> None:
    assert read(row(word)).claimed_status is status


@pytest.mark.parametrize("component", ["c1", "Video API", "video api"])
def test_a_component_is_found_by_id_or_by_name_in_any_case(component: str) -> None:
    reading = read(row("major_outage"), row("operational", "Text", "c2"), component=component)

    assert reading.claimed_status is Status.SUSPENDED
    assert reading.note == "Video API: major_outage"
    assert reading.at == datetime(2026, 11, 20, 10, 1, 58, tzinfo=UTC)


def test_a_component_that_the_page_does_not_have_is_unknown() -> None:
    reading = read(row("operational"), component="Sora")

    assert reading.claimed_status is Status.UNKNOWN
    assert reading.note == 'the page has no component "Sora"'


def test_an_open_incident_counts_though_indicator_and_components_are_green() -> None:
    monitored = incident(status="monitoring", impact="none")

    reading = read(row("operational"), unresolved=(monitored,), indicator="none")

    assert reading.claimed_status is Status.DEGRADED
    assert reading.note == "Elevated video job failures"
    assert reading.at == datetime(2026, 11, 20, 10, 5, tzinfo=UTC)


def test_an_indicator_alone_says_nothing() -> None:
    assert read(row("operational"), indicator="critical").claimed_status is Status.OPERATIONAL


def test_an_incident_that_names_the_component_proves_a_problem_but_not_its_severity() -> None:
    critical = incident("c1", impact="critical")

    assert read(row("operational"), incidents=(critical,)).claimed_status is Status.DEGRADED
    assert read(row("major_outage"), incidents=(critical,)).claimed_status is Status.SUSPENDED


def test_an_incident_of_other_components_does_not_count() -> None:
    other = incident("c2")

    reading = read(row("operational"), row("major_outage", "Text", "c2"), incidents=(other,))

    assert reading.claimed_status is Status.OPERATIONAL
    assert reading.note == ""


def test_an_incident_names_its_components_in_its_updates_too() -> None:
    update = {"affected_components": [{"code": "c2", "name": "Text"}]}
    other = dict(incident()) | {"incident_updates": [update]}

    assert read(row("operational"), incidents=(other,)).claimed_status is Status.OPERATIONAL
    assert read(
        row("operational", "Text", "c2"), incidents=(other,), component="text"
    ).claimed_status is (Status.DEGRADED)


@pytest.mark.parametrize("state", ["resolved", "postmortem"])
def test_an_incident_that_is_over_does_not_count(state: str) -> None:
    over = incident("c1", status=state)

    assert read(row("operational"), incidents=(over,)).claimed_status is Status.OPERATIONAL


def test_an_incident_in_an_unknown_state_makes_the_page_unknown() -> None:
    odd = incident("c1", status="pondering")

    assert read(row("operational"), incidents=(odd,)).claimed_status is Status.UNKNOWN
    assert read(row("partial_outage"), incidents=(odd,)).claimed_status is Status.DEGRADED


def test_a_maintenance_in_progress_lasts_until_its_planned_end() -> None:
    reading = read(
        row("under_maintenance"), incidents=(incident("c1"),), maintenances=(maintenance("c1"),)
    )

    assert reading.claimed_status is Status.MAINTENANCE
    assert reading.until == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert reading.note == "Database upgrade"


def test_a_maintenance_ahead_is_reported_but_does_not_count_yet() -> None:
    reading = read(row("operational"), maintenances=(maintenance("c1", status="scheduled"),))

    assert reading.claimed_status is Status.OPERATIONAL
    assert [plan.title for plan in reading.maintenances] == ["Database upgrade"]


def test_a_maintenance_of_other_components_does_not_count() -> None:
    reading = read(row("operational"), maintenances=(maintenance("c2"),))

    assert reading.claimed_status is Status.OPERATIONAL
    assert reading.maintenances == ()


def test_a_major_outage_is_not_hidden_by_maintenance() -> None:
    reading = read(row("major_outage"), maintenances=(maintenance("c1"),))

    assert reading.claimed_status is Status.SUSPENDED


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("operational", "operational"), Status.OPERATIONAL),
        (("operational", "major_outage"), Status.DEGRADED),
        (("major_outage", "major_outage"), Status.SUSPENDED),
        (("operational", "under_maintenance"), Status.OPERATIONAL),
        (("under_maintenance", "under_maintenance"), Status.MAINTENANCE),
        (("operational", "on_fire"), Status.UNKNOWN),
        ((), Status.UNKNOWN),
    ],
)
def test_without_a_component_the_whole_page_counts(words: tuple[str, ...], status: Status) -> None:
    rows = [row(word, f"Row {n}", f"c{n}") for n, word in enumerate(words)]

    assert read(*rows, component="").claimed_status is status


@pytest.mark.parametrize(
    "answer",
    [
        reply("<!doctype html><title>Status</title>"),
        reply("", 404),
        reply("[]"),
        reply("null"),
        reply('{"components": {}}'),
        reply("[" * 100_000),
        reply('{"components": [' + "9" * 5000 + "]}"),
        Reply(Phase.FEED, None, {}, "", error="TimeoutError: "),
        Reply(Phase.FEED, 200, {}, '{"components": []}', truncated=True),
    ],
)
def test_an_answer_that_is_no_status_page_is_unknown_and_never_an_outage(answer: Reply) -> None:
    reading = STATUSPAGE.read((answer, answer), "c1")

    assert reading.claimed_status is Status.UNKNOWN
    assert reading.note


def test_green_components_prove_nothing_while_the_incidents_cannot_be_read() -> None:
    def alone(word: str) -> FeedReading:
        return STATUSPAGE.read((reply({"components": [row(word)]}), reply("", 404)), "c1")

    assert alone("operational").claimed_status is Status.UNKNOWN
    assert alone("partial_outage").claimed_status is Status.DEGRADED


def test_a_headline_is_one_line_that_can_be_stored() -> None:
    odd = dict(incident("c1")) | {"name": "Queues\n  are \ud800 full " + "x" * 300}

    note = read(row("operational"), incidents=(odd,)).note

    assert note.startswith("Queues are ? full")
    assert len(note) == 200
    assert note.encode("utf-8")


def test_both_urls_are_below_the_pages_root() -> None:
    requests = STATUSPAGE.requests(Feed("statuspage", "https://status.example.com/"))

    assert [request.url for request in requests] == [
        "https://status.example.com/api/v2/summary.json",
        "https://status.example.com/api/v2/incidents/unresolved.json",
    ]
