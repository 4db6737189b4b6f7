"""Named orders of faults that broke simpler designs; each returns once its faults have happened."""

from collections.abc import Callable

from tallylight.model.attempt_state import AttemptState
from tests.jobs.engine_machine import claim_again
from tests.jobs.stepped_calls import CallFate, CallKind
from tests.jobs.stepped_process import Process
from tests.jobs.stepped_world import World
from tests.jobs.upstream_twins import BLIND, LISTING, CreateAnswer
from tests.jobs.world_configuration import CALLERS

Order = Callable[[World], None]


def recorded_video(world: World, route: str) -> None:
    """Create a video at the first process; its first attempt is recorded and not sent yet."""
    world.create(world.processes[0], CALLERS[0], route, "a film")
    world.step(world.processes[0], 1)


def sent_video(world: World, route: str) -> None:
    """Create a video at the first process, and send its first attempt."""
    recorded_video(world, route)
    world.step(world.processes[0], 1)


def taken_over(world: World) -> None:
    """Stop the first process, declare it dead, and let the second one take over."""
    first, second = world.processes[:2]
    first.is_stopped = True
    world.take_over(first, second)


def go_on(world: World) -> None:
    """Let the first process go on, and take the steps that need nobody else."""
    world.processes[0].is_stopped = False
    world.step(world.processes[0], 5)


def answer(world: World, how: CreateAnswer, lag: float = 0.0) -> None:
    """Answer the only create that is under way."""
    (create,) = world.twins.under_way
    world.twins.answer(create, how, lag)


def settle_commit(world: World, process: Process, fate: CallFate) -> None:
    """Settle the commit that a process waits for."""
    (call,) = [each for each in process.pending if each.kind is CallKind.COMMIT]
    world.settle(process, call, fate)


def states(world: World) -> list[tuple[str, AttemptState]]:
    """Return the services and states of all attempts, by number."""
    attempts = sorted(world.database.read().attempts, key=lambda each: each.id)
    return [(each.service, each.state) for each in attempts]


def a_sender_wakes_too_late(world: World) -> None:
    """It was stopped between its commit and its send; the video was sent on meanwhile."""
    recorded_video(world, "listed")
    taken_over(world)
    world.flow(210)
    go_on(world)
    world.flow(1)


def a_create_is_accepted_late(world: World) -> None:
    """Its sender died; an absent job means nothing before no answer can arrive any more."""
    world.twins.moods[LISTING] = None
    sent_video(world, "listed")
    taken_over(world)
    world.flow(100)
    answer(world, CreateAnswer.ACCEPT)
    world.flow(100)


def a_job_is_listed_late(world: World) -> None:
    """It shows in the list only when no answer can arrive any more."""
    world.twins.moods[LISTING] = None
    sent_video(world, "listed")
    taken_over(world)
    answer(world, CreateAnswer.ACCEPT_AND_RESET, lag=170)
    world.flow(300)


def a_response_is_lost(world: World) -> None:
    """The upstream accepted the job; only its list says so."""
    world.twins.moods[LISTING] = CreateAnswer.ACCEPT_AND_RESET
    sent_video(world, "listed")
    world.flow(300)


def an_answer_is_heard_after_a_take_over(world: World) -> None:
    """Only the stopped sender has it: this upstream lists no jobs."""
    sent_video(world, "unlisted")
    taken_over(world)
    answer(world, CreateAnswer.ACCEPT)
    world.flow(70)
    go_on(world)
    world.flow(300)


def an_answer_overtakes_an_end(world: World) -> None:
    """The new owner has decided that nothing can be known; before it commits, the answer comes."""
    sent_video(world, "unlisted")
    taken_over(world)
    answer(world, CreateAnswer.ACCEPT)
    world.flow(124)
    second = world.processes[1]
    world.wait(2)
    while states(world) != [(BLIND, AttemptState.IN_DOUBT)]:
        world.step(second, 1)
    world.step(second, 1)  # it reads the video anew, and there is no list to search
    (end,) = second.pending
    end.is_held = True
    go_on(world)
    world.check()
    end.is_held = False
    world.flow(300)


def an_old_owner_sends_on_late(world: World) -> None:
    """Its decision to send on hangs, while the new owner sends on itself."""
    first = world.processes[0]
    sent_video(world, "listed")
    answer(world, CreateAnswer.REFUSE)
    world.step(first, 2)  # it records the refusal and reads the limits
    (decision,) = first.pending
    decision.is_held = True
    taken_over(world)
    world.flow(5)
    first.is_stopped = False
    world.settle(first, decision, CallFate.HEARD)
    world.flow(1)


def a_process_claims_its_own_video_anew(world: World) -> None:
    """Its decision to send on hangs meanwhile."""
    first = world.processes[0]
    sent_video(world, "listed")
    answer(world, CreateAnswer.REFUSE)
    world.step(first, 2)
    (decision,) = first.pending
    decision.is_held = True
    first.do("claim again", claim_again(first))
    world.flow(5)
    world.settle(first, decision, CallFate.HEARD)
    world.flow(1)


def a_create_lands_late(world: World) -> None:
    """Its caller was told that there is no video."""
    world.create(world.processes[0], CALLERS[0], "listed", "a film")
    settle_commit(world, world.processes[0], CallFate.LATE)
    world.flow(1)
    for _ in range(len(world.late)):
        world.land_late(0)
    for _ in range(4):
        world.processes[0].beat()
        world.flow(60)
    world.flow(300)


def equal_orders_are_in_doubt(world: World) -> None:
    """Two videos of one prompt are in doubt, and the list shows one job."""
    world.twins.moods[LISTING] = None
    for _ in range(2):
        world.create(world.processes[0], CALLERS[0], "listed", "a boat")
    world.flow(0)
    first, second = world.twins.under_way
    world.twins.answer(first, CreateAnswer.ACCEPT_AND_RESET)
    world.twins.answer(second, CreateAnswer.RESET)
    world.flow(300)


def a_missing_job_stalls(world: World) -> None:
    """Its upstream denies it, and would be paid for a delivery alone."""
    sent_video(world, "refunded")
    world.flow(1)
    (job,) = world.twins.jobs
    job.is_stuck = True
    world.flow(200)
    job.forget()
    world.flow(300)
