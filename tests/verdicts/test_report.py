from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.job_totals import JobTotals
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.verdicts.report import Fitness, ServiceFigures, service_figures

START = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
UP, RISK, DOWN = Status.OPERATIONAL, Status.RISK_CONTROL, Status.SUSPENDED
STEADY = JobTotals(120, 1, timedelta(seconds=75), timedelta(seconds=140))


def figures(
    *parts: tuple[Status, float], jobs: JobTotals = STEADY, spent: Decimal | None = Decimal(12)
) -> ServiceFigures:
    """Return the figures of a month that consists of intervals of so many hours."""
    intervals, at = [], START
    for status, hours in parts:
        intervals.append(StatusInterval(status, at, at + timedelta(hours=hours)))
        at = intervals[-1].end
    return service_figures(intervals, START, START + MONTH, jobs, spent)


@pytest.mark.parametrize(
    ("available", "failed", "stars", "fitness"),
    [
        (0.9984, 1, 5, Fitness.FIRST_CHOICE),
        (0.99, 4, 4, Fitness.BACKUP),
        (0.95, 8, 3, Fitness.TEST_ONLY),
        (0.85, 20, 2, Fitness.TEST_ONLY),
        (0.70, 40, 1, Fitness.NOT_RECOMMENDED),
    ],
)
def test_stars_and_recommendation_follow_from_the_figures(
    available: float, failed: int, stars: int, fitness: Fitness
) -> None:
    jobs = JobTotals(120, failed, timedelta(seconds=75), timedelta(seconds=150))
    found = figures((UP, 720 * available), (RISK, 720 * (1 - available)), jobs=jobs)

    assert (found.stars, found.fitness) == (stars, fitness)


@pytest.mark.parametrize(
    ("hours", "jobs"),
    [
        (20.0, STEADY),  # less than a day
        (720.0, JobTotals(4, 0, timedelta(seconds=75), timedelta(seconds=80))),
        (720.0, JobTotals()),  # only free probes
    ],
)
def test_there_are_no_stars_where_too_little_was_seen(hours: float, jobs: JobTotals) -> None:
    found = figures((UP, hours), jobs=jobs)

    assert (found.score, found.stars, found.fitness) == (None, None, None)


def test_a_retired_service_is_not_recommended() -> None:
    found = figures((UP, 700), (Status.RETIRED, 20))

    assert found.fitness is Fitness.NOT_RECOMMENDED


def test_quick_videos_do_not_make_up_for_outages() -> None:
    perfect = JobTotals(100, 0, timedelta(seconds=60), timedelta(seconds=60))
    found = figures((UP, 720 * 0.85), (DOWN, 720 * 0.15), jobs=perfect)

    assert found.score == pytest.approx(2.0)


def test_spells_are_counted_by_week_with_their_lengths() -> None:
    found = figures((UP, 100), (RISK, 3), (UP, 100), (RISK, 9), (UP, 400), (DOWN, 48), (UP, 60))

    risk, suspended = found.spells_of(RISK), found.spells_of(DOWN)
    assert (risk.count, risk.typical, risk.longest) == (
        2,
        timedelta(hours=6),
        timedelta(hours=9),
    )
    assert risk.per_week == pytest.approx(2 / (720 / 168))
    assert (suspended.count, suspended.total) == (1, timedelta(hours=48))
    assert found.longest_outage == timedelta(hours=48)
    assert found.spells_of(Status.MAINTENANCE).count == 0


def test_risk_control_and_suspension_in_a_row_are_one_outage() -> None:
    assert figures((UP, 9), (RISK, 2), (DOWN, 3), (UP, 700)).longest_outage == timedelta(hours=5)


def test_the_cost_of_a_video_includes_the_failed_jobs() -> None:
    assert figures((UP, 720), spent=Decimal(60)).cost_per_video == Decimal("0.5")
    assert figures((UP, 720), spent=None).cost_per_video is None
    assert figures((UP, 720), jobs=JobTotals(0, 9)).cost_per_video is None


@given(
    st.lists(st.tuples(st.sampled_from(Status), st.floats(0.1, 300)), max_size=8),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_stars_are_one_to_five_or_none(
    parts: list[tuple[Status, float]], delivered: int, failed: int
) -> None:
    took = timedelta(seconds=60) if delivered else None
    found = figures(*parts, jobs=JobTotals(delivered, failed, took, took))

    assert found.stars is None or 1 <= found.stars <= 5
    assert found.score is None or 0 <= found.score <= 5
