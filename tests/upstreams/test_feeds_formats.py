"""The other formats: incident.io's three APIs, Google, Instatus, Better Stack, Rootly, Datadog."""

import json
from datetime import UTC, datetime

import pytest

from tallylight.catalogue.services import Feed
from tallylight.model.status import Status
from tallylight.upstreams.feeds.reading import FeedReading
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.messages import Phase, Reply

SHIM, PROXY, WIDGET = range(3)


def read(format_: str, component: str, *bodies: object, api_index: int = 0) -> FeedReading:
    replies = [
        Reply(Phase.FEED, 404 if body is None else 200, {}, json.dumps(body)) for body in bodies
    ]
    return FEED_READERS[format_].read(replies, component, api_index)


def test_all_incidents_are_requested_of_incident_io_since_it_lists_no_unresolved_ones() -> None:
    feed = Feed("incident_io", "https://status.example.com")

    urls = [request.url for request in FEED_READERS["incident_io"].requests(feed)]

    assert urls == [
        "https://status.example.com/api/v2/summary.json",
        "https://status.example.com/api/v2/incidents.json",
    ]


def test_incident_io_shim_has_its_own_word_for_an_outage() -> None:
    summary = {"components": [{"id": "01C1", "name": "Video", "status": "full_outage"}]}
    history = {"incidents": [{"name": "Old", "status": "resolved", "components": []}]}

    assert read("incident_io", "video", summary, history).claimed_status is Status.SUSPENDED


def test_incident_io_shim_takes_open_incidents_from_the_history() -> None:
    summary = {"components": [{"id": "01C1", "name": "Video", "status": "operational"}]}
    history = {
        "incidents": [
            {"name": "Downloads failing", "status": "identified", "components": []},
            {"name": "Old", "status": "resolved", "components": []},
        ]
    }

    reading = read("incident_io", "video", summary, history)

    assert (reading.claimed_status, reading.note) == (Status.DEGRADED, "Downloads failing")


def test_incident_io_proxy_is_requested_at_the_pages_host() -> None:
    feed = Feed("incident_io", "https://status.example.com")

    (request,) = FEED_READERS["incident_io"].requests(feed, api_index=PROXY)

    assert request.url == "https://status.example.com/proxy/status.example.com"


@pytest.mark.parametrize(
    ("component", "status"),
    [
        ("Videos", Status.SUSPENDED),
        ("01C2", Status.OPERATIONAL),
        ("Chat", Status.OPERATIONAL),
        ("Images", Status.UNKNOWN),
    ],
)
def test_incident_io_proxy_names_what_is_affected_by_id(component: str, status: Status) -> None:
    summary = {
        "components": [{"id": "01C1", "name": "Videos"}, {"id": "01C2", "name": "Chat"}],
        "affected_components": [{"component_id": "01C1", "status": "full_outage"}],
        "ongoing_incidents": [
            {
                "name": "Videos are down",
                "status": "fixing",
                "component_impacts": [{"component_id": "01C1", "status": "full_outage"}],
            }
        ],
        "in_progress_maintenances": [],
        "scheduled_maintenances": [],
    }

    assert (
        read("incident_io", component, {"summary": summary}, api_index=PROXY).claimed_status
        is status
    )


@pytest.mark.parametrize(
    ("component", "status"), [("videos", Status.DEGRADED), ("Chat", Status.OPERATIONAL)]
)
def test_incident_io_widget_names_only_affected_components(component: str, status: Status) -> None:
    affected = {
        "id": "01C1",
        "name": "Videos",
        "group_name": "APIs",
        "current_status": "partial_outage",
    }
    body = {
        "ongoing_incidents": [
            {
                "id": "01K0",
                "name": "Video downloads failing",
                "status": "identified",
                "last_update_at": "2026-11-20T10:00:00Z",
                "current_worst_impact": "partial_outage",
                "affected_components": [affected],
            }
        ],
        "in_progress_maintenances": [],
        "scheduled_maintenances": [
            {
                "name": "DB upgrade",
                "status": "maintenance_scheduled",
                "affected_components": [],
                "starts_at": "2026-11-25T02:00:00Z",
                "ends_at": "2026-11-25T03:00:00Z",
            }
        ],
    }

    reading = read("incident_io", component, body, api_index=WIDGET)

    assert reading.claimed_status is status
    assert [plan.start for plan in reading.maintenances] == [datetime(2026, 11, 25, 2, tzinfo=UTC)]


