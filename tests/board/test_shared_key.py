"""Services that share a key: what an order of one says about the others."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import VirtualClock
from tallylight.documents.secret import Secret
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block
from tallylight.storage.database import Storage
from tallylight.verdicts.options import PolicyOptions
from tests.builders import service_named

SORA, VEO, KLING = ServiceId("sora"), ServiceId("veo"), ServiceId("kling")
MINUTE = timedelta(minutes=1)
EMPTY = Failure(FailureKind.QUOTA, Fault.OURS, "status:402", http_status=402)
LIMITED = Failure(FailureKind.RATE_LIMITED, Fault.OURS, "status:429", http_status=429)


def keyed(name: str, key: str) -> Service:
    service = service_named(name)
    return replace(service, upstream=replace(service.upstream, key=Secret(key)))


@pytest.fixture
async def board(storage: Storage, clock: VirtualClock) -> Board:
    board = Board(storage, clock)
    services = [keyed("sora", "shared"), keyed("veo", "shared"), keyed("kling", "another")]
    await board.apply_config(services, PolicyOptions())
    for service in (SORA, VEO, KLING):
        await board.report(Evidence(service, clock.now(), Source.GENERATION))
    return board


async def refuse(
    board: Board, clock: VirtualClock, failure: Failure, *services: ServiceId, times: int = 4
) -> None:
    for _ in range(times):
        await clock.advance(5 * MINUTE)
        for service in services:
            await board.report(Evidence(service, clock.now(), Source.GENERATION, failure))


@pytest.mark.parametrize(("failure", "block"), [(EMPTY, Block.QUOTA), (LIMITED, Block.RATE)])
async def test_an_order_accepted_with_the_same_key_clears_its_other_services(
    board: Board, clock: VirtualClock, failure: Failure, block: Block
) -> None:
    await refuse(board, clock, failure, SORA, VEO, KLING)
    before = [board.verdict(id_).blocked for id_ in (SORA, VEO, KLING)]

    await board.report(Evidence(VEO, clock.now() + MINUTE, Source.ACCEPTANCE))

    assert before == [block, block, block]
    assert [board.verdict(id_).blocked for id_ in (SORA, VEO, KLING)] == [None, None, block]


async def test_a_service_whose_own_orders_are_refused_again_is_cleared_by_one_of_its_own(
    board: Board, clock: VirtualClock
) -> None:
    await refuse(board, clock, EMPTY, SORA)
    await board.report(Evidence(VEO, clock.now() + MINUTE, Source.ACCEPTANCE))
    await refuse(board, clock, EMPTY, SORA, times=1)

    await board.report(Evidence(VEO, clock.now() + MINUTE, Source.ACCEPTANCE))
    still = board.verdict(SORA).blocked
    await board.report(Evidence(SORA, clock.now() + MINUTE, Source.ACCEPTANCE))

    assert still is Block.QUOTA
    assert board.verdict(SORA).blocked is None


class BusyStorage:
    """Storage in which jobs of some services are under way, or which cannot be reached."""

    def __init__(self, storage: Storage, busy: Collection[ServiceId] | None) -> None:
        self._storage, self._busy = storage, busy

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    async def had_jobs(self, services: Collection[ServiceId], _: datetime, __: timedelta) -> bool:
        if self._busy is None:
            raise StorageError("database: away")
        return not set(services).isdisjoint(self._busy)


@pytest.mark.parametrize(
    ("busy", "status"),
    [
        ((), Status.DEGRADED),
        ((KLING,), Status.DEGRADED),
        ((VEO,), Status.OPERATIONAL),
        (None, Status.OPERATIONAL),
    ],
)
async def test_refusals_say_nothing_while_jobs_with_the_same_key_may_be_under_way(
    storage: Storage, clock: VirtualClock, busy: Collection[ServiceId] | None, status: Status
) -> None:
    board = Board(BusyStorage(storage, busy), clock)  # type: ignore[arg-type]  # it delegates
    services = [keyed("sora", "shared"), keyed("veo", "shared"), keyed("kling", "another")]
    await board.apply_config(services, PolicyOptions())
    await board.report(Evidence(SORA, clock.now(), Source.GENERATION))

    await refuse(board, clock, LIMITED, SORA)

    assert board.verdict(SORA).status is status
    assert board.verdict(SORA).blocked is Block.RATE
