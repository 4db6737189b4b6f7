"""That the checks of the stepped world can fail: so they do without a rule of the engine."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.jobs import engine
from tallylight.jobs.journal import Journal
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.ids import ServiceId
from tallylight.model.video import Video
from tallylight.storage.attempts import Attempts
from tallylight.storage.transaction import Decision, WriteOutcome, _Group
from tallylight.upstreams import client
from tallylight.upstreams.acceptance import InDoubt, Refused, Submission, judge_create
from tallylight.upstreams.call_record import CallRecord
from tests.jobs import engine_orders as orders
from tests.jobs.stepped_world import World, repeatable
from tests.jobs.world_database import Database

Mutate = Callable[[pytest.MonkeyPatch], None]


def send_without_a_time_limit(patch: pytest.MonkeyPatch) -> None:
    def begin_writing(self: CallRecord) -> None:
        self.is_written = True

    patch.setattr(CallRecord, "begin_writing", begin_writing)


def count_absence_at_once(patch: pytest.MonkeyPatch) -> None:
    def began(self: TrackedVideo, attempt: Attempt) -> float:
        return self.intended_at.get(attempt.id, self.followed_since)

    patch.setattr(TrackedVideo, "absence_counts_after", began)


def expect_jobs_in_the_list_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(engine, "LISTED_AFTER", timedelta())


def take_a_doubt_for_a_refusal(patch: pytest.MonkeyPatch) -> None:
    def refuse(*answer: object, **how: bool) -> Submission:
        found = judge_create(*answer, **how)  # type: ignore[arg-type]  # handed on
        return Refused(found.failure) if isinstance(found, InDoubt) else found

    patch.setattr(client, "judge_create", refuse)


def let_the_owner_alone_record_facts(patch: pytest.MonkeyPatch) -> None:
    async def record(
        self: Journal,
        tracked: TrackedVideo,
        *facts: AttemptChange,
        listing: Collection[ServiceId] = (),
    ) -> bool:
        del listing
        await self.decide(tracked, tracked.video, *facts)
        return True

    patch.setattr(Journal, "record", record)


def decide_from_any_revision(patch: pytest.MonkeyPatch) -> None:
    def guard(video: Video, decision: Decision) -> WriteOutcome:
        is_owner = video.epoch == decision.video.epoch and not video.is_terminal
        return WriteOutcome.WRITTEN if is_owner else WriteOutcome.LOST

    patch.setattr(_Group, "_guard", staticmethod(guard))


def decide_without_the_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Group, "_guard", staticmethod(lambda *_: WriteOutcome.WRITTEN))


def leave_a_commit_of_unknown_outcome(patch: pytest.MonkeyPatch) -> None:
    async def find_or_bar(_: Journal, __: Video) -> None:
        return None

    patch.setattr(Journal, "_find_or_bar", find_or_bar)


def claim_listed_jobs_twice(patch: pytest.MonkeyPatch) -> None:
    async def none(*_: object) -> frozenset[str]:
        return frozenset()

    patch.setattr(Attempts, "jobs_of_other_attempts", none)
    patch.setattr(_Group, "_is_job_taken", lambda *_: False)


KILLED: dict[Mutate, orders.Order] = {
    send_without_a_time_limit: orders.a_sender_wakes_too_late,
    count_absence_at_once: orders.a_create_is_accepted_late,
    expect_jobs_in_the_list_at_once: orders.a_job_is_listed_late,
    take_a_doubt_for_a_refusal: orders.a_response_is_lost,
    let_the_owner_alone_record_facts: orders.an_answer_is_heard_after_a_take_over,
    decide_from_any_revision: orders.an_answer_overtakes_an_end,
    decide_without_the_fence: orders.an_old_owner_sends_on_late,
    leave_a_commit_of_unknown_outcome: orders.a_create_lands_late,
    claim_listed_jobs_twice: orders.equal_orders_are_in_doubt,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = Database(f"sqlite:///{tmp_path}/world.db", tmp_path)
    with closing(database), repeatable():
        world = World(database)
        world.start_process()
        world.start_process()
        yield world
        world.close()


@pytest.mark.parametrize(("mutate", "order"), KILLED.items())
def test_a_rule_that_is_taken_away_has_a_counterexample(
    world: World, monkeypatch: pytest.MonkeyPatch, mutate: Mutate, order: orders.Order
) -> None:
    mutate(monkeypatch)

    with pytest.raises(AssertionError):
        live_through(world, order)


@pytest.mark.parametrize("order", KILLED.values())
def test_with_all_rules_there_is_none(world: World, order: orders.Order) -> None:
    live_through(world, order)


def live_through(world: World, order: orders.Order) -> None:
    order(world)
    world.check()
    world.go_on_to_the_end()
