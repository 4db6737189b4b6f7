"""A machine that puts the real engine through any order of crashes, lost commits and late answers.

Processes are the program itself on stepped loops (`stepped_process`), upstreams have a truth that
no process sees (`upstream_twins`), the database and its transactions are the real ones. After every
rule the database and the truth are compared (`world_checks`).
"""

from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.jobs.stepped_calls import CallFate
from tests.jobs.stepped_process import Process
from tests.jobs.stepped_world import World
from tests.jobs.upstream_twins import ESTIMATE, UPSTREAMS, CreateAnswer, JobTruth
from tests.jobs.world_configuration import CALLERS, ROUTES
from tests.jobs.world_database import Database

BILLS = (ESTIMATE, Decimal("0.25"))

numbers = st.integers(0, 7)
"""Chooses one of several; taken modulo their number."""

routes = st.sampled_from(sorted(ROUTES))
answers = st.sampled_from(CreateAnswer)
lags = st.sampled_from([0, 30, 170])
moments = st.sampled_from([0, 1, 5, 30, 70, 130, 200])
"""Seconds: within and beyond the time to send, to answer, to list."""


class Trouble(StrEnum):
    """What happens to a process."""

    STOP = "stop"
    GO_ON = "go_on"
    KILL = "kill"
    CUT_OFF = "cut_off"
    SHUT_DOWN = "shut_down"


