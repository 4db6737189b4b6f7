"""Metrics and health checks."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.status.requests import PageContext

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
Get = Callable[..., Awaitable[aiohttp.ClientResponse]]


async def samples(get: Get) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = await (await get("/metrics")).text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**pairs: str) -> frozenset[tuple[str, str]]:
    return frozenset(pairs.items())


async def test_exactly_one_status_of_a_service_is_1(get: Get) -> None:
    found = await samples(get)

    by_status = {
        dict(named)["status"]: value
        for (name, named), value in found.items()
        if name == "tallylight_service_status" and dict(named)["service"] == "sora-2-pro-reverse"
    }
    assert len(by_status) == 7
    assert [status for status, value in by_status.items() if value] == ["suspended"]


async def test_a_scrape_has_since_confidence_latency_and_budgets(get: Get) -> None:
    found = await samples(get)

    named = labels(service="sora-2-reverse")
    since = datetime(2026, 1, 28, 9, 0, tzinfo=UTC).timestamp()
    assert found["tallylight_service_status_since_timestamp_seconds", named] == since
    assert found["tallylight_service_confidence_ratio", named] == 0.97
    reach = labels(service="image", source="reach")
    assert found["tallylight_latency_seconds", reach] == pytest.approx(0.062)
    assert found["tallylight_budget_limit_usd", labels(scope="total", window="24h")] == 5.0
    assert found["tallylight_budget_spent_usd", labels(scope="image", window="24h")] == 0.0
    assert [name for name, _ in found if name == "tallylight_build_info"]


async def test_a_scrape_says_which_status_pages_could_be_read(
    get: Get, add_evidence: Callable[[Evidence], None]
) -> None:
    add_evidence(
        Evidence(ServiceId("sora-2-official"), NOW, Source.FEED, claimed_status=Status.UNKNOWN)
    )

    found = await samples(get)

    assert found["tallylight_feed_readable", labels(service="sora-2-official")] == 0.0
    assert found["tallylight_feed_readable", labels(service="image")] == 1.0


async def test_a_scrape_has_no_series_of_a_service_that_is_gone(get: Get, app: Starlette) -> None:
    registry = CollectorRegistry()
    attempts = Counter("attempts", "x", ["service"], registry=registry)
    attempts.labels("image").inc()
    attempts.labels("gone").inc()
    context = app.state.context
    app.state.context = replace(context, sources=replace(context.sources, metrics=registry))
    app.state.broadcaster.evidence_counts["gone", Source.REACH, "good"] += 1

    text = await (await get("/metrics")).text()

    assert 'attempts_total{service="image"}' in text
    assert "gone" not in text


async def test_a_process_that_answers_is_alive_and_ready(get: Get) -> None:
    alive, ready = await get("/healthz"), await get("/readyz")

    assert (alive.status, await alive.json()) == (200, {"alive": True})
    assert (ready.status, await ready.json()) == (
        200,
        {
            "ready": True,
            "database": "ok",
            "alerts": {},
            "role": "leader",
            "probes": "running",
        },
    )


async def test_a_process_that_does_not_probe_is_not_ready(get: Get, app: Starlette) -> None:
    context = app.state.context
    assert isinstance(context, PageContext)
    app.state.context = replace(context, sources=replace(context.sources, is_ready=lambda: False))

    ready = await get("/readyz")

    assert (ready.status, (await ready.json())["probes"]) == (503, "not running")


async def test_an_unreadable_database_is_a_503(get: Get, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"no database " * 1000)
    (tmp_path / "history.db-wal").unlink(missing_ok=True)

    ready, page, answer = await get("/readyz"), await get("/"), await get("/api/services")

    assert ready.status == 503
    assert (page.status, answer.status) == (503, 503)
    assert await answer.json() == {"detail": "The database does not answer; try again soon."}


async def test_a_database_that_was_deleted_or_replaced_is_not_ready(
    get: Get, tmp_path: Path
) -> None:
    (tmp_path / "history.db").rename(tmp_path / "moved.db")
    (tmp_path / "history.db").touch()

    ready = await get("/readyz")

    assert (ready.status, (await ready.json())["database"]) == (503, "unavailable")
