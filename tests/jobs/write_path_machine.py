"""A machine that puts the write path through any order of crashes, lost commits and late answers.

Processes are simulated at the level of their writes (`write_path`), upstreams with a truth that no
process sees (`upstream_twins`). The database and its transactions are the real ones. After every
rule the database and the truth are compared (`write_path_checks`).
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.ids import KeyId, VideoId
from tallylight.model.video import VideoRecord
from tallylight.storage.transaction import Write, WriteOutcome, Written
from tests.builders import VIDEO
from tests.jobs.upstream_twins import ESTIMATE, SERVICES, Clock, JobTruth, TwinJob, Twins
from tests.jobs.write_path import TIME_LIMIT, Follower, PendingWrite, Process
from tests.jobs.write_path_checks import Checks
from tests.jobs.write_path_database import Database

KEYS = (KeyId("key_1"), KeyId("key_2"))
BILLS = (Decimal("0.25"), ESTIMATE)

ANSWERS = st.sampled_from([AttemptEvent.ACCEPTED, AttemptEvent.REFUSED, AttemptEvent.UNCLEAR, None])
"""What an upstream says to a create; None if it says nothing yet."""

numbers = st.integers(0, 7)
"""Chooses one of several; taken modulo their number."""


class CommitFate(StrEnum):
    """What becomes of a commit, and whether its process is told."""

    HEARD = "heard"
    UNHEARD = "unheard"
    LOST = "lost"


class Trouble(StrEnum):
    """What happens to a process."""

    STOP = "stop"
    GO_ON = "go_on"
    KILL = "kill"


class SimulatedWorld(RuleBasedStateMachine):
    """Processes and upstreams around one database, without anything that happens by itself."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.database.clear()
        self.checks = Checks()
        self.clock = Clock()
        self.twins = Twins(self.clock)
        self.processes: list[Process] = []
        self.followers: list[Follower] = []
        self.committed: list[Write] = []
        self.names = count(1)
        self.fresh_ids = count(1)

    def start_process(self) -> None:
        process = Process(f"process_{next(self.names)}")
        self.database.start_process(process.name)
        self.processes.append(process)

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes if not process.is_killed]

    @property
    def running(self) -> list[Process]:
        return [process for process in self.processes if process.runs]

    @property
    def working(self) -> list[Follower]:
        return [each for each in self.followers if each.process.runs and not each.is_idle]

    @property
    def steppable(self) -> list[Follower]:
        return [follower for follower in self.working if not follower.pending]

    @property
    def pending(self) -> list[PendingWrite]:
        return [follower.pending for follower in self.followers if follower.pending]

    @property
    def jobs_at_work(self) -> list[TwinJob]:
        return [job for job in self.twins.jobs if job.truth is JobTruth.WORKING]

    def follow(self, process: Process, records: tuple[VideoRecord, ...]) -> None:
        for record in records:
            self.followers.append(Follower(process, record, self.clock, self.twins))

    def work(self, follower: Follower, steps: int) -> None:
        """Let a follower take steps, and commit what it writes."""
        for _ in range(steps):
            if follower.pending:
                follower.receive(self._commit([follower.pending])[0])
            follower.step()

    def _claim_orphans(self, process: Process) -> None:
        now = self.clock.now
        self.follow(process, self.database.claim_orphans(process.name, SERVICES, now))

    def _claim_unfollowed(self, process: Process) -> None:
        followed = {each.record.video.id for each in self.working if each.process is process}
        missed = self.database.owned_by(process.name) - followed
        self.follow(process, self.database.claim_again(process.name, missed))

    def _group(self, number: int, size: int) -> list[PendingWrite]:
        """Return pending writes of several videos; one process has one write for a video."""
        pending = self.pending
        start = number % len(pending)
        return (pending[start:] + pending[:start])[:size]

    def _commit(self, group: list[PendingWrite]) -> list[Written]:
        written = self.database.write([pending.write for pending in group])
        self.committed += [
            pending.write
            for pending, result in zip(group, written, strict=True)
            if result.outcome is WriteOutcome.WRITTEN
        ]
        return written


