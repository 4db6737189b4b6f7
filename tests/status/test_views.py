"""The views: from intervals and verdicts to text."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.i18n import Language, translator
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, StatusInterval, Verdict
from tallylight.status.views.day_bars import (
    HEIGHT,
    PITCH,
    WIDTH,
    daily_shares,
    day_columns,
    day_title,
    uptime_bar,
)
from tallylight.status.views.impact import WeighedStatus
from tallylight.status.views.overview import overview
from tallylight.status.views.services import ServiceRow, service_view
from tallylight.status.views.uptimes import UptimeWindow, uptime_view
from tests.builders import service_named

EN = translator(Language.EN)
NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 28, tzinfo=UTC)


def test_a_day_is_counted_as_far_as_it_has_passed() -> None:
    intervals = [StatusInterval(Status.OPERATIONAL, MIDNIGHT - timedelta(hours=12), NOW)]

    yesterday, today = daily_shares(intervals, NOW, 3)

    assert yesterday.shares == {Status.OPERATIONAL: 1.0}
    assert today.shares == {Status.OPERATIONAL: 1.0}
    assert day_title(today, EN) == "28 January 2026: Operational"
    assert day_title(yesterday, EN) == "27 January 2026: Operational"


def test_a_day_that_was_monitored_in_part_shows_the_other_part_as_unknown() -> None:
    noon = MIDNIGHT - timedelta(hours=12)
    intervals = [
        StatusInterval(Status.OPERATIONAL, noon - timedelta(days=1), noon),
        StatusInterval(Status.UNKNOWN, noon, MIDNIGHT),
        StatusInterval(Status.OPERATIONAL, MIDNIGHT, NOW),
    ]

    _, yesterday, _ = daily_shares(intervals, NOW, 3)

    assert day_title(yesterday, EN) == "27 January 2026: Operational 50%, Unknown 50%"


def test_a_bar_begins_at_the_first_look() -> None:
    intervals = [StatusInterval(Status.OPERATIONAL, MIDNIGHT - timedelta(hours=12), NOW)]

    days = daily_shares(intervals, NOW, 90)
    bar = uptime_bar(days, EN, 90)

    assert [each.day.day for each in days] == [27, 28]
    assert bar.width == 90 * PITCH - (PITCH - WIDTH)
    assert bar.paths[Status.OPERATIONAL].startswith(f"M{88 * PITCH} ")
    assert [column.x for column in day_columns(days, EN, 90)] == [88 * PITCH, 89 * PITCH]


def test_a_minute_of_outage_is_visible_and_in_the_text() -> None:
    start = MIDNIGHT - timedelta(days=1)
    intervals = [
        StatusInterval(Status.OPERATIONAL, start, start + timedelta(hours=6)),
        StatusInterval(
            Status.SUSPENDED, start + timedelta(hours=6), start + timedelta(hours=6, minutes=1)
        ),
        StatusInterval(Status.OPERATIONAL, start + timedelta(hours=6, minutes=1), NOW),
    ]

    bar = uptime_bar(daily_shares(intervals, NOW, 2), EN, 2)

    assert "v3h-6z" in bar.paths[Status.SUSPENDED]
    assert bar.text == (
        "The last 2 days, each by its worst status: Operational: 1 day, Suspended: 1 day"
    )


@given(
    st.lists(st.tuples(st.sampled_from(Status), st.integers(1, 60 * 72)), min_size=1, max_size=12)
)
def test_no_day_is_taller_than_the_bar(durations: list[tuple[Status, int]]) -> None:
    intervals, at = [], NOW - timedelta(days=5)
    for status, minutes in durations:
        intervals.append(StatusInterval(status, at, at + timedelta(minutes=minutes)))
        at += timedelta(minutes=minutes)

    for each in daily_shares(intervals, NOW, 6):
        assert sum(each.shares.values()) == pytest.approx(1.0)
    for path in uptime_bar(daily_shares(intervals, NOW, 6), EN, 6).paths.values():
        for part in path.split("M")[1:]:
            y = float(part.split("h")[0].split(" ")[1].split("m")[0])
            assert 0 <= y <= HEIGHT


def test_an_uptime_is_shown_with_its_coverage() -> None:
    intervals = [
        StatusInterval(Status.UNKNOWN, NOW - timedelta(hours=24), NOW - timedelta(hours=20)),
        StatusInterval(Status.SUSPENDED, NOW - timedelta(hours=20), NOW - timedelta(hours=19)),
        StatusInterval(Status.OPERATIONAL, NOW - timedelta(hours=19), NOW),
    ]

    found = uptime_view(intervals, UptimeWindow.DAY, NOW, EN)

    assert found.uptime == pytest.approx(0.95)
    assert found.coverage == pytest.approx(20 / 24)
    assert "monitored 83% of the time" in found.text
    assert found.outages == 1


def test_uptime_is_shown_from_the_first_minute() -> None:
    began = NOW - timedelta(hours=3)

    found = uptime_view(
        [StatusInterval(Status.OPERATIONAL, began, NOW)], UptimeWindow.MONTH, NOW, EN
    )

    assert found.text == "100% of the 3 h monitored so far"
    assert (found.uptime, found.coverage, found.first_look) == (1.0, 1.0, began)


def test_unmonitored_time_has_no_uptime() -> None:
    found = uptime_view([], UptimeWindow.WEEK, NOW, EN)

    assert (found.uptime, found.text, found.interval) == (None, "not monitored", "")


@pytest.mark.parametrize(
    ("statuses", "headline"),
    [
        ([], "No services are monitored."),
        ([Status.OPERATIONAL, Status.RETIRED], "All services are operational."),
        ([Status.RETIRED], "All services are retired."),
        ([Status.UNKNOWN, Status.UNKNOWN], "No status is known yet."),
        (
            [Status.OPERATIONAL, Status.SUSPENDED, Status.RETIRED],
            "1 of 2 services are operational.",
        ),
        ([Status.DEGRADED, Status.UNKNOWN], "No service is fully operational."),
    ],
)
def test_the_headline_summarizes_all_services(statuses: list[Status], headline: str) -> None:
    services = [WeighedStatus(each, 1.0, is_principal=True) for each in statuses]

    assert overview(services, EN, network_is_down=False).headline == headline


def test_a_failure_of_our_own_network_is_shown() -> None:
    service = WeighedStatus(Status.OPERATIONAL, 1.0, is_principal=True)

    notice = overview([service], EN, network_is_down=True).network_notice

    assert notice == "Our own network is down; statuses are frozen."


@pytest.mark.parametrize(
    ("statuses", "impact"),
    [
        ([Status.OPERATIONAL], ""),
        ([Status.UNKNOWN], ""),
        ([Status.OPERATIONAL] * 9 + [Status.DEGRADED], "Minor trouble."),
        ([Status.OPERATIONAL, Status.SUSPENDED], "Partial outage."),
        ([Status.SUSPENDED], "Major outage."),
    ],
)
def test_the_overview_says_how_bad_the_whole_is(statuses: list[Status], impact: str) -> None:
    services = [WeighedStatus(each, 1.0, is_principal=True) for each in statuses]

    assert overview(services, EN, network_is_down=False).impact == impact


def test_a_service_that_was_never_checked_has_no_since() -> None:
    service = service_named("image")
    verdict = Verdict(
        ServiceId("image"), Status.UNKNOWN, NOW, 0.5, (Reason(ReasonCode.NO_EVIDENCE, NOW),)
    )

    view = service_view(ServiceRow(service, verdict, EN), NOW)

    assert (view.since, view.checked_at, view.feed, view.latency) == (None, None, None, "")
    assert view.row.reasons == ["There is no recent evidence."]


def test_the_latest_response_gives_the_latency() -> None:
    verdict = Verdict(
        ServiceId("image"), Status.OPERATIONAL, NOW, 0.9, (Reason(ReasonCode.API_RESPONDING, NOW),)
    )
    latest = {
        Source.REACH: Evidence(
            ServiceId("image"), NOW - timedelta(minutes=9), Source.REACH,
            latency=timedelta(milliseconds=500),
        ),
        Source.CREDENTIALS: Evidence(
            ServiceId("image"), NOW - timedelta(minutes=1), Source.CREDENTIALS,
            latency=timedelta(milliseconds=80),
        ),
    }  # fmt: skip

    row = ServiceRow(service_named("image"), verdict, EN, latest)

    assert row.latency == timedelta(milliseconds=80)
    assert row.checked_at == NOW - timedelta(minutes=1)
    assert daily_shares((), MIDNIGHT, 1)[0].day == date(2026, 1, 28)
