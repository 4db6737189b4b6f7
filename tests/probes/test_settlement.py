"""What must be written down is, though the database is away or its answer gets lost."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tallylight.errors import StorageError
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.probes.settlement import ProbeSettlement

Start = Callable[..., Awaitable[Any]]

OFFICIAL = "sora-2-official"


@pytest.fixture
async def placed(start: Start) -> tuple[Any, ProbeSettlement, Attempt]:
    """Give a house, what settles there, and an attempt that was written down."""
    house = await start(OFFICIAL)
    attempt = await house.generations.prepare(house.services[OFFICIAL])
    return house, ProbeSettlement(house.board, house.history, house.clock), attempt


async def test_a_database_that_is_away_is_waited_for(
    placed: tuple[Any, ProbeSettlement, Attempt],
) -> None:
    house, settling, attempt = placed
    misses = iter([True, True, True, False])

    async def write() -> Attempt:
        if next(misses):
            raise StorageError("database: away")
        accepted: Attempt = await house.history.attempts.accept(
            attempt.id, "video_1", house.clock.now()
        )
        return accepted

    stands = await settling._become(attempt, AttemptState.ACCEPTED, write)

    assert stands.job == "video_1"


async def test_a_commit_whose_answer_got_lost_is_found_to_stand(
    placed: tuple[Any, ProbeSettlement, Attempt],
) -> None:
    house, settling, attempt = placed
    before = house.clock.now()

    async def write() -> Attempt:
        await house.history.attempts.accept(attempt.id, "video_1", house.clock.now())
        raise StorageError("database: connection reset by peer")

    stands = await settling._become(attempt, AttemptState.ACCEPTED, write)

    assert stands.state is AttemptState.ACCEPTED
    assert (house.clock.now() - before).total_seconds() < 60
