"""A reloaded configuration is in force as a whole, or not at all."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight.app.current_configuration import CurrentConfiguration
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.clock import SystemClock
from tallylight.config.settings import Configuration
from tallylight.errors import StorageError
from tallylight.model.ids import ServiceId
from tallylight.storage.tables import state_snapshots_table

Load = Callable[..., Configuration]

BEFORE = """\
upstreams:
  saygm: {provider: saygm, base_url: http://127.0.0.1:9}
services:
  h3: {upstream: saygm, model: minimax/h3}
gateway: {answer_within: 10s, largest_body: 2097152}
budgets: {per_day: 1}
probes: {in_doubt_pace: 5m}
"""
AFTER = """\
upstreams:
  saygm: {provider: saygm, base_url: http://127.0.0.1:9}
services:
  h3: {upstream: saygm, model: minimax/h3}
  other: {upstream: saygm, model: minimax/h3}
gateway: {answer_within: 20s, largest_body: 4194304, allowed_origins: ["https://App.example:443/"]}
budgets: {per_day: 2}
probes: {in_doubt_pace: 7m}
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def before(load: Load, database: Path) -> Configuration:
    return replace(load(BEFORE), database_url=f"sqlite:///{database}")


@pytest.fixture
def after(load: Load, database: Path) -> Configuration:
    return replace(load(AFTER), database_url=f"sqlite:///{database}")


def in_force(runtime: Runtime) -> tuple[object, ...]:
    """Return one value of each part that reads the configuration."""
    prober, wiring = runtime.probing.prober, runtime.gateway_wiring
    return (
        [*map(str, runtime.board.verdicts())],
        prober._timing().undecided_interval,
        prober._paid_probes.total_budget.per_day,
        wiring.gateway._settings().answer_within,
        sorted(wiring.gateway._settings().routes),
        wiring.settings().largest_body,
        wiring.settings().allowed_origins,
    )


async def test_every_part_reads_the_configuration_that_was_applied_last(
    before: Configuration, after: Configuration
) -> None:
    async with open_runtime(before, SystemClock()) as runtime:
        first = in_force(runtime)
        await runtime.apply_config(after)
        second = in_force(runtime)

    assert first == (
        ["h3"],
        timedelta(minutes=5),
        Decimal(1),
        timedelta(seconds=10),
        ["h3", "minimax/h3"],
        2_097_152,
        frozenset(),
    )
    assert second == (
        ["h3", "other"],
        timedelta(minutes=7),
        Decimal(2),
        timedelta(seconds=20),
        ["h3", "minimax/h3", "other"],
        4_194_304,
        frozenset({"https://app.example"}),
    )


async def test_a_configuration_whose_services_cannot_be_read_changes_nothing(
    before: Configuration, after: Configuration, database: Path
) -> None:
    async with open_runtime(before, SystemClock()) as runtime:
        known = in_force(runtime)
        rename(database, state_snapshots_table.name, "elsewhere")

        with pytest.raises(StorageError):
            await runtime.apply_config(after)
        kept, in_force_then = in_force(runtime), runtime.configuration

        rename(database, "elsewhere", state_snapshots_table.name)
        await runtime.apply_config(after)

        assert kept == known
        assert in_force_then is before
        assert runtime.configuration is after
        assert ServiceId("other") in runtime.board


def rename(database: Path, table: str, name: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}")
        connection.commit()


async def test_a_reader_derives_its_value_once_for_each_configuration(
    before: Configuration, after: Configuration
) -> None:
    current, derived = CurrentConfiguration(before), []

    def derive(configuration: Configuration) -> int:
        derived.append(configuration)
        return len(configuration.catalogue.services)

    read = current.reader(derive)
    first = (read(), read())
    current.replace(after)

    assert (first, (read(), read())) == ((1, 1), (2, 2))
    assert derived == [before, after]


async def test_waiting_ends_also_if_the_configuration_was_replaced_before(
    before: Configuration, after: Configuration
) -> None:
    current = CurrentConfiguration(before)
    waiting = asyncio.create_task(current.wait_until_replaced(before))

    current.replace(after)

    await waiting
    await current.wait_until_replaced(before)
