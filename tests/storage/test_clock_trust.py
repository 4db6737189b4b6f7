"""A wrong clock deletes nothing; a long pause with a right one delays nothing."""

from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tallylight.clock import SystemClock, VirtualClock
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.host_clocks import HostClocks
from tallylight.storage.options import RetentionOptions
from tests.builders import NOON

FILM = ServiceId("s1")
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Machine(SystemClock):
    """The clocks of a machine whose time passes by hand."""

    def __init__(self, wall: datetime = NOON) -> None:
        self.wall = wall
        self.passed = 0.0

    def now(self) -> datetime:
        return self.wall + timedelta(seconds=self.passed)

    def boottime(self) -> float:
        return self.passed


async def observed(storage: Storage, at: datetime) -> None:
    storage.add_evidence(Evidence(FILM, at, Source.REACH))
    await storage.flush()
    await storage.update_rollups()


async def evidence_count(storage: Storage) -> int:
    async with storage.connections.read_transaction() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM evidence")) or 0)


async def test_nothing_is_deleted_in_the_first_minute(
    history: Storage, clock: VirtualClock
) -> None:
    await observed(history, NOON)
    policy = RetentionOptions(evidence=timedelta(seconds=10))

    await clock.advance(timedelta(seconds=59))
    await history.apply_retention(policy)
    early = await evidence_count(history)
    await clock.advance(timedelta(seconds=1))
    await history.apply_retention(policy)

    assert (early, await evidence_count(history)) == (1, 0)


@pytest.fixture
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('gate')}/history.db"


async def test_a_wrong_clock_never_deletes_however_long_it_runs(sqlite: str) -> None:
    async with open_storage(sqlite, Machine(NOON)) as storage:
        await observed(storage, NOON)
    machine = Machine(NOON + 400 * DAY)

    async with open_storage(sqlite, machine) as storage:
        with capture_logs() as logs:
            for _ in range(3):
                machine.passed += 20 * 86_400
                await observed(storage, storage.clock.now())  # which says nothing for the clock
                await storage.apply_retention(RetentionOptions())
                right = machine.now() - 400 * DAY
                storage.clock.host_clocks.observe("api.example.com", format_datetime(right))

        kept = await evidence_count(storage)
        storage.clock_trust.is_vouched = True
        await storage.apply_retention(RetentionOptions())

        assert kept == 4
        waits = [(log["reason"], log["ahead_s"]) for log in logs]
        assert waits == [("no other host has told the time", None)]
        assert await evidence_count(storage) == 2  # by the operator's word


async def test_a_month_without_power_delays_nothing_once_others_tell_the_time(
    sqlite: str,
) -> None:
    async with open_storage(sqlite, Machine(NOON)) as storage:
        await observed(storage, NOON)
    machine = Machine(NOON + 31 * DAY)

    async with open_storage(sqlite, machine) as storage:
        storage.clock.host_clocks.observe("api.example.com", format_datetime(machine.now()))
        machine.passed += 60
        await storage.apply_retention(RetentionOptions())

        assert await evidence_count(storage) == 0


@pytest.mark.parametrize(("pause", "kept"), [(HOUR, 0), (2 * DAY, 1)])
async def test_where_no_host_has_another_clock_only_a_gap_in_the_evidence_keeps_it(
    sqlite: str, pause: timedelta, kept: int
) -> None:
    policy = RetentionOptions(evidence=MINUTE)
    async with open_storage(sqlite, Machine(NOON)) as storage:
        await observed(storage, NOON)
    for start in (NOON + pause, NOON + pause + HOUR):  # a gap is remembered over restarts
        machine = Machine(start)
        async with open_storage(sqlite, machine) as storage:
            await storage.leader_epoch.claim()
            await storage.set_future_aside()
            await observed(storage, storage.clock.now())
            storage.clock.host_clocks.observe("", format_datetime(machine.now()))
            machine.passed += 120
            counted = await evidence_count(storage)
            await storage.apply_retention(policy)

            assert await evidence_count(storage) == kept * counted


class TestOtherClocks:
    def test_the_median_counts(self) -> None:
        machine = Machine()
        clocks = HostClocks(machine)
        for host, ahead in (("a", -HOUR), ("b", MINUTE), ("c", 400 * DAY)):
            clocks.observe(host, format_datetime(machine.now() - ahead))
        machine.passed += 3600

        assert clocks.difference(machine.now()) == MINUTE

    def test_the_newest_word_of_a_host_counts(self) -> None:
        machine = Machine()
        clocks = HostClocks(machine)

        clocks.observe("a", format_datetime(machine.now() - DAY))
        clocks.observe("a", format_datetime(machine.now() - HOUR))

        assert clocks.difference(machine.now()) == HOUR

    @pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Dec 2026 10:15:41 GMT"])
    def test_a_date_without_a_sense_says_nothing(self, date: str) -> None:
        clocks = HostClocks(Machine())

        clocks.observe("a", date)

        assert clocks.agree(NOON) is None

    def test_there_is_none_once_only_this_machine_has_answered_for_a_while(self) -> None:
        machine = Machine()
        clocks, today = HostClocks(machine), format_datetime(machine.now())

        silent = clocks.has_none
        machine.passed += 3600
        clocks.observe("", today)
        at_once = clocks.has_none
        machine.passed += 15
        later = clocks.has_none
        clocks.observe("a", today)

        assert (silent, at_once, later, clocks.has_none) == (False, False, True, False)
