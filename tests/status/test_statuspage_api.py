"""The API is compatible with clients that are written for Atlassian Statuspage."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, IncidentUpdate, Reason, ReasonCode, Verdict
from tallylight.status.views.impact import WeighedStatus
from tallylight.status.views.statuspage import (
    component_status,
    statuspage_status,
)

from .conftest import new_incident

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]
SetVerdict = Callable[[Verdict], object]

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)

# The field sets of the public API, as its documentation and the types of statuspage.io 3.1.1 have
# them: https://confluence.status.atlassian.com/api, read on 2026-06-19.
PAGE = {"id", "name", "url", "time_zone", "updated_at"}
STATUS = {"indicator", "description"}
COMPONENT = {
    "id", "name", "status", "created_at", "updated_at", "position", "description", "showcase",
    "start_date", "group_id", "page_id", "group", "only_show_if_degraded",
}  # fmt: skip
INCIDENT = {
    "id", "name", "status", "impact", "created_at", "updated_at", "started_at", "monitoring_at",
    "resolved_at", "shortlink", "page_id", "reminder_intervals", "incident_updates", "components",
}  # fmt: skip
UPDATE = {
    "id", "status", "body", "incident_id", "created_at", "updated_at", "display_at",
    "affected_components", "deliver_notifications", "custom_tweet", "tweet_id",
}  # fmt: skip
AFFECTED = {"code", "name", "old_status", "new_status"}
MAINTENANCE = INCIDENT | {"scheduled_for", "scheduled_until"}

DOCUMENTS = {
    "status": {"page", "status"},
    "summary": {"page", "status", "components", "incidents", "scheduled_maintenances"},
    "components": {"page", "components"},
    "incidents": {"page", "incidents"},
    "incidents/unresolved": {"page", "incidents"},
    "scheduled-maintenances": {"page", "scheduled_maintenances"},
    "scheduled-maintenances/upcoming": {"page", "scheduled_maintenances"},
    "scheduled-maintenances/active": {"page", "scheduled_maintenances"},
}


def verdict(service: str, status: Status) -> Verdict:
    return Verdict(ServiceId(service), status, NOW, 0.9, (Reason(ReasonCode.NO_EVIDENCE, NOW),))


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_every_document_has_its_fields_and_no_others(get: Get, name: str) -> None:
    document = await (await get(f"/api/v2/{name}.json")).json()

    assert set(document) == DOCUMENTS[name]
    assert set(document["page"]) == PAGE
    assert set(document.get("status", dict.fromkeys(STATUS))) == STATUS
    for component in document.get("components", []):
        assert set(component) == COMPONENT
    for incident in document.get("incidents", []):
        assert set(incident) == INCIDENT
        assert incident["incident_updates"]
        for update in incident["incident_updates"]:
            assert set(update) == UPDATE
            assert all(set(affected) == AFFECTED for affected in update["affected_components"])


async def test_the_first_update_of_an_incident_says_what_was_before_it(
    get: Get, record_verdict: Callable[..., Awaitable[None]]
) -> None:
    incident = Incident(
        IncidentId("new-1"),
        ServiceId("veo-3.1"),
        NOW,
        None,
        Status.SUSPENDED,
        (IncidentUpdate(NOW, Status.SUSPENDED, ()),),
    )
    await record_verdict(verdict("veo-3.1", Status.UNKNOWN))
    await record_verdict(
        replace(verdict("veo-3.1", Status.SUSPENDED), since=NOW),
        incident=incident,
    )

    found = (await (await get("/api/v2/incidents.json")).json())["incidents"]

    first = next(each for each in found if each["id"] == "new-1")["incident_updates"][-1]
    affected = first["affected_components"][0]
    assert (affected["old_status"], affected["new_status"]) == (
        "degraded_performance",
        "major_outage",
    )


async def test_a_plain_client_reads_the_indicator(get: Get) -> None:
    status = await (await get("/api/v2/status.json")).json()

    assert status["status"]["indicator"] == "minor"  # only resellers are in trouble


async def test_the_indicator_follows_the_state(get: Get, set_verdict: SetVerdict) -> None:
    for service in ("sora-2-reverse", "sora-2-pro-reverse", "veo-3.1"):
        set_verdict(verdict(service, Status.OPERATIONAL))

    assert (await (await get("/api/v2/status.json")).json())["status"]["indicator"] == "none"

    set_verdict(verdict("image", Status.SUSPENDED))

    assert (await (await get("/api/v2/status.json")).json())["status"]["indicator"] == "minor"


async def test_unresolved_incidents_are_those_without_an_end(get: Get) -> None:
    everything = await (await get("/api/v2/incidents.json")).json()
    unresolved = await (await get("/api/v2/incidents/unresolved.json")).json()

    assert {each["status"] for each in unresolved["incidents"]} == {"identified"}
    resolved = [each for each in everything["incidents"] if each["status"] == "resolved"]
    assert [each["id"] for each in resolved] == ["image-1"]
    assert resolved[0]["resolved_at"] == "2026-01-28T11:00:00.000Z"
    assert resolved[0]["incident_updates"][0]["status"] == "resolved"
    assert resolved[0]["components"][0]["name"] == "Sora Image"


@pytest.mark.parametrize("last", [Status.UNKNOWN, Status.RETIRED])
async def test_an_incident_that_ended_is_resolved_whatever_its_service_is_now(
    get: Get,
    record_verdict: Callable[..., Awaitable[None]],
    last: Status,
) -> None:
    over = new_incident("image-3", "image", Status.SUSPENDED, ended_at=NOW)
    end = replace(over.updates[-1], status=last)

    await record_verdict(
        verdict("image", last), incident=replace(over, updates=(over.updates[0], end))
    )

    everything = await (await get("/api/v2/incidents.json")).json()
    (found,) = [each for each in everything["incidents"] if each["id"] == "image-3"]
    assert found["status"] == "resolved"
    assert [each["status"] for each in found["incident_updates"]] == ["resolved", "investigating"]
    unresolved = await (await get("/api/v2/incidents/unresolved.json")).json()
    assert "image-3" not in {each["id"] for each in unresolved["incidents"]}


async def test_a_maintenance_under_way_is_a_scheduled_maintenance_and_no_incident(
    get: Get,
    record_verdict: Callable[..., Awaitable[None]],
) -> None:
    planned = Reason(
        ReasonCode.MAINTENANCE_SCHEDULED,
        NOW,
        {"until": "2026-01-28T16:00:00+00:00", "note": "disks"},
    )
    under_way = new_incident("image-2", "image", Status.MAINTENANCE, planned)

    await record_verdict(verdict("image", Status.MAINTENANCE), incident=under_way)

    active = await (await get("/api/v2/scheduled-maintenances/active.json")).json()
    (found,) = active["scheduled_maintenances"]
    assert set(found) == MAINTENANCE
    assert (found["status"], found["impact"]) == ("in_progress", "maintenance")
    assert found["scheduled_until"] == "2026-01-28T16:00:00.000Z"
    unresolved = await (await get("/api/v2/incidents/unresolved.json")).json()
    assert "image-2" not in {each["id"] for each in unresolved["incidents"]}


async def test_an_announced_maintenance_is_upcoming(
    get: Get, add_evidence: Callable[[Evidence], None]
) -> None:
    add_evidence(
        Evidence(
            ServiceId("image"), NOW + timedelta(hours=2), Source.FEED,
            claimed_status=Status.MAINTENANCE, until=NOW + timedelta(hours=3), note="new disks",
        )
    )  # fmt: skip

    upcoming = await (await get("/api/v2/scheduled-maintenances/upcoming.json")).json()

    (found,) = upcoming["scheduled_maintenances"]
    assert set(found) == MAINTENANCE
    assert found["status"] == "scheduled"
    assert found["scheduled_for"] == "2026-01-28T16:00:00.000Z"


def test_what_is_unknown_is_neither_up_nor_an_outage() -> None:
    assert component_status(Status.UNKNOWN) == "degraded_performance"
    for statuses in ([Status.UNKNOWN], [Status.UNKNOWN, Status.OPERATIONAL]):
        found = statuspage_status(
            [WeighedStatus(each, 1.0, is_principal=True) for each in statuses]
        )

        assert found.description == "Partially Unknown"


async def test_the_indicator_of_the_api_weighs_the_services(get: Get) -> None:
    for path in ("status", "summary"):
        found = await (await get(f"/api/v2/{path}.json")).json()

        assert found["status"] == {
            "indicator": "minor",
            "description": "Partially Degraded Service",
        }
