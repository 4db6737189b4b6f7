"""Attempts are stored although the database is unavailable or its response is lost."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tallylight.errors import StorageError
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.probes.settlement import ProbeSettlement

Start = Callable[..., Awaitable[Any]]

OFFICIAL = "sora-2-official"


@pytest.fixture
async def prepared(start: Start) -> tuple[Any, ProbeSettlement, Attempt]:
    """Return an environment, its settlement, and a stored attempt."""
    env = await start(OFFICIAL)
    attempt = await env.paid_probes.prepare(env.services[OFFICIAL])
    return env, ProbeSettlement(env.board, env.history, env.clock), attempt


async def test_a_write_is_retried_while_the_database_is_unavailable(
    prepared: tuple[Any, ProbeSettlement, Attempt],
) -> None:
    env, settlement, attempt = prepared
    misses = iter([True, True, True, False])

    async def write() -> Attempt:
        if next(misses):
            raise StorageError("database: away")
        accepted: Attempt = await env.history.attempts.mark_accepted(
            attempt.id, "video_1", env.clock.now()
        )
        return accepted

    stored = await settlement._write_state(attempt, AttemptState.ACCEPTED, write)

    assert stored.job == "video_1"


async def test_a_commit_whose_response_was_lost_counts_as_stored(
    prepared: tuple[Any, ProbeSettlement, Attempt],
) -> None:
    env, settlement, attempt = prepared
    before = env.clock.now()

    async def write() -> Attempt:
        await env.history.attempts.mark_accepted(attempt.id, "video_1", env.clock.now())
        raise StorageError("database: connection reset by peer")

    stored = await settlement._write_state(attempt, AttemptState.ACCEPTED, write)

    assert stored.state is AttemptState.ACCEPTED
    assert (env.clock.now() - before).total_seconds() < 60
