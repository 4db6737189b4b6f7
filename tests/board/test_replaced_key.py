"""A key that a reload has replaced: what earlier requests met says nothing about the new one."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import VirtualClock
from tallylight.documents.secret import Secret
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Block
from tallylight.storage.database import Storage, open_storage
from tallylight.verdicts.options import PolicyOptions
from tests.builders import service_named

SORA = ServiceId("sora")
MINUTE = timedelta(minutes=1)
REFUSED = Failure(FailureKind.AUTH, Fault.OURS, "status:401", http_status=401)


def keyed(key: str) -> Service:
    service = service_named("sora")
    return replace(service, upstream=replace(service.upstream, key=Secret(key)))


@pytest.fixture
async def board(storage: Storage, clock: VirtualClock) -> Board:
    board = Board(storage, clock)
    await board.apply_config([keyed("old")], PolicyOptions())
    return board


async def report_refusal(board: Board, clock: VirtualClock, *, minutes_ago: float = 0) -> None:
    now = clock.now()
    evidence = Evidence(SORA, now, Source.ACCEPTANCE, failure=REFUSED)
    await board.report(evidence, now - minutes_ago * MINUTE)


async def test_only_a_request_that_began_with_the_new_key_blocks_it(
    board: Board, clock: VirtualClock
) -> None:
    await clock.advance(10 * MINUTE)
    await board.apply_config([keyed("new")], PolicyOptions())
    await clock.advance(2 * MINUTE)
    await report_refusal(board, clock, minutes_ago=5)
    earlier = board.verdict(SORA).blocked
    await report_refusal(board, clock, minutes_ago=1)

    assert earlier is None
    assert board.verdict(SORA).blocked is Block.AUTH


async def test_a_reload_with_the_same_key_begins_no_period(
    board: Board, clock: VirtualClock
) -> None:
    await clock.advance(10 * MINUTE)
    await board.apply_config([keyed("old")], PolicyOptions())
    await report_refusal(board, clock, minutes_ago=5)

    assert board.verdict(SORA).blocked is Block.AUTH


async def test_a_key_that_is_changed_back_begins_a_period_of_its_own(
    board: Board, clock: VirtualClock
) -> None:
    for key in ("new", "old"):
        await clock.advance(10 * MINUTE)
        await board.apply_config([keyed(key)], PolicyOptions())
    await clock.advance(MINUTE)
    await report_refusal(board, clock, minutes_ago=15)

    assert board.verdict(SORA).blocked is None


async def test_a_restart_finds_the_same_block_in_the_evidence(
    board: Board, storage: Storage, clock: VirtualClock, file: Path
) -> None:
    await clock.advance(10 * MINUTE)
    await board.apply_config([keyed("new")], PolicyOptions())
    await clock.advance(MINUTE)
    await report_refusal(board, clock, minutes_ago=5)
    await storage.flush()

    async with open_storage(f"sqlite:///{file}", clock) as other:
        restarted = Board(other, clock)
        await restarted.apply_config([keyed("new")], PolicyOptions())

    assert restarted.verdict(SORA).blocked is None
    assert len(await storage.evidence(SORA)) == 1


async def test_a_job_of_an_earlier_process_does_not_block_the_key_of_this_one(
    board: Board, clock: VirtualClock
) -> None:
    await clock.advance(MINUTE)
    await report_refusal(board, clock, minutes_ago=5)

    assert board.verdict(SORA).blocked is None


async def test_the_period_of_a_key_survives_a_change_of_role(
    board: Board, storage: Storage, clock: VirtualClock
) -> None:
    await clock.advance(10 * MINUTE)
    await board.apply_config([keyed("new")], PolicyOptions())
    period = board.key_period(SORA)
    await clock.advance(MINUTE)

    await board.change_role(ReadOnlyStorage(storage), is_leader=False)

    assert board.key_period(SORA) == period


async def test_a_follower_that_still_has_the_old_key_does_not_block_the_new_one(
    board: Board, storage: Storage, clock: VirtualClock
) -> None:
    follower = Board(ReadOnlyStorage(storage), clock, is_leader=False)
    await follower.apply_config([keyed("old")], PolicyOptions())
    await clock.advance(10 * MINUTE)
    await board.apply_config([keyed("new")], PolicyOptions())
    await clock.advance(MINUTE)
    await report_refusal(follower, clock)
    seen_there = follower.verdict(SORA).blocked

    await storage.forwarded_evidence.buffer.flush()
    await storage.forwarded_evidence.consume(board.apply)
    await storage.flush()
    await clock.advance(timedelta(seconds=10))
    await follower.catch_up()
    await follower.advance_time()

    assert seen_there is Block.AUTH
    assert board.verdict(SORA).blocked is None
    assert follower.verdict(SORA).blocked is None


async def test_a_key_that_a_follower_has_replaced_is_not_blocked_by_its_earlier_jobs(
    board: Board, storage: Storage, clock: VirtualClock
) -> None:
    follower = Board(ReadOnlyStorage(storage), clock, is_leader=False)
    await follower.apply_config([keyed("old")], PolicyOptions())
    for each in (board, follower):
        await each.apply_config([keyed("new")], PolicyOptions())
    await clock.advance(10 * MINUTE)

    await report_refusal(follower, clock, minutes_ago=11)
    await storage.forwarded_evidence.buffer.flush()
    await storage.forwarded_evidence.consume(board.apply)

    assert follower.verdict(SORA).blocked is board.verdict(SORA).blocked is None
