"""What the official status page claims, on pages, in the API and in the report."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.catalogue.services import Feed
from tallylight.i18n import Language, translator
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.status.views.claims import AnnouncedMaintenance, announcement_lines
from tallylight.storage.database import Storage
from tallylight.upstreams.feeds.claims import (
    KEPT,
    ClaimedComponent,
    ClaimedEvent,
    PageClaims,
    claims_name,
    dump_claims,
)
from tallylight.verdicts.feed_trust import FeedTrust
from tallylight.verdicts.judge import initial_state
from tallylight.verdicts.state import FeedClaim
from tests.status.conftest import NOW, Backend, Get, new_service

HOURS = timedelta(hours=1)
CLAIMS = PageClaims(
    since=NOW - KEPT,
    read_at=NOW,
    components=tuple(
        ClaimedComponent(str(n), name, Status.OPERATIONAL)
        for n, name in enumerate(("Create", "Queue", "Render", "Download", "Playback <b>"))
    ),
    events=(
        ClaimedEvent("m", "Upgrade", Status.MAINTENANCE, NOW + 24 * HOURS, NOW + 25 * HOURS),
        ClaimedEvent("i", "Jobs <fail>", Status.SUSPENDED, NOW - 80 * HOURS, NOW - 8 * HOURS),
    ),
)


@pytest.fixture
async def claimed(history: Storage) -> None:
    """Store what the page of the official services claims."""
    feed = Feed("incident_io", "https://status.example.com")
    await history.save_component_state(claims_name(feed), dump_claims(CLAIMS))


@pytest.mark.usefixtures("claimed")
async def test_the_services_page_shows_what_the_official_page_claims(get: Get) -> None:
    page = await (await get("/services/sora-2-official")).text()

    for shown in (
        "Status page 90%, measured 100%",
        "Planned maintenance: Upgrade: 29 Jan at 14:00 UTC to 29 Jan at 15:00 UTC",
        "Jobs &lt;fail&gt;",
        "Playback &lt;b&gt;",
    ):
        assert shown in page


@pytest.mark.usefixtures("claimed")
async def test_the_api_has_the_claims_beside_the_measurement(get: Get) -> None:
    page = (await (await get("/api/services/sora-2-official")).json())["official_page"]

    assert (page["claimed_availability"], page["measured_availability"]) == (0.9, 1.0)
    assert len(page["components"]) == 5
    assert [each["title"] for each in page["planned_maintenances"]] == ["Upgrade"]
    assert [each["title"] for each in page["events"]] == ["Jobs <fail>"]


@pytest.mark.usefixtures("claimed")
async def test_the_report_has_the_claims_and_the_planned_maintenance(get: Get) -> None:
    page = await (await get("/report")).text()
    found = await (await get("/api/report")).json()

    assert "Status page 90%, measured 100%" in page
    assert "Upgrade: 29 Jan at 14:00 UTC" in page
    assert found["services"][0]["claimed_availability"] == 0.9


@pytest.mark.usefixtures("claimed")
async def test_the_page_and_the_apis_tell_once_what_is_announced(get: Get) -> None:
    page = await (await get("/")).text()
    report = await (await get("/api/report")).json()
    summary = await (await get("/api/v2/summary.json")).json()
    upcoming = await (await get("/api/v2/scheduled-maintenances/upcoming.json")).json()

    official = [each["id"] for each in report["services"] if each["access"] == "official"]
    assert page.count("Upgrade: 29 Jan at 14:00 UTC to 29 Jan at 15:00 UTC · ") == 1
    assert report["planned_maintenances"] == [
        {
            "title": "Upgrade",
            "start": "2026-01-29T14:00:00Z",
            "end": "2026-01-29T15:00:00Z",
            "services": official,
        }
    ]
    found = upcoming["scheduled_maintenances"]
    assert [each["components"][0]["id"] for each in found] == official
    assert {each["status"] for each in found} == {"scheduled"}
    assert {each["scheduled_for"] for each in found} == {"2026-01-29T14:00:00.000Z"}
    assert summary["scheduled_maintenances"] == found


def test_many_announcements_are_counted() -> None:
    service = new_service("sora", "Sora")
    events = (
        ClaimedEvent(str(n), f"Upgrade {n}", Status.MAINTENANCE, NOW + n * HOURS, None)
        for n in range(12)
    )
    announced = [AnnouncedMaintenance(event, (service,) * 4) for event in events]

    lines = announcement_lines(announced, NOW, translator(Language.EN))

    assert lines[0] == "Upgrade 0: from 14:00 UTC · 4 services"
    assert len(lines) == 11
    assert lines[-1] == "2 more maintenances"


async def test_a_page_that_was_not_read_claims_nothing(get: Get) -> None:
    assert (await (await get("/api/services/sora-2-official")).json())["official_page"] is None


async def test_the_api_tells_how_often_the_page_has_agreed_with_jobs(
    get: Get, backend: Backend
) -> None:
    id_ = ServiceId("sora-2-official")
    trust = FeedTrust(agreed=4, denied=1, green_agreed=2)
    backend.board.states[id_] = replace(initial_state(id_, NOW), feed=FeedClaim(trust=trust))

    official = await (await get(f"/api/services/{id_}")).json()
    reverse = await (await get("/api/services/sora-2-reverse")).json()

    assert official["feed_trust"] == {
        "is_used": False,
        "red": 0.5,
        "green": 0.5,
        "agreed": 4,
        "denied": 1,
        "green_agreed": 2,
        "green_denied": 0,
    }
    assert reverse["feed_trust"] is None
