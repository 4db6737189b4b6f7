import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.verdicts.availability import (
    StatusTotals,
    availability,
    availability_from_totals,
    day_bars,
    status_totals,
    uptime_text,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def intervals(*parts: tuple[Status, float]) -> list[StatusInterval]:
    """Return intervals of so many hours each, one after the other from the start."""
    result, now = [], START
    for status, hours in parts:
        result.append(StatusInterval(status, now, now + timedelta(hours=hours)))
        now = result[-1].end
    return result


UP, BAD, DARK = Status.OPERATIONAL, Status.SUSPENDED, Status.UNKNOWN
LENGTHS = st.lists(st.tuples(st.sampled_from(Status), st.floats(0.01, 200.0)), max_size=12)


def test_an_hour_down_in_a_day_counts_by_time() -> None:
    result = availability(intervals((UP, 10), (BAD, 1), (UP, 13)), START, START + DAY)

    assert result.uptime == pytest.approx(1 - 1 / 24)
    assert result.coverage == 1.0
    assert result.mttr == timedelta(hours=1)
    assert result.mtbf == timedelta(hours=23)


def test_an_unmonitored_hour_is_no_outage() -> None:
    result = availability(intervals((UP, 13), (DARK, 11)), START, START + DAY)

    assert result.uptime == 1.0
    assert result.coverage == pytest.approx(13 / 24)


def test_however_little_was_monitored_there_is_a_figure_with_its_coverage() -> None:
    result = availability(intervals((UP, 0.01)), START, START + DAY)

    assert result.uptime == 1.0
    assert result.low < 0.1
    assert result.coverage == pytest.approx(0.01 / 24)


def test_time_before_the_first_look_counts_nowhere() -> None:
    result = availability(intervals((UP, 3)), START - 29 * DAY, START + timedelta(hours=3))

    assert (result.uptime, result.coverage) == (1.0, 1.0)
    assert result.first_look == START
    assert result.monitored == timedelta(hours=3)


def test_nothing_monitored_gives_no_number_that_formats_all_the_same() -> None:
    result = availability((), START, START + DAY)

    assert math.isnan(result.uptime)
    assert f"{result:.2f} {result.uptime:.2f}" == "nan nan"


def test_an_availability_formats_as_its_percentage() -> None:
    result = availability(intervals((UP, 99.84), (BAD, 0.16)), START, START + timedelta(hours=100))

    assert f"{result:.2f}%" == "99.84%"


def test_maintenance_and_retirement_change_no_figure() -> None:
    plain = availability(intervals((UP, 10), (BAD, 1)), START, START + timedelta(hours=11))
    planned = availability(
        intervals((UP, 10), (BAD, 1), (Status.MAINTENANCE, 5), (Status.RETIRED, 8)),
        START,
        START + DAY,
    )

    assert (planned.uptime, planned.coverage) == (plain.uptime, plain.coverage)
    assert planned.excluded == timedelta(hours=13)


def test_degraded_time_counts_as_up_and_is_given_separately() -> None:
    result = availability(intervals((UP, 18), (Status.DEGRADED, 6)), START, START + DAY)

    assert result.uptime == 1.0
    assert result.degraded == 0.25


def test_an_outage_continues_through_unmonitored_time() -> None:
    parts = intervals((UP, 5), (BAD, 1), (DARK, 1), (Status.RISK_CONTROL, 2), (UP, 5), (BAD, 1))

    assert status_totals(parts, START, START + DAY).outages == (3 * 3600.0, 3600.0)


def test_without_an_outage_the_mean_time_between_has_no_upper_end() -> None:
    result = availability(intervals((UP, 24)), START, START + DAY)

    assert result.mtbf is result.mttr is result.mtbf_high is None
    assert result.mtbf_low is not None
    assert timedelta(hours=6) < result.mtbf_low < DAY


@given(parts=LENGTHS)
def test_unknown_time_is_never_counted_on_either_side(parts: list[tuple[Status, float]]) -> None:
    known = [(status, hours) for status, hours in parts if status is not DARK]
    end = START + timedelta(days=200)

    with_gaps, without = (
        availability(intervals(*parts), START, end),
        availability(intervals(*known), START, end),
    )

    assert with_gaps.up == without.up
    assert with_gaps.down == without.down


@given(parts=LENGTHS)
def test_day_rollups_give_the_figures_of_the_intervals(parts: list[tuple[Status, float]]) -> None:
    history, end = intervals(*parts), START + timedelta(days=120)
    whole = status_totals(history, START, end)
    days = [status_totals(history, START + n * DAY, START + (n + 1) * DAY) for n in range(120)]

    seconds = {s: sum(day.seconds.get(s, 0.0) for day in days) for s in Status}
    rolled = availability_from_totals(StatusTotals(seconds, whole.outages))

    direct = availability(history, START, end)
    assert rolled.coverage == pytest.approx(direct.coverage)
    assert rolled.uptime == pytest.approx(direct.uptime, nan_ok=True)
    assert rolled.outages == direct.outages


@given(parts=LENGTHS)
def test_the_interval_contains_the_figure(parts: list[tuple[Status, float]]) -> None:
    result = availability(intervals(*parts), START, START + timedelta(days=30))

    if result.monitored:
        assert 0.0 <= result.low <= result.uptime + 1e-9
        assert result.uptime <= result.high + 1e-9 <= 1.0 + 2e-9


def test_bars_show_the_shares_of_each_day() -> None:
    bars = day_bars(intervals((UP, 36), (BAD, 12)), START, START + 3 * DAY)

    assert [bar.day.day for bar in bars] == [1, 2, 3]
    assert bars[0].shares == {UP: 1.0}
    assert bars[1].shares == {UP: 0.5, BAD: 0.5}
    assert bars[2].shares == {DARK: 1.0}


@pytest.mark.parametrize(
    ("outage", "days", "shown"),
    [
        (1.0, 1, "96 %"),
        (0.001, 90, "99.999 %"),
        (0.0, 90, "100.0 %"),
        (60.0, 90, "97 %"),
    ],
)
def test_no_more_digits_are_shown_than_the_interval_has(
    outage: float, days: int, shown: str
) -> None:
    hours = 24 * days - outage
    parts = intervals((UP, hours), (BAD, outage)) if outage else intervals((UP, hours))
    result = availability(parts, START, START + days * DAY)

    assert uptime_text(result) == shown


def test_no_percentage_is_shown_of_time_that_was_not_monitored() -> None:
    assert uptime_text(availability((), START, START + DAY)) == ""
    assert uptime_text(availability(intervals((UP, 1)), START, START + DAY)) == "100 %"
