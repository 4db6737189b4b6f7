"""What status pages claim about their past, in each format."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.status import Status
from tallylight.upstreams.feeds.claims import (
    KEPT,
    ClaimedEvent,
    PageClaims,
    claims_after,
    dump_claims,
    load_claims,
)
from tallylight.upstreams.feeds.claims_formats import CLAIMS_APIS
from tallylight.upstreams.feeds.registry import FEED_READERS

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SUMMARY = {
    "components": [
        {"id": "g", "name": "Sora", "status": "operational", "group": True, "group_id": None},
        {"id": "c1", "name": "Video API", "status": "partial_outage", "group_id": "g"},
        {"id": "c2", "name": "Playback", "status": "operational", "group_id": "g"},
        {"id": "c9", "name": "Chat", "status": "operational", "group_id": None},
    ],
    "scheduled_maintenances": [],
}


def incident(id_: str, begin: str, end: str | None, new_status: str, code: str = "c1") -> object:
    return {
        "id": id_,
        "name": f"Trouble {id_}",
        "status": "resolved" if end else "identified",
        "impact": "minor",
        "started_at": begin,
        "resolved_at": end,
        "incident_updates": [
            {"affected_components": [{"code": code, "name": "", "new_status": new_status}]}
        ],
        "components": [],
    }


INCIDENTS = {
    "incidents": [
        incident("i1", "2026-11-20T09:00:00Z", None, "partial_outage"),
        incident("i2", "2026-11-10T00:00:00Z", "2026-11-10T12:00:00Z", "major_outage"),
        incident("i3", "2026-11-11T00:00:00Z", "2026-11-12T00:00:00Z", "major_outage", "c9"),
    ]
}
MAINTENANCES = {
    "scheduled_maintenances": [
        {
            "id": "m1",
            "name": "Database upgrade",
            "status": "scheduled",
            "scheduled_for": "2026-11-25T02:00:00Z",
            "scheduled_until": "2026-11-25T03:00:00Z",
        }
    ]
}


def read(format_: str, *documents: object, before: PageClaims | None = None) -> PageClaims:
    found = claims_after(CLAIMS_APIS[format_], documents, before, NOW)
    assert found is not None
    return found


def test_every_format_has_its_past() -> None:
    assert CLAIMS_APIS.keys() == FEED_READERS.keys()


def test_a_component_comes_with_all_components_of_its_product() -> None:
    claims = read("statuspage", SUMMARY, INCIDENTS, MAINTENANCES).of("Sora")

    assert [row.name for row in claims.components] == ["Sora", "Video API", "Playback"]
    assert len(read("statuspage", SUMMARY, INCIDENTS, MAINTENANCES).of("").components) == 4


def test_the_claimed_availability_counts_the_outages_of_the_component() -> None:
    claims = read("statuspage", SUMMARY, INCIDENTS, MAINTENANCES).of("video api")

    assert [event.id for event in claims.past(NOW)] == ["i1", "i2"]
    month = NOW - timedelta(days=30)
    assert claims.availability(month, NOW) == pytest.approx(1 - 0.5 / 30)


def test_planned_maintenance_is_told_ahead() -> None:
    (planned,) = read("statuspage", SUMMARY, INCIDENTS, MAINTENANCES).of("Video API").planned(NOW)

    assert (planned.title, planned.status) == ("Database upgrade", Status.MAINTENANCE)


def test_incident_io_may_lack_the_list_of_maintenances() -> None:
    claims = read("incident_io", SUMMARY, INCIDENTS, None)

    assert len(claims.events) == 3
    assert claims.since == datetime(2026, 11, 10, tzinfo=UTC)  # its list may be cut off


def test_an_answer_that_is_no_page_claims_nothing() -> None:
    for format_, api in CLAIMS_APIS.items():
        documents: list[object] = [None] * len(api.paths)
        assert claims_after(api, documents, None, NOW) is None, format_


def test_what_a_page_cuts_off_is_kept_from_before() -> None:
    before = read("statuspage", SUMMARY, INCIDENTS, MAINTENANCES)

    after = read("statuspage", SUMMARY, {"incidents": []}, None, before=before)

    assert {event.id for event in after.events} == {"i1", "i2", "i3", "m1"}
    assert next(event for event in after.events if event.id == "i1").end == NOW


def test_google_lists_every_incident_with_its_products() -> None:
    row = {
        "id": "x",
        "begin": "2026-11-19T12:00:00+00:00",
        "end": "2026-11-19T18:00:00+00:00",
        "external_desc": "Elevated errors",
        "status_impact": "SERVICE_OUTAGE",
        "affected_products": [{"title": "Vertex Gemini API", "id": "Z0"}],
    }
    products = {"products": [{"id": "Z0", "title": "Vertex Gemini API"}]}
    claims = read("google", [row], products).of("Z0")

    assert claims.availability(NOW - timedelta(days=1), NOW) == pytest.approx(0.75)
    assert read("google", [row], products).of("Other").since == NOW - KEPT


def test_better_stack_reports_have_an_end() -> None:
    document = {
        "included": [
            {
                "id": "7",
                "type": "status_page_resource",
                "attributes": {"public_name": "Video", "status": "operational"},
            },
            {
                "id": "9",
                "type": "status_report",
                "attributes": {
                    "title": "Down",
                    "report_type": "manual",
                    "starts_at": "2026-11-20T00:00:00Z",
                    "ends_at": "2026-11-20T06:00:00Z",
                    "aggregate_state": "downtime",
                    "affected_resources": [{"status_page_resource_id": "7"}],
                },
            },
        ]
    }
    claims = read("betterstack", document).of("Video")

    assert claims.availability(NOW - timedelta(hours=12), NOW) == pytest.approx(0.5)


def test_a_component_that_better_stack_does_not_monitor_is_unknown() -> None:
    attributes = {"public_name": "Video", "status": "not_monitored"}
    row = {"id": "7", "type": "status_page_resource", "attributes": attributes}

    (component,) = read("betterstack", {"included": [row]}).components

    assert component.status is Status.UNKNOWN


def test_instatus_shows_only_what_is_active() -> None:
    listed = {"components": [{"id": "a", "name": "Video", "status": "MAJOROUTAGE"}]}
    active = {
        "activeIncidents": [
            {"name": "Down", "started": "2026-11-20T11:00:00Z", "impact": "MAJOROUTAGE", "url": "u"}
        ]
    }
    before = read("instatus", listed, active)

    (event,) = read("instatus", listed, {}, before=before).events

    assert (event.status, event.end) == (Status.SUSPENDED, NOW)


def test_texts_are_bounded_and_without_secrets() -> None:
    row = {"id": "i" * 999, "name": "key sk-" + "a" * 40 + " \n" + "x" * 999, "impact": "major"}
    row |= {"status": "resolved", "started_at": "2026-11-20T09:00:00Z"}
    (event,) = read("statuspage", SUMMARY, {"incidents": [row]}, None).events

    assert len(event.title) <= 200
    assert len(event.id) <= 200
    assert "a" * 40 not in event.title
    assert "\n" not in event.title


def test_claims_outlive_a_restart_and_another_versions_are_read_again() -> None:
    claims = read("statuspage", SUMMARY, INCIDENTS, MAINTENANCES)

    assert load_claims(dump_claims(claims)) == claims
    assert load_claims('{"other": 1}') is None
    assert load_claims(None) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Status.SUSPENDED, Status.MAINTENANCE, Status.DEGRADED]),
            st.integers(-2000, 2000),
            st.integers(0, 500) | st.none(),
        ),
        max_size=8,
    )
)
def test_a_claimed_availability_is_a_share(parts: list[tuple[Status, int, int | None]]) -> None:
    events = tuple(
        ClaimedEvent(
            str(number),
            "",
            status,
            NOW + timedelta(hours=begin),
            None if hours is None else NOW + timedelta(hours=begin + hours),
        )
        for number, (status, begin, hours) in enumerate(parts)
    )
    found = PageClaims(NOW - KEPT, NOW, (), events).availability(NOW - timedelta(days=30), NOW)

    assert found is None or 0.0 <= found <= 1.0
