"""The write path holds under any order of faults, and limits hold for writes at one moment."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tallylight.model.ids import VideoId
from tallylight.model.video import VideoRecord
from tallylight.storage.transaction import WriteOutcome
from tests.builders import VIDEO
from tests.jobs.upstream_twins import Clock, Twins
from tests.jobs.write_path import Follower, Process
from tests.jobs.write_path_database import Database
from tests.jobs.write_path_machine import WritePathMachine

if TYPE_CHECKING:
    from tests.conftest import NewDatabase


def run_machine(address: str, *, examples: int, steps: int) -> None:
    with closing(Database(address)) as database:

        class Machine(WritePathMachine):
            pass

        Machine.database = database
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                suppress_health_check=list(HealthCheck),
                deadline=None,
            ),
        )


def test_the_write_path_holds_on_sqlite(tmp_path: Path) -> None:
    run_machine(f"sqlite:///{tmp_path}/machine.db", examples=40, steps=40)


def test_the_write_path_holds_on_postgresql(new_postgres: "NewDatabase") -> None:
    run_machine(new_postgres(None), examples=10, steps=30)


def outcomes_of_creates(database: Database, name: str, number: int) -> list[WriteOutcome]:
    """Create some videos of one key in one group; return what became of them."""
    process, clock = Process(name), Clock()
    writes = []
    for index in range(number):
        video = replace(VIDEO, id=VideoId(f"{name}_{index}"), owner=name)
        follower = Follower(process, VideoRecord(video), clock, Twins(clock))
        follower.create()
        assert follower.pending
        writes.append(follower.pending.write)
    return [written.outcome for written in database.write(writes)]


def test_the_writes_of_one_group_share_a_limit(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path}/group.db")) as database:
        outcomes = outcomes_of_creates(database, "process", 6)

    assert outcomes == [WriteOutcome.WRITTEN] * 4 + [WriteOutcome.REFUSED] * 2


def test_processes_that_reserve_at_the_same_moment_share_a_limit(
    new_postgres: "NewDatabase",
) -> None:
    address = new_postgres(None)
    names = ("one", "two", "three")
    with ExitStack() as stack, ThreadPoolExecutor(len(names)) as threads:
        databases = [stack.enter_context(closing(Database(address))) for _ in names]
        found = threads.map(outcomes_of_creates, databases, names, (2,) * len(names))
        outcomes = Counter(outcome for each in found for outcome in each)

    assert outcomes == {WriteOutcome.WRITTEN: 4, WriteOutcome.REFUSED: 2}
