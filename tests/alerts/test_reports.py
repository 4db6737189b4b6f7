"""When the report on a month is due, and to whom."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tallylight.alerts.messages import alert_messages
from tallylight.alerts.options import AlertOptions, ReceiverOptions, ReportOptions
from tallylight.alerts.reports import LATEST_REPORT, report_notification, update_reports

TEAM = ReportOptions(receivers=("team",))
NINE = datetime(2026, 12, 1, 9, tzinfo=UTC)
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
MINUTE = timedelta(minutes=1)


def receivers(**zones: str) -> Mapping[str, ReceiverOptions]:
    found = {name: {"url": "json://host", "time_zone": zone} for name, zone in zones.items()}
    return AlertOptions.model_validate({"receivers": found}).receivers


UTC_TEAM = receivers(team="UTC", other="UTC")


def test_the_month_that_has_ended_is_due_at_its_time_and_once() -> None:
    before, none = update_reports({"team": OCTOBER}, TEAM, UTC_TEAM, NINE - MINUTE)
    sent, due = update_reports(before, TEAM, UTC_TEAM, NINE)
    after, again = update_reports(sent, TEAM, UTC_TEAM, NINE + MINUTE)

    assert (none, again) == ((), ())
    assert [(each.receiver, each.facts["start"], each.facts["end"]) for each in due] == [
        ("team", "2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00")
    ]
    assert after == {"team": NOVEMBER}


def test_only_the_receivers_of_the_report_get_it() -> None:
    messages = alert_messages([report_notification(NOVEMBER, "team", UTC, NINE)], UTC_TEAM)

    assert [each.endpoint for each in messages] == ["alert:team"]


def test_day_time_and_month_are_those_of_the_receivers_zone() -> None:
    at_noon = ReportOptions(receivers=("team",), day=2, at="00:30")
    taipei = receivers(team="Asia/Taipei")
    due_at = datetime(2026, 12, 2, 0, 30, tzinfo=ZoneInfo("Asia/Taipei"))

    early = update_reports({"team": OCTOBER}, at_noon, taipei, due_at - MINUTE)[1]
    (due,) = update_reports({"team": OCTOBER}, at_noon, taipei, due_at)[1]

    assert early == ()
    assert due.facts["start"] == "2026-10-31T16:00:00+00:00"
    assert due.facts["end"] == "2026-11-30T16:00:00+00:00"


def test_a_server_that_was_down_sends_it_late_but_not_after_the_bound() -> None:
    late = update_reports({"team": OCTOBER}, TEAM, UTC_TEAM, NINE + LATEST_REPORT)
    too_late = update_reports({"team": OCTOBER}, TEAM, UTC_TEAM, NINE + LATEST_REPORT + MINUTE)

    assert len(late[1]) == 1
    assert too_late == ({"team": NOVEMBER}, ())


def test_a_new_receiver_waits_for_the_next_time() -> None:
    sent, due = update_reports({}, TEAM, UTC_TEAM, NINE + MINUTE)

    assert (sent, due) == ({"team": NOVEMBER}, ())


def test_another_day_in_the_schedule_does_not_send_a_month_again() -> None:
    tenth = ReportOptions(receivers=("team",), day=10)

    sent, due = update_reports({"team": NOVEMBER}, tenth, UTC_TEAM, NINE + MINUTE)
    later, again = update_reports(sent, tenth, UTC_TEAM, NINE + timedelta(days=9))

    assert (due, again) == ((), ())
    assert sent == later == {"team": NOVEMBER}


@given(
    steps=st.lists(st.integers(1, 6 * 24), min_size=30, max_size=60),
    day=st.integers(1, 28),
    at=st.sampled_from(["00:00", "02:30", "09:00", "23:59"]),
    zone=st.sampled_from(["UTC", "Asia/Taipei", "America/New_York", "Pacific/Kiritimati"]),
)
def test_every_month_is_sent_once_however_a_server_comes_and_goes(
    steps: list[int], day: int, at: str, zone: str
) -> None:
    options = ReportOptions(receivers=("team",), day=day, at=at)
    team = receivers(team=zone)
    now, months = datetime(2026, 1, 15, tzinfo=UTC), list[date]()
    sent: Mapping[str, date] = {}

    for hours in steps:
        sent, due = update_reports(sent, options, team, now)
        months += [date.fromisoformat(str(each.facts["month"])) for each in due]
        now += timedelta(hours=hours)

    following = [(each + timedelta(days=31)).replace(day=1) for each in months]
    assert months[1:] == following[:-1]