class EngineMachine(RuleBasedStateMachine):
    """Two processes or more, each of which may stall or die at any moment."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.database)
        self.fresh = count(1)
        self.has_failed = False

    @initialize(asked=st.lists(routes, min_size=1, max_size=3))
    def two_processes(self, asked: list[str]) -> None:
        self.world.start_process()
        self.world.start_process()
        for number, route in enumerate(asked):
            self.create(number, route, number, "", number)

    def process(self, number: int) -> Process:
        running = self.world.running
        return running[number % len(running)]

    # Callers.

    @precondition(lambda self: self.world.running)
    @rule(
        number=numbers,
        route=routes,
        caller=numbers,
        key=st.sampled_from(["", "", "a", "b"]),
        calls=st.integers(0, 4),
    )
    def create(self, number: int, route: str, caller: int, key: str, calls: int) -> None:
        process, owner = self.process(number), CALLERS[caller % len(CALLERS)]
        prompt = f"{owner.key} {route} {key}" if key else f"film {next(self.fresh)}"
        self.world.create(process, owner, route, prompt, key and f"{route} {key}")
        self.world.step(process, calls)

    @precondition(lambda self: self.world.checks.ends and self.world.running)
    @rule(number=numbers, video=numbers)
    def delete(self, number: int, video: int) -> None:
        ended = sorted(self.world.checks.ends)
        for caller in CALLERS:
            self.world.delete(self.process(number), ended[video % len(ended)], caller)

    @precondition(lambda self: self.world.running)
    @rule(number=numbers)
    def disconnect_callers(self, number: int) -> None:
        self.process(number).disconnect_callers()

    # Calls of processes, and time.

    @rule(seconds=st.sampled_from([0, 0, 1, 5, 30, 70, 130, 400]))
    def flow(self, seconds: int) -> None:
        self.world.flow(seconds)

    @rule(seconds=st.sampled_from([1, 4, 5, 30, 130, 600]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @precondition(lambda self: self.world.running)
    @rule(number=numbers, calls=st.integers(1, 4))
    def take_steps(self, number: int, calls: int) -> None:
        self.world.step(self.process(number), calls)

    @precondition(lambda self: self.world.pending)
    @rule(number=numbers, fate=st.sampled_from(CallFate))
    def settle_a_call(self, number: int, fate: CallFate) -> None:
        process, call = self.world.pending[number % len(self.world.pending)]
        self.world.settle(process, call, fate)

    @precondition(lambda self: self.world.pending)
    @rule(number=numbers)
    def let_a_call_hang(self, number: int) -> None:
        _, call = self.world.pending[number % len(self.world.pending)]
        call.is_held = not call.is_held

    @precondition(lambda self: self.world.late)
    @rule(number=numbers)
    def land_late(self, number: int) -> None:
        self.world.land_late(number % len(self.world.late))

    # Processes.

    @precondition(lambda self: self.world.alive)
    @rule(number=numbers, trouble=st.sampled_from(Trouble))
    def trouble_a_process(self, number: int, trouble: Trouble) -> None:
        process = self.world.alive[number % len(self.world.alive)]
        match trouble:
            case Trouble.STOP:
                process.is_stopped = True
            case Trouble.GO_ON:
                process.is_stopped = process.is_cut_off = False
            case Trouble.KILL:
                self.world.kill(process)
                self.world.start_process()
            case Trouble.CUT_OFF:
                process.is_cut_off = True
            case Trouble.SHUT_DOWN:
                process.shut_down()
                self.world.start_process()

    @precondition(lambda self: self.world.running and len(self.world.processes) > 1)
    @rule(number=numbers, successor=numbers)
    def declare_dead_and_take_over(self, number: int, successor: int) -> None:
        heir = self.process(successor)
        others = [each for each in self.world.processes if each is not heir]
        self.world.take_over(others[-1 - number % len(others)], heir)

    @precondition(lambda self: len(self.world.running) > 1)
    @rule(number=numbers, calls=st.integers(0, 5), seconds=moments)
    def stop_for_a_while(self, number: int, calls: int, seconds: int) -> None:
        """Stop a process between two of its calls, until another one has taken over."""
        process = self.process(number)
        self.world.step(process, calls)
        process.is_stopped = True
        self.world.take_over(process, self.process(number))
        self.world.flow(seconds)
        process.is_stopped = False
        self.world.step(process, 3)

    @precondition(lambda self: len(self.world.running) > 1)
    @rule(
        number=numbers,
        route=routes,
        calls=st.integers(1, 2),
        seconds=st.sampled_from([210, 100, 170, 5]),
        how=answers,
        lag=lags,
    )
    def stop_a_sender(  # noqa: PLR0913, PLR0917  # each is drawn
        self, number: int, route: str, calls: int, seconds: int, how: CreateAnswer, lag: int
    ) -> None:
        """Stop a process before or after its send, and let its upstream answer in the end.

        Two jobs of one prompt can be taken for one another.
        """
        process, first = self.process(number), ROUTES[route][0]
        mood, self.world.twins.moods[first] = self.world.twins.moods[first], None
        self.world.create(process, CALLERS[number % len(CALLERS)], route, "a boat")
        self.world.step(process, calls)
        process.is_stopped = True
        self.world.take_over(process, self.process(number))
        self.world.flow(seconds)
        for create in [each for each in self.world.twins.under_way if each.upstream == first]:
            self.world.twins.answer(create, how, lag)
        self.world.twins.moods[first] = mood
        self.world.flow(70)
        process.is_stopped = False
        self.world.step(process, 3)
        self.world.flow(5)

    @precondition(lambda self: self.world.running)
    @rule(number=numbers)
    def beat(self, number: int) -> None:
        self.process(number).beat()

    @precondition(lambda self: self.world.running)
    @rule(number=numbers)
    def look_for_doubts(self, number: int) -> None:
        process = self.process(number)
        process.do("look for doubts", process.aftercare.look())

    @precondition(lambda self: self.world.running)
    @rule(number=numbers)
    def take_over_from_itself(self, number: int) -> None:
        """A process misses its own videos: what its tasks await belongs to an earlier epoch."""
        process = self.process(number)
        process.do("claim again", claim_again(process))

    @rule()
    def delete_what_is_old(self) -> None:
        self.world.database.apply_retention()

    # Upstreams.

    @rule(upstream=st.sampled_from(UPSTREAMS), mood=st.sampled_from([*CreateAnswer, None]))
    def change_an_upstream(self, upstream: str, mood: CreateAnswer | None) -> None:
        self.world.twins.moods[upstream] = mood

    @precondition(lambda self: self.world.twins.under_way)
    @rule(number=numbers, how=answers, lag=lags)
    def answer(self, number: int, how: CreateAnswer, lag: int) -> None:
        under_way = self.world.twins.under_way
        self.world.twins.answer(under_way[number % len(under_way)], how, lag)

    @precondition(lambda self: self.world.twins.jobs_at_work)
    @rule(number=numbers, truth=st.sampled_from(JobTruth), billed=st.sampled_from(BILLS))
    def work_on_a_job(self, number: int, truth: JobTruth, billed: Decimal) -> None:
        jobs = self.world.twins.jobs_at_work
        job = jobs[number % len(jobs)]
        if truth is JobTruth.WORKING:
            job.is_stuck = True
            if billed != ESTIMATE:
                job.forget()
        job.end(truth, billed, self.world.time.seconds)

    @invariant()
    def the_database_and_the_truth_agree(self) -> None:
        try:
            self.world.check()
        except AssertionError:
            self.has_failed = True
            raise

    def teardown(self) -> None:
        try:
            if self.world.processes and not self.has_failed:
                self.world.go_on_to_the_end()
        finally:
            self.world.close()


async def claim_again(process: Process) -> None:
    """Claim all videos that a process follows, as if it had missed them."""
    followers = process.jobs.followers
    ids = sorted(followers._tracked)
    followers._take_over(await process.storage.videos.claim_again(followers.owner, ids))  # type: ignore[arg-type]
