"""What a paid probe is settled at, and how its end is stored."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from tallylight.catalogue.services import BillingBasis
from tallylight.errors import StorageError
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ledger import EntryState
from tallylight.simulator.scenario import Billing
from tests.servers import serving

Start = Callable[..., Awaitable[Any]]

OFFICIAL = "sora-2-official"

COMPLETED = {"status": "completed", "progress": 100}
FAILED = {"status": "failed", "error": {"code": "internal_error", "message": "render failed"}}


@asynccontextmanager
async def upstream_whose_job(**end: object) -> AsyncIterator[str]:
    """Serve an upstream whose only job ends like this, and delivers a byte; give its address."""
    job = {"id": "job_1", "object": "video", "status": "queued", "progress": 0}

    async def create(_: web.Request) -> web.Response:
        return web.json_response(job)

    async def poll(_: web.Request) -> web.Response:
        return web.json_response(job | end)

    async def content(_: web.Request) -> web.Response:
        return web.Response(body=b"x", content_type="video/mp4")

    app = web.Application()
    app.router.add_post("/v1/videos", create)
    app.router.add_get("/v1/videos/job_1", poll)
    app.router.add_get("/v1/videos/job_1/content", content)
    async with serving(app) as host:
        yield f"http://{host}/v1"


@pytest.mark.parametrize(
    ("bills", "end", "state", "entry_state", "amount"),
    [
        (BillingBasis.DELIVERIES, COMPLETED | {"usage": {"cost": 0.03}}, "failed", "settled", 0.03),
        (BillingBasis.DELIVERIES, FAILED | {"usage": {"cost": 0.02}}, "failed", "settled", 0.02),
        (BillingBasis.ACCEPTANCES, FAILED | {"usage": {"cost": 0.02}}, "failed", "settled", 0.02),
        (BillingBasis.ACCEPTANCES, FAILED, "failed", "settled", 0.40),
        (BillingBasis.DELIVERIES, FAILED, "failed", "released", 0),
    ],
    ids=["defective", "failed", "failed and billed", "failed, cost not told", "failed and free"],
)
async def test_a_probe_costs_what_the_upstream_says_it_took(  # noqa: PLR0913, PLR0917
    start: Start,
    bills: BillingBasis,
    end: dict[str, object],
    state: str,
    entry_state: str,
    amount: float,
) -> None:
    async with upstream_whose_job(**end) as base_url:
        env = await start(OFFICIAL, base_url=base_url, bills=bills)
        found = await env.generate(OFFICIAL)

    (entry,) = await env.entries(OFFICIAL)
    assert found.is_bad
    assert (await env.attempt()).state is AttemptState(state)
    assert entry.state is EntryState(entry_state)
    assert entry.amount == Decimal(str(amount))


async def test_evidence_that_cannot_be_stored_at_once_is_stored_before_the_probe_ends(
    start: Start,
) -> None:
    env = await start(OFFICIAL, billing=Billing.BILLS_DELIVERIES)
    flush, misses = env.history.flush, iter([True, True])
    open_probes_at_misses = []

    async def flush_or_miss() -> None:
        if next(misses, False):
            open_probes_at_misses.append(len(await env.paid_probes.open_probes()))
            raise StorageError("database: away")
        await flush()

    env.history.flush = flush_or_miss
    found = await env.generate(OFFICIAL)

    assert found.failure is None
    assert open_probes_at_misses == [1, 1]
    assert await env.outcomes(OFFICIAL) == [found]
