"""Attempts are stored although the database is unavailable or its response is lost."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tallylight.errors import StorageError
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.probes.settlement import ProbeSettlement

Start = Callable[..., Awaitable[Any]]

OFFICIAL = "sora-2-official"


@pytest.fixture
async def prepared(start: Start) -> tuple[Any, ProbeSettlement, Attempt]:
    """Return an environment, its settlement, and a stored attempt."""
    house = await start(OFFICIAL)
    attempt = await house.generations.prepare(house.services[OFFICIAL])
    return house, ProbeSettlement(house.board, house.history, house.clock), attempt


async def test_a_write_is_retried_while_the_database_is_unavailable(
    prepared: tuple[Any, ProbeSettlement, Attempt],
) -> None:
    house, settlement, attempt = prepared
    misses = iter([True, True, True, False])

    async def write() -> Attempt:
        if next(misses):
            raise StorageError("database: away")
        accepted: Attempt = await house.history.attempts.mark_accepted(
            attempt.id, "video_1", house.clock.now()
        )
        return accepted

    stored = await settlement._write_state(attempt, AttemptState.ACCEPTED, write)

    assert stored.job == "video_1"


async def test_a_commit_whose_response_was_lost_counts_as_stored(
    prepared: tuple[Any, ProbeSettlement, Attempt],
) -> None:
    house, settlement, attempt = prepared
    before = house.clock.now()

    async def write() -> Attempt:
        await house.history.attempts.mark_accepted(attempt.id, "video_1", house.clock.now())
        raise StorageError("database: connection reset by peer")

    stored = await settlement._write_state(attempt, AttemptState.ACCEPTED, write)

    assert stored.state is AttemptState.ACCEPTED
    assert (house.clock.now() - before).total_seconds() < 60
