"""Named orders of faults that broke simpler designs, on the real engine and the real databases."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tallylight.model.attempt_state import AttemptState
from tallylight.model.video import VideoStatus
from tests.jobs import engine_orders as orders
from tests.jobs.stepped_calls import CallFate, CallKind
from tests.jobs.stepped_world import World, repeatable
from tests.jobs.upstream_twins import BLIND, CANCELLING, LISTING, REFUNDING, CreateAnswer
from tests.jobs.world_configuration import CALLERS
from tests.jobs.world_database import Database

ACCEPTED, DELIVERED = AttemptState.ACCEPTED, AttemptState.DELIVERED
REFUSED = AttemptState.REFUSED


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Give two processes on a database; in the end all go on, and everything is checked."""
    address = f"sqlite:///{tmp_path}/world.db"
    if request.param == "postgresql":
        address = request.getfixturevalue("new_postgres")(None)
    with closing(Database(address, tmp_path)) as database, repeatable():
        world = World(database)
        world.start_process()
        world.start_process()
        yield world
        world.check()
        world.go_on_to_the_end()
        world.close()


def statuses(world: World) -> list[str]:
    return [row.status for row in world.database.read().videos]


def test_a_sender_that_wakes_too_late_does_not_send(world: World) -> None:
    orders.a_sender_wakes_too_late(world)

    assert orders.states(world) == [(LISTING, REFUSED), (CANCELLING, ACCEPTED)]
    assert [sent.upstream for sent in world.twins.sent] == [CANCELLING]


def test_a_create_that_may_still_be_accepted_is_not_absent(world: World) -> None:
    orders.a_create_is_accepted_late(world)

    assert orders.states(world) == [(LISTING, DELIVERED)]


def test_a_job_that_may_still_be_listed_is_not_absent(world: World) -> None:
    orders.a_job_is_listed_late(world)

    assert orders.states(world) == [(LISTING, DELIVERED)]


def test_a_create_without_a_response_is_not_sent_on(world: World) -> None:
    orders.a_response_is_lost(world)

    assert orders.states(world) == [(LISTING, DELIVERED)]


def test_an_answer_that_is_heard_after_a_take_over_counts(world: World) -> None:
    orders.an_answer_is_heard_after_a_take_over(world)

    assert orders.states(world) == [(BLIND, DELIVERED)]


def test_a_decision_from_old_knowledge_is_made_again(world: World) -> None:
    orders.an_answer_overtakes_an_end(world)

    assert orders.states(world) == [(BLIND, DELIVERED)]


def test_a_decision_of_a_former_owner_is_lost(world: World) -> None:
    orders.an_old_owner_sends_on_late(world)

    assert [sent.upstream for sent in world.twins.sent] == [LISTING, CANCELLING]


def test_a_write_that_hangs_while_its_process_claims_the_video_anew_is_lost(world: World) -> None:
    orders.a_process_claims_its_own_video_anew(world)

    assert [sent.upstream for sent in world.twins.sent] == [LISTING, CANCELLING]


def test_a_create_whose_caller_was_refused_is_never_sent(world: World) -> None:
    orders.a_create_lands_late(world)

    assert world.twins.sent == []
    assert not any(world.callers.granted.values())


def test_a_listed_job_is_of_one_video(world: World) -> None:
    orders.equal_orders_are_in_doubt(world)

    assert orders.states(world) == [
        (LISTING, DELIVERED),
        (LISTING, REFUSED),
        (CANCELLING, DELIVERED),
    ]


def test_a_stalled_job_that_its_upstream_denies_is_polled_at_intervals(world: World) -> None:
    orders.a_missing_job_stalls(world)  # `flow` fails if its process does not come to rest

    assert orders.states(world) == [(REFUNDING, AttemptState.MISSING)]


def test_a_decision_that_is_repeated_is_written_once(world: World) -> None:
    first = world.processes[0]
    orders.sent_video(world, "listed")
    orders.answer(world, CreateAnswer.REFUSE)
    world.step(first, 2)  # it records the refusal and reads the limits
    world.step(first, 1)

    orders.settle_commit(world, first, CallFate.UNHEARD)
    world.flow(1)

    assert orders.states(world) == [(LISTING, REFUSED), (CANCELLING, ACCEPTED)]


def test_the_end_of_a_video_that_is_repeated_sends_its_webhooks_once(world: World) -> None:
    first = world.processes[0]
    orders.sent_video(world, "listed")
    world.flow(50)
    world.wait(20)  # the job is done
    while [call.kind for call in first.pending] != [CallKind.COMMIT]:
        world.step(first, 1)

    orders.settle_commit(world, first, CallFate.UNHEARD)
    assert statuses(world) == [VideoStatus.COMPLETED.value]
    world.flow(1)

    assert set(world.database.read().message_counts.values()) == {1}


def test_an_idempotency_key_makes_one_video_at_two_processes(world: World) -> None:
    for process in world.processes:
        world.create(process, CALLERS[0], "listed", "a film", "once")
    for process in world.processes:
        world.step(process, 1)  # both read that there is none

    world.flow(30)

    assert len(statuses(world)) == 1
    assert len(world.callers.told) == 1


def test_an_idempotency_key_outlives_its_deleted_video(world: World) -> None:
    process = world.processes[0]
    world.create(process, CALLERS[0], "listed", "a film", "once")
    world.flow(130)
    world.check()
    (id_,) = world.callers.told
    world.delete(process, id_, CALLERS[0])
    world.flow(0)

    world.create(process, CALLERS[0], "listed", "a film", "once")
    world.flow(130)

    assert len(statuses(world)) == 1
