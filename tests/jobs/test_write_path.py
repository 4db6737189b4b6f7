"""Named orders of faults that broke simpler designs, on the real database."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.video import VideoStatus
from tallylight.storage.transaction import WriteOutcome
from tests.jobs.upstream_twins import JobTruth
from tests.jobs.write_path import Follower
from tests.jobs.write_path_database import Database
from tests.jobs.write_path_machine import KEYS, CommitFate, WritePathMachine


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WritePathMachine]:
    """Give two processes on a database; in the end all go on, and everything is checked."""
    address = f"sqlite:///{tmp_path}/write_path.db"
    if request.param == "postgresql":
        address = request.getfixturevalue("new_postgres")(None)
    with closing(Database(address)) as database:

        class World(WritePathMachine):
            pass

        World.database = database
        world = World()
        world.start_process()
        world.start_process()
        yield world
        world.the_database_and_the_truth_agree()
        world.teardown()


def recorded_video(world: WritePathMachine) -> Follower:
    """Create a video at the first process; its first attempt is recorded and not sent yet."""
    world.create(number=0, key=KEYS[0], idempotency_key="", steps=0)
    world.commit(number=0, size=1, fate=CommitFate.HEARD)
    return world.followers[-1]


def sent_video(world: WritePathMachine) -> Follower:
    """Create a video at the first process, and send its first attempt."""
    follower = recorded_video(world)
    follower.step()
    return follower


def taken_over(world: WritePathMachine) -> Follower:
    """Stop the first process, declare it dead, and let the second one take over."""
    world.processes[0].is_stopped = True
    world.declare_dead_and_take_over(number=0, successor=0)
    return world.followers[-1]


def states(follower: Follower) -> list[AttemptState]:
    return [attempt.state for attempt in follower.record.attempts]


def test_a_decision_that_is_repeated_is_written_once(world: WritePathMachine) -> None:
    follower = sent_video(world)
    world.answer(number=0, event=AttemptEvent.REFUSED, lag=0)
    world.work(follower, 2)  # it reports, and decides to ask the next service
    assert follower.pending
    assert follower.pending.write.new_attempt

    world.commit(number=0, size=1, fate=CommitFate.UNHEARD)
    (repeated,) = world.database.write([follower.pending.write])

    assert repeated.outcome is WriteOutcome.WRITTEN
    assert len(world.database.read().attempts) == 2


def test_the_end_of_a_video_that_is_repeated_sends_its_webhooks_once(
    world: WritePathMachine,
) -> None:
    follower = sent_video(world)
    world.answer(number=0, event=AttemptEvent.ACCEPTED, lag=0)
    world.work_on_a_job(number=0, truth=JobTruth.DONE, billed=follower.record.cost)
    world.work(follower, 3)  # it reports the acceptance and the result, and ends the video
    assert follower.pending
    assert follower.pending.write.decision

    world.commit(number=0, size=1, fate=CommitFate.UNHEARD)
    (repeated,) = world.database.write([follower.pending.write])

    assert repeated.outcome is WriteOutcome.WRITTEN
    assert repeated.record
    assert repeated.record.video.status is VideoStatus.COMPLETED
    assert set(world.database.read().message_counts.values()) == {1}


def test_a_sender_that_wakes_too_late_does_not_send(world: WritePathMachine) -> None:
    sleeper = recorded_video(world)
    successor = taken_over(world)
    world.pass_time(seconds=130)

    world.processes[0].is_stopped = False
    world.work(sleeper, 2)
    world.work(successor, 4)

    first = sleeper.record.attempts[0]
    assert first.state is AttemptState.REFUSED
    assert first.id not in world.twins.sent


def test_an_answer_that_is_heard_after_a_take_over_counts(world: WritePathMachine) -> None:
    sleeper = sent_video(world)
    successor = taken_over(world)
    world.answer(number=0, event=AttemptEvent.ACCEPTED, lag=300)

    world.processes[0].is_stopped = False
    world.work(sleeper, 2)  # its epoch is old, and what it heard is a fact
    world.work_on_a_job(number=0, truth=JobTruth.DONE, billed=sleeper.record.cost)
    world.pass_time(seconds=70)
    world.work(successor, 8)

    assert states(successor) == [AttemptState.DELIVERED]
    assert successor.record.video.status is VideoStatus.COMPLETED


def test_a_decision_from_old_knowledge_is_made_again(world: WritePathMachine) -> None:
    sleeper = sent_video(world)
    successor = taken_over(world)
    world.answer(number=0, event=AttemptEvent.ACCEPTED, lag=300)
    world.pass_time(seconds=70)
    successor.step()  # it has waited, and decides that the attempt is in doubt
    assert successor.pending

    world.processes[0].is_stopped = False
    world.work(sleeper, 2)
    (written,) = world.database.write([successor.pending.write])
    successor.receive(written)

    assert written.outcome is WriteOutcome.OUTDATED
    assert states(successor) == [AttemptState.ACCEPTED]


def test_a_write_that_hangs_while_its_process_claims_the_video_anew_is_lost(
    world: WritePathMachine,
) -> None:
    follower = sent_video(world)
    world.answer(number=0, event=AttemptEvent.REFUSED, lag=0)
    world.work(follower, 2)  # it reports, and decides to ask the next service
    hanging = follower.pending
    assert hanging
    assert hanging.write.new_attempt
    id_, process = follower.record.video.id, follower.process

    world.follow(process, world.database.claim_again(process.name, [id_]))
    (written,) = world.database.write([hanging.write])

    assert written.outcome is WriteOutcome.LOST
    assert len(world.database.read().attempts) == 1


def test_an_idempotency_key_makes_one_video_at_two_processes(world: WritePathMachine) -> None:
    for number in (0, 1):
        world.create(number=number, key=KEYS[0], idempotency_key="once", steps=0)
    writes = [pending.write for pending in world.pending]

    first, second = world.database.write(writes)
    repeated, late = world.database.write([replace(w, is_repeated=True) for w in writes])

    assert (first.outcome, second.outcome) == (WriteOutcome.WRITTEN, WriteOutcome.TAKEN)
    assert (repeated.outcome, late.outcome) == (WriteOutcome.WRITTEN, WriteOutcome.TAKEN)
    assert len(world.database.read().videos) == 1
    for follower, written in zip(world.followers, (first, second), strict=True):
        follower.receive(written)


def test_an_idempotency_key_outlives_its_deleted_video(world: WritePathMachine) -> None:
    world.create(number=0, key=KEYS[0], idempotency_key="once", steps=2)
    follower = world.followers[-1]
    world.pass_time(seconds=3600)
    world.work(follower, 6)
    assert follower.record.video.is_terminal
    world.the_database_and_the_truth_agree()

    world.delete(number=0)

    found = world.database.by_key(KEYS[0], "once")
    assert found is not None
    assert found.video is None