def google_incident(impact: str, *locations: str, end: str | None = None) -> dict[str, object]:
    return {
        "id": "gKx1",
        "begin": "2026-11-20T09:10:00+00:00",
        "modified": "2026-11-20T10:00:00+00:00",
        "end": end,
        "external_desc": "Elevated errors for video generation",
        "status_impact": impact,
        "severity": "low",
        "affected_products": [{"title": "Vertex Gemini API", "id": "Z0FZ"}],
        "currently_affected_locations": [{"title": name, "id": name} for name in locations],
    }


@pytest.mark.parametrize(
    ("incident", "status"),
    [
        (google_incident("SERVICE_DISRUPTION", "global"), Status.DEGRADED),
        (google_incident("SERVICE_OUTAGE", "us-central1"), Status.DEGRADED),
        (google_incident("SERVICE_OUTAGE", "global"), Status.SUSPENDED),
        (google_incident("SERVICE_OUTAGE"), Status.SUSPENDED),
        (google_incident("SERVICE_INFORMATION", "global"), Status.OPERATIONAL),
        (google_incident("SERVICE_OUTAGE", end="2026-11-20T11:00:00+00:00"), Status.OPERATIONAL),
        (google_incident("SERVICE_ODDITY", "global"), Status.UNKNOWN),
    ],
)
@pytest.mark.parametrize("component", ["Z0FZ", "vertex gemini api"])
@pytest.mark.parametrize("products", [None, {"products": [{"title": "X", "id": "Z0FZ"}]}])
def test_google_is_judged_by_the_impact_of_open_incidents(
    incident: dict[str, object], status: Status, component: str, products: object
) -> None:
    if products is not None and component != "Z0FZ":
        products = {"products": [{"title": "Vertex Gemini API", "id": "Z0FZ"}]}

    assert read("google", component, [incident], products).claimed_status is status


def test_google_product_that_is_not_listed_is_unknown() -> None:
    products = {"products": [{"title": "Vertex Gemini API", "id": "Z0FZ"}]}

    assert read("google", "Veo", [], products).claimed_status is Status.UNKNOWN
    assert read("google", "Z0FZ", [], products).claimed_status is Status.OPERATIONAL


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("OPERATIONAL", Status.OPERATIONAL),
        ("DEGRADEDPERFORMANCE", Status.DEGRADED),
        ("PARTIALOUTAGE", Status.DEGRADED),
        ("MAJOROUTAGE", Status.SUSPENDED),
        ("UNDERMAINTENANCE", Status.MAINTENANCE),
        ("HASISSUES", Status.UNKNOWN),
    ],
)
def test_instatus_components_are_read_and_not_the_overall_status(word: str, status: Status) -> None:
    summary = {"page": {"name": "Example", "status": "HASISSUES"}}
    rows = {"components": [{"id": "k1", "name": "Video", "status": word}]}

    assert read("instatus", "video", summary, rows).claimed_status is status


def test_instatus_incident_raises_a_green_component() -> None:
    summary = {
        "page": {"name": "Example", "status": "HASISSUES"},
        "activeIncidents": [{"name": "Slow", "status": "MONITORING"}],
    }
    rows = {"components": [{"id": "k1", "name": "Video", "status": "OPERATIONAL"}]}

    reading = read("instatus", "k1", summary, rows)

    assert (reading.claimed_status, reading.note) == (Status.DEGRADED, "Slow")


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("2026-11-21T02:00:00.000Z", 90, "2026-11-21T03:30:00+00:00"),
        (
            "Sat Nov 21 2026 02:00:00 GMT+0000 (Coordinated Universal Time)",
            "90",
            "2026-11-21T03:30:00+00:00",
        ),
        ("Sat Nov 21 2026 03:00:00 GMT+0100 (CET)", "90", "2026-11-21T03:30:00+00:00"),
        ("2026-11-21T02:00:00.000Z", "soon", None),
        ("2026-11-21T02:00:00.000Z", "9" * 30, None),
        ("Sat Nov 31 2026 02:00:00 GMT+0000", "90", None),
        ("soon", "90", None),
    ],
)
def test_instatus_maintenance_ends_after_its_minutes(
    start: str, minutes: object, end: str | None
) -> None:
    plan = {"name": "Upgrade", "start": start, "status": "NOTSTARTEDYET", "duration": minutes}
    summary = {"page": {"status": "UP"}, "activeMaintenances": [plan]}
    rows = {"components": [{"id": "k1", "name": "Video", "status": "OPERATIONAL"}]}

    ends = [plan.end.isoformat() for plan in read("instatus", "k1", summary, rows).maintenances]

    assert ends == ([] if end is None else [end])


