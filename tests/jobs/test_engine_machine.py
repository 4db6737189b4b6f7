"""The engine holds under any order of faults."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.jobs.engine_machine import EngineMachine
from tests.jobs.stepped_world import repeatable
from tests.jobs.world_database import Database

if TYPE_CHECKING:
    from tests.conftest import NewDatabase


def run_machine(address: str, folder: Path, *, examples: int, steps: int) -> None:
    with closing(Database(address, folder)) as database, repeatable():

        class Machine(EngineMachine):
            pass

        Machine.database = database
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                suppress_health_check=list(HealthCheck),
                deadline=None,
                phases=[Phase.generate],  # to shrink an example takes longer than a test may
            ),
        )


def test_the_engine_holds_on_sqlite(tmp_path: Path) -> None:
    run_machine(f"sqlite:///{tmp_path}/machine.db", tmp_path, examples=30, steps=40)


def test_the_engine_holds_on_postgresql(new_postgres: "NewDatabase", tmp_path: Path) -> None:
    run_machine(new_postgres(None), tmp_path, examples=10, steps=30)
