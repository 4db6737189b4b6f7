"""Intervals cover a window without gaps, and closed days hold the same sums in fewer rows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tallylight.clock import VirtualClock
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval, Transition, Verdict
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import Connections
from tallylight.storage.tables import day_status_table
from tallylight.storage.transition_record import TransitionRecord
from tallylight.storage.transitions import intervals_from_changes

START = datetime(2026, 11, 1, tzinfo=UTC)
SORA = ServiceId("sora-2-official")
VEO = ServiceId("veo-3.1-reverse")
HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    return START + hours * HOUR


def transition(
    hours: float, status: Status, recorded: float | None = None, service: ServiceId = SORA
) -> Transition:
    before = Verdict(service, Status.UNKNOWN, START, 1.0, ())
    after = Verdict(service, status, at(hours), 1.0, ())
    recorded_at = at(hours if recorded is None else recorded)
    return Transition(service, at(hours), recorded_at, before, after)


async def record(history: Storage, *transitions: Transition) -> None:
    await history.record_transitions(
        lambda: [TransitionRecord(one.service, one, "", None) for one in transitions]
    )


async def days_stored(connections: Connections) -> int:
    async with connections.read_transaction() as connection:
        days = select(func.count(day_status_table.c.day_us.distinct()))
        return int(await connection.scalar(days) or 0)


def seconds(intervals: tuple[StatusInterval, ...]) -> dict[Status, float]:
    sums: dict[Status, float] = {}
    for interval in intervals:
        length = (interval.end - interval.start).total_seconds()
        sums[interval.status] = sums.get(interval.status, 0.0) + length
    return sums


async def test_before_its_first_transition_a_service_was_not_monitored(history: Storage) -> None:
    await record(history, transition(2, Status.OPERATIONAL))

    intervals = await history.status_intervals([SORA, VEO], at(0), at(5))

    assert intervals == {
        SORA: (StatusInterval(Status.OPERATIONAL, at(2), at(5)),),
        VEO: (),
    }


async def test_a_window_begins_with_the_status_at_its_start(history: Storage) -> None:
    await record(
        history,
        transition(1, Status.OPERATIONAL),
        transition(2, Status.DEGRADED),
        transition(7, Status.OPERATIONAL),
    )

    intervals = await history.status_intervals([SORA], at(3), at(9))

    assert intervals[SORA] == (
        StatusInterval(Status.DEGRADED, at(3), at(7)),
        StatusInterval(Status.OPERATIONAL, at(7), at(9)),
    )


async def test_a_back_dated_transition_replaces_later_ones(history: Storage) -> None:
    await record(
        history,
        transition(1, Status.OPERATIONAL),
        transition(5, Status.DEGRADED),
        transition(3, Status.SUSPENDED, recorded=6),
    )

    everything = await history.status_intervals([SORA], at(1), at(9))
    later = await history.status_intervals([SORA], at(4), at(9))

    assert everything[SORA] == (
        StatusInterval(Status.OPERATIONAL, at(1), at(3)),
        StatusInterval(Status.SUSPENDED, at(3), at(9)),
    )
    assert later[SORA] == (StatusInterval(Status.SUSPENDED, at(4), at(9)),)


CHANGES = st.lists(
    st.tuples(st.integers(0, 96), st.integers(0, 30), st.sampled_from(Status)), max_size=12
)
WINDOWS = st.tuples(st.integers(0, 100), st.integers(1, 60))


@given(CHANGES, WINDOWS)
def test_intervals_cover_the_window_from_the_first_look_on_without_gaps(
    changes: list[tuple[int, int, Status]], window: tuple[int, int]
) -> None:
    start, end = at(window[0]), at(sum(window))

    intervals = intervals_from_changes(
        [(at(hours), status) for hours, _, status in changes], start, end
    )

    looked_at = max(start, min((at(hours) for hours, *_ in changes), default=end))
    assert bool(intervals) is (looked_at < end)
    if intervals:
        assert (intervals[0].start, intervals[-1].end) == (looked_at, end)
    for one, following in pairwise(intervals):
        assert one.start < one.end == following.start
        assert one.status is not following.status


@given(CHANGES, WINDOWS)
def test_a_later_recorded_change_overrules_from_its_time_on(
    changes: list[tuple[int, int, Status]], window: tuple[int, int]
) -> None:
    start, end = at(window[0]), at(sum(window))
    painted: list[Status | None] = [None] * 200  # each change overwrites all later hours
    for hours, _, status in changes:
        painted[hours:] = [status] * (200 - hours)

    intervals = intervals_from_changes(
        [(at(hours), status) for hours, _, status in changes], start, end
    )

    for hour in range(window[0], sum(window)):
        found = [s.status for s in intervals if s.start <= at(hour) < s.end]
        assert found == [status for status in [painted[hour]] if status is not None]


@given(CHANGES, st.lists(WINDOWS, min_size=1, max_size=4), st.integers(0, 12))
@settings(max_examples=15, deadline=None)
async def test_sums_from_closed_days_equal_those_of_intervals(
    new_address: Callable[[], str],
    changes: list[tuple[int, int, Status]],
    windows: list[tuple[int, int]],
    closed_before: int,
) -> None:
    """Days are closed in between, and reopened by back-dated transitions."""
    clock = VirtualClock(at(0))
    async with open_storage(new_address(), clock) as history:
        for number, (hours, lag, status) in enumerate(changes):
            if number == closed_before:
                await clock.advance(100 * HOUR)
                await history.update_rollups()
            await record(history, transition(hours, status, recorded=hours + lag))
        if closed_before % 2:
            await clock.advance(50 * HOUR)
            await history.update_rollups()
        asked = [(at(first), at(first + length)) for first, length in windows]

        for start, end in asked:
            sums = await history.status_seconds([SORA, VEO], start, end)

            intervals = await history.status_intervals([SORA, VEO], start, end)
            for service in (SORA, VEO):
                known = seconds(intervals[service])
                unmonitored = (end - start).total_seconds() - sum(known.values())
                known[Status.UNKNOWN] = known.get(Status.UNKNOWN, 0.0) + unmonitored
                assert sums[service] == {name: length for name, length in known.items() if length}
            assert sums[VEO] == {Status.UNKNOWN: (end - start).total_seconds()}


async def test_days_are_closed_when_they_are_over(history: Storage, clock: VirtualClock) -> None:
    await record(history, transition(12, Status.OPERATIONAL))
    clock._now = at(71)

    await history.update_rollups()

    assert await days_stored(history.connections) == 2
    await clock.advance(HOUR)
    await history.update_rollups()
    assert await days_stored(history.connections) == 3


async def test_a_correction_of_the_past_reopens_its_days(
    history: Storage, clock: VirtualClock
) -> None:
    await record(history, transition(0, Status.OPERATIONAL))
    clock._now = at(100)
    await history.update_rollups()

    await record(history, transition(36, Status.SUSPENDED, recorded=100))

    expected = {SORA: {Status.OPERATIONAL: 36 * 3600.0, Status.SUSPENDED: 60 * 3600.0}}
    assert await history.status_seconds([SORA], at(0), at(96)) == expected
    await history.update_rollups()
    assert await history.status_seconds([SORA], at(0), at(96)) == expected