def better_stack(word: str, report: dict[str, object] | None = None) -> object:
    included: list[object] = [
        {
            "id": "7",
            "type": "status_page_resource",
            "attributes": {"public_name": "Video inference", "status": word},
        }
    ]
    if report is not None:
        included.append({"id": "9", "type": "status_report", "attributes": report})
    return {
        "data": {"id": "1", "type": "status_page", "attributes": {"aggregate_state": "degraded"}},
        "included": included,
    }


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("operational", Status.OPERATIONAL),
        ("degraded", Status.DEGRADED),
        ("downtime", Status.SUSPENDED),
        ("maintenance", Status.MAINTENANCE),
        ("not_monitored", Status.UNKNOWN),
        ("sideways", Status.UNKNOWN),
    ],
)
def test_better_stack_resource_status_is_translated(word: str, status: Status) -> None:
    assert read("betterstack", "video inference", better_stack(word)).claimed_status is status


@pytest.mark.parametrize(
    ("ends_at", "affected", "status"),
    [
        (None, [], Status.DEGRADED),
        (None, [{"status_page_resource_id": "7", "status": "degraded"}], Status.DEGRADED),
        (None, [{"status_page_resource_id": 8, "status": "degraded"}], Status.OPERATIONAL),
        ("2026-11-20T10:00:00Z", [], Status.OPERATIONAL),
    ],
)
def test_better_stack_report_counts_while_it_is_open_and_touches_the_resource(
    ends_at: str | None, affected: list[object], status: Status
) -> None:
    report: dict[str, object] = {
        "title": "Slow queue",
        "report_type": "manual",
        "starts_at": "2026-11-20T09:00:00Z",
        "ends_at": ends_at,
        "aggregate_state": "degraded",
        "affected_resources": affected,
    }

    assert read("betterstack", "7", better_stack("operational", report)).claimed_status is status


def rootly(indicator: str, *incidents: object) -> dict[str, object]:
    return {
        "page": {"name": "Acme", "updated_at": "2026-03-19T12:00:00Z"},
        "status": {"indicator": indicator, "description": "As it is"},
        "incidents": list(incidents),
    }


@pytest.mark.parametrize(
    ("body", "status", "note"),
    [
        (rootly("none"), Status.OPERATIONAL, ""),
        (rootly("maintenance"), Status.MAINTENANCE, "As it is"),
        (rootly("major"), Status.DEGRADED, "As it is"),
        (rootly("minor", {"title": "Slow"}), Status.DEGRADED, "Slow"),
        (rootly("none", {"name": "Slow", "status": "monitoring"}), Status.DEGRADED, "Slow"),
        (rootly("none", {"name": "Slow", "status": "resolved"}), Status.OPERATIONAL, ""),
        (rootly("none", {"name": "Plan", "status": "scheduled"}), Status.OPERATIONAL, ""),
        (rootly("sideways"), Status.UNKNOWN, "the page does not show the state of its incidents"),
        (
            {"status": {"indicator": "none"}},
            Status.UNKNOWN,
            "the page is not in the expected format",
        ),
    ],
)
def test_rootly_is_read_by_its_incidents_and_its_indicator(
    body: object, status: Status, note: str
) -> None:
    reading = read("rootly", "Video", body)

    assert (reading.claimed_status, reading.note) == (status, note)


def datadog(word: str, incident: object = None) -> dict[str, object]:
    video = {"id": "c1", "name": "Video (/api/v1/videos)", "status": word, "type": "Component"}
    return {
        "pageUrl": "https://acme.statuspage.datadoghq.com",
        "components": [{"id": "g1", "name": "API", "components": [video]}],
        "incidents": None if incident is None else [incident],
        "maintenances": None,
    }


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("operational", Status.OPERATIONAL),
        ("degraded", Status.DEGRADED),
        ("partial_outage", Status.DEGRADED),
        ("major_outage", Status.SUSPENDED),
        ("maintenance", Status.MAINTENANCE),
        ("sideways", Status.UNKNOWN),
    ],
)
def test_datadog_components_lie_in_groups(word: str, status: Status) -> None:
    assert read("datadog", "video (/api/v1/videos)", datadog(word)).claimed_status is status


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"resolved": False}, Status.DEGRADED),
        ({"resolved": True, "currentStatus": "identified"}, Status.OPERATIONAL),
        ({"currentStatus": "identified"}, Status.DEGRADED),
        ({"currentStatus": "sideways"}, Status.UNKNOWN),
        ({"resolved": False, "componentsAffected": [{"id": "c2"}]}, Status.OPERATIONAL),
        (
            {"resolved": False, "timeline": [{"componentsAffected": [{"id": "c1"}]}]},
            Status.DEGRADED,
        ),
    ],
)
def test_datadog_incidents_name_what_they_affect(
    members: dict[str, object], status: Status
) -> None:
    body = datadog("operational", {"title": "Slow", **members})

    assert read("datadog", "c1", body).claimed_status is status