class WritePathMachine(SimulatedWorld):
    """Two processes or more, each of which may stall or die at any moment."""

    @initialize(steps=st.lists(st.integers(0, 4), min_size=1, max_size=3))
    def two_processes(self, steps: list[int]) -> None:
        self.start_process()
        self.start_process()
        for each in steps:
            self.create(number=each, key=KEYS[0], idempotency_key="", steps=each)

    # Callers.

    @precondition(lambda self: self.running)
    @rule(
        number=numbers,
        key=st.sampled_from(KEYS),
        idempotency_key=st.sampled_from(["", "", "a", "b"]),
        steps=st.integers(0, 3),
    )
    def create(self, number: int, key: KeyId, idempotency_key: str, steps: int) -> None:
        process = self.running[number % len(self.running)]
        if idempotency_key and self.database.by_key(key, idempotency_key):
            return  # its caller is told of that video
        fresh = next(self.fresh_ids)
        video = replace(
            VIDEO,
            id=VideoId(f"video_{fresh}"),
            key=key,
            seconds=fresh,
            owner=process.name,
            idempotency_key=idempotency_key,
            created_at=self.clock.now,
            deadline=self.clock.now + TIME_LIMIT,
        )
        follower = Follower(process, VideoRecord(video), self.clock, self.twins)
        follower.create()
        self.followers.append(follower)
        self.work(follower, steps)

    @precondition(lambda self: self.checks.ends)
    @rule(number=numbers)
    def delete(self, number: int) -> None:
        ended = sorted(self.checks.ends)
        self.database.delete_video(ended[number % len(ended)], self.clock.now)

    # Work, and what becomes of writes.

    @precondition(lambda self: self.working)
    @rule(number=numbers, steps=st.integers(1, 6), answer=ANSWERS, truth=st.sampled_from(JobTruth))
    def work_without_faults(
        self, number: int, steps: int, answer: AttemptEvent | None, truth: JobTruth
    ) -> None:
        follower = self.working[number % len(self.working)]
        for _ in range(steps):
            self.work(follower, 1)
            for create in [each for each in self.twins.under_way if each.sender is follower]:
                if answer is not None:
                    self.twins.answer(create, answer)
            for job in self.jobs_at_work:
                if job.attempt.video == follower.record.video.id:
                    job.end(truth, ESTIMATE)

    @precondition(lambda self: self.steppable)
    @rule(number=numbers)
    def take_a_step(self, number: int) -> None:
        self.steppable[number % len(self.steppable)].step()

    @precondition(lambda self: self.steppable)
    @rule(number=numbers, event=st.sampled_from([AttemptEvent.GIVE_UP, AttemptEvent.CANCEL]))
    def lose_patience(self, number: int, event: AttemptEvent) -> None:
        self.steppable[number % len(self.steppable)].give_up(event)

    @precondition(lambda self: self.pending)
    @rule(number=numbers, size=st.integers(1, 3), fate=st.sampled_from(CommitFate))
    def commit(self, number: int, size: int, fate: CommitFate) -> None:
        group = self._group(number, size)
        if fate is CommitFate.LOST:
            self.database.lose([pending.write for pending in group])
        else:
            results = self._commit(group)
        for index, pending in enumerate(group):
            if fate is CommitFate.HEARD:
                pending.follower.receive(results[index])
            pending.write = replace(pending.write, is_repeated=True)

    @precondition(lambda self: self.committed)
    @rule(number=numbers)
    def commit_late_what_was_repeated(self, number: int) -> None:
        write = self.committed[-1 - number % len(self.committed)]
        self.database.write([replace(write, is_repeated=True)])

    # Processes.

    @rule(number=numbers, trouble=st.sampled_from(Trouble))
    def trouble_a_process(self, number: int, trouble: Trouble) -> None:
        process = self.alive[number % len(self.alive)]
        process.is_stopped = trouble is Trouble.STOP
        if trouble is Trouble.KILL:
            process.is_killed = True
            self.followers = [each for each in self.followers if each.process is not process]
            self.start_process()

    @precondition(lambda self: self.running and any(not each.runs for each in self.processes))
    @rule(number=numbers, successor=numbers)
    def declare_dead_and_take_over(self, number: int, successor: int) -> None:
        still = [process for process in self.processes if not process.runs]
        self.database.declare_dead(still[-1 - number % len(still)].name, self.clock.now)
        self._claim_orphans(self.running[successor % len(self.running)])

    @precondition(lambda self: self.steppable)
    @rule(number=numbers)
    def take_over_from_itself(self, number: int) -> None:
        follower = self.steppable[number % len(self.steppable)]
        process, id_ = follower.process, follower.record.video.id
        self.follow(process, self.database.claim_again(process.name, [id_]))

    # Upstreams.

    @precondition(lambda self: self.twins.under_way)
    @rule(number=numbers, event=ANSWERS.filter(bool), lag=st.sampled_from([0, 30, 300]))
    def answer(self, number: int, event: AttemptEvent, lag: int) -> None:
        create = self.twins.under_way[number % len(self.twins.under_way)]
        self.twins.answer(create, event, timedelta(seconds=lag))

    @precondition(lambda self: self.jobs_at_work)
    @rule(number=numbers, truth=st.sampled_from(JobTruth), billed=st.sampled_from(BILLS))
    def work_on_a_job(self, number: int, truth: JobTruth, billed: Decimal) -> None:
        job = self.jobs_at_work[number % len(self.jobs_at_work)]
        job.is_forgotten = truth is JobTruth.WORKING and not job.is_forgotten
        job.end(truth, billed)

    # Time.

    @rule(seconds=st.sampled_from([1, 2, 3, 4, 5, 10, 30, 70, 130, 3600]))
    def pass_time(self, seconds: int) -> None:
        self.clock.now += timedelta(seconds=seconds)
        self.twins.drop_late_creates()
        self.database.apply_retention()

    @invariant()
    def the_database_and_the_truth_agree(self) -> None:
        self.checks.check(self.database.read(), self.twins, self.clock.now)

    # In the end all go on, and nothing fails.

    def teardown(self) -> None:
        if not self.processes:
            return
        for process in self.processes:
            process.is_stopped = False
            if process.is_killed:
                self.database.declare_dead(process.name, self.clock.now)
        self.start_process()
        for _ in range(150):
            if not self._is_under_way():
                break
            self._go_on_without_faults()
        self.the_database_and_the_truth_agree()
        stored = self.database.read()
        assert all(row.ended_at_us is not None for row in stored.videos), "a video has no end"
        assert not any(attempt.is_open for attempt in stored.attempts)

    def _is_under_way(self) -> bool:
        return bool(self.followers) or any(
            row.ended_at_us is None for row in self.database.read().videos
        )

    def _go_on_without_faults(self) -> None:
        self.pass_time(20)
        for create in tuple(self.twins.under_way):
            self.twins.answer(create, AttemptEvent.ACCEPTED)
        for job in self.jobs_at_work:
            job.truth = JobTruth.DONE
        for process in self.alive:
            self._claim_orphans(process)
            self._claim_unfollowed(process)
        for follower in self.followers:
            self.work(follower, 3)
        self.followers = [follower for follower in self.followers if not follower.is_idle]
