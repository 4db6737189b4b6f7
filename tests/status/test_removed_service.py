"""What is kept of a service that was removed from the configuration stays readable by its id."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Transition, Verdict
from tallylight.storage.transition_record import TransitionRecord

if TYPE_CHECKING:
    from tests.status.conftest import Backend

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]

REMOVED = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
OLD = ServiceId("sora-1")
BEGAN, DOWN = REMOVED - timedelta(days=10), REMOVED - timedelta(days=2)


@pytest.fixture(autouse=True)
async def _six_days_ago(backend: "Backend") -> None:
    """Let a service be removed while it is down; six days pass."""
    unknown, up, down = (
        Verdict(OLD, status, since, 1.0, ())
        for status, since in (
            (Status.UNKNOWN, BEGAN),
            (Status.OPERATIONAL, BEGAN),
            (Status.SUSPENDED, DOWN),
        )
    )
    incident = Incident(IncidentId("sora-1-1"), OLD, DOWN, None, Status.SUSPENDED, ())
    records = [
        TransitionRecord(OLD, Transition(OLD, BEGAN, BEGAN, unknown, up), "{}", None),
        TransitionRecord(OLD, Transition(OLD, DOWN, DOWN, up, down), "{}", incident),
    ]
    backend.history.add_evidence(Evidence(OLD, REMOVED, Source.REACH))
    await backend.history.record_transitions(lambda: records)
    await backend.clock.advance(timedelta(days=6))


async def test_its_history_ends_with_its_removal(get: Get) -> None:
    history = await (await get("/api/services/sora-1/history")).json()
    evidence = await (await get("/api/services/sora-1/evidence")).json()

    assert (history["id"], history["name"]) == (OLD, OLD)
    assert history["removed_at"].startswith("2026-01-28T14:00:0")
    month = {each["window"]: each for each in history["uptimes"]}["30d"]
    assert (round(month["uptime"], 3), round(month["coverage"], 3)) == (0.8, 0.625)
    (incident,) = history["incidents"]
    assert incident["ended_at"] == history["removed_at"]
    assert [each["source"] for each in evidence] == ["reach"]


async def test_its_page_says_when_it_was_removed_and_what_is_kept(get: Get) -> None:
    answer = await get("/services/sora-1")

    page = await answer.text()
    assert answer.status == 200
    assert "This service was removed from the configuration on 28 January 2026." in page
    assert "single checks are kept for another 24 d" in page
    assert "lasted 2 d" in page
    assert "lasted 2 d" in await (await get("/incidents/sora-1-1")).text()
    assert (await get("/services/sora-1/card")).status == 404


async def test_it_counts_nowhere(get: Get) -> None:
    overall = await (await get("/overview")).text()
    uptimes = await (await get("/api/uptime")).json()
    feed = await (await get("/api/v2/incidents/unresolved.json")).json()

    assert "of 6 services" in overall
    assert OLD not in {each["id"] for each in uptimes}
    assert "sora-1" not in {each["id"] for each in feed["incidents"]}
    assert "ongoing for 8 d" not in await (await get("/")).text()


async def test_its_badge_and_its_verdict_say_that_it_was_removed(get: Get) -> None:
    badge = await get("/badge/sora-1.json")
    verdict = await get("/api/services/sora-1")

    assert (badge.status, (await badge.json())["message"]) == (200, "removed")
    assert verdict.status == 404
    assert (await verdict.json())["detail"] == (
        "Service sora-1 was removed from the configuration on 2026-01-28; "
        "/api/services/sora-1/history still has its history."
    )


async def test_its_feed_has_its_incidents(get: Get) -> None:
    feed = await get("/services/sora-1/feed.rss")

    assert feed.status == 200
    assert "<title>sora-1: " in await feed.text()


async def test_a_configured_service_has_a_history_too(get: Get) -> None:
    history = await (await get("/api/services/sora-2-pro-reverse/history")).json()

    assert (history["removed_at"], len(history["uptimes"])) == (None, 5)
    assert history["incidents"][0]["ended_at"] is None


@pytest.mark.parametrize("path", ["/api/services/{}", "/api/services/{}/history"])
async def test_an_id_that_never_was_is_refused_with_the_nearest(get: Get, path: str) -> None:
    answer = await get(path.format("sora-2-offical"))

    assert answer.status == 404
    assert (await answer.json())["detail"] == (
        "There is no service sora-2-offical. Did you mean sora-2-official?"
    )
