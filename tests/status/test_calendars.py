"""The calendars of shutdowns and maintenance, read by a reader written from RFC 5545."""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue.services import Feed, ShutdownPrecision
from tallylight.i18n import Language, translator
from tallylight.model.status import Access, Status
from tallylight.status.views.icalendar import IcalendarEvent, icalendar_text
from tallylight.status.views.incident_feed import FeedPlace
from tallylight.status.views.planned import shutdown_event
from tallylight.storage.database import Storage
from tallylight.upstreams.feeds.claims import ClaimedEvent, PageClaims, claims_name, dump_claims
from tests.status.conftest import NOW, Backend, Get, make_sheet, new_service

PLACE = FeedPlace("https://status.example.com", "status.example.com")
_ESCAPED = re.compile(r"\\(.)")
Component = dict[str, str]


def unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def events_of(text: str) -> list[Component]:
    """Return the properties of each event, by name with parameters."""
    assert text.endswith("END:VCALENDAR\r\n")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    lines = text.replace("\r\n ", "").split("\r\n")[:-1]
    assert not any(set(line) & set("\r\n") for line in lines)
    found: list[Component] = []
    depth: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "BEGIN":
            depth.append(value)
            found += [{}] if value == "VEVENT" else []
        elif name == "END":
            assert depth.pop() == value
        elif depth[-1] == "VEVENT":
            assert name not in found[-1]
            found[-1][name] = value
    assert depth == []
    return found


def event(text: str) -> IcalendarEvent:
    return IcalendarEvent("uid@x", NOW, NOW, NOW + timedelta(hours=1), text, text, "https://x/y")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.just("\n")))
def test_any_text_is_read_back(text: str) -> None:
    (read,) = events_of(icalendar_text(text, [event(text)]))

    assert unescaped(read["SUMMARY"]) == unescaped(read["DESCRIPTION"]) == text


@given(st.text())
def test_no_text_becomes_another_line(text: str) -> None:
    (read,) = events_of(icalendar_text(text, [event(text + "\r\nEND:VEVENT\r\nBEGIN:VEVENT")]))

    assert len(read) == 8


def test_a_text_is_bounded() -> None:
    (read,) = events_of(icalendar_text("", [event("長" * 5000)]))

    assert len(read["SUMMARY"]) == 1000


def test_an_address_has_no_other_line() -> None:
    told = replace(event("x"), url="https://x/\r\nATTACH:https://elsewhere.example")

    assert events_of(icalendar_text("", [told]))[0]["URL"].startswith("https://x/ATTACH")


@pytest.mark.parametrize("end", [None, NOW, NOW - timedelta(hours=1)])
def test_what_ends_before_it_begins_has_no_end(end: datetime | None) -> None:
    (read,) = events_of(icalendar_text("", [replace(event("x"), end=end)]))

    assert "DTEND" not in read


def test_a_date_that_is_the_earliest_says_so() -> None:
    sheet = make_sheet("veo", Access.OFFICIAL, shutdown_at=date(2026, 9, 1))
    sheet = replace(sheet, shutdown_precision=ShutdownPrecision.NOT_BEFORE)

    told = [
        shutdown_event(
            new_service("veo", "Veo", sheet=sheet), PLACE, NOW, translator(each), is_retired=False
        )
        for each in Language
    ]

    assert [each and each.summary for each in told] == [
        "Veo: Earliest shutdown",
        "Veo：最早關閉日",
        "Veo：最早关闭日",
    ]
    assert {each and each.uid for each in told} == {"shutdown-veo@status.example.com"}


async def announce(history: Storage, *events: ClaimedEvent) -> None:
    feed = Feed("incident_io", "https://status.example.com")
    claims = PageClaims(NOW - timedelta(days=90), NOW, events=events)
    await history.save_component_state(claims_name(feed), dump_claims(claims))


def upgrade(title: str, start: datetime) -> ClaimedEvent:
    return ClaimedEvent("m", title, Status.MAINTENANCE, start, start + timedelta(hours=1))


async def read_calendar(get: Get, path: str) -> list[Component]:
    answer = await get(path)
    assert (answer.status, answer.content_type, answer.charset) == (200, "text/calendar", "utf-8")
    return events_of(await answer.text())


async def test_all_services_shutdowns_and_maintenance_are_there_once(
    get: Get, history: Storage, base: str
) -> None:
    await announce(history, upgrade("Upgrade, part 1; all", NOW + timedelta(days=1)))

    shutdown, maintenance = await read_calendar(get, "/calendar.ics")

    assert shutdown["SUMMARY"] == "Veo 3.1: Shutdown"
    assert shutdown["DTSTART;VALUE=DATE"] == "20260301"
    assert shutdown["DTSTAMP"] == "20260120T000000Z"
    assert "Shuts down on 1 March 2026. The provider names omni" in shutdown["DESCRIPTION"]
    assert shutdown["URL"] == f"{base}/services/veo-3.1"
    assert unescaped(maintenance["SUMMARY"]).endswith(": Upgrade, part 1; all")
    assert (maintenance["DTSTART"], maintenance["DTEND"]) == (
        "20260129T140000Z",
        "20260129T150000Z",
    )
    assert maintenance["URL"] == f"{base}/"


async def test_a_service_has_its_own_with_the_same_ids(get: Get, history: Storage) -> None:
    await announce(history, upgrade("Upgrade", NOW + timedelta(days=1)))
    of_all = {each["UID"] for each in await read_calendar(get, "/calendar.ics")}

    veo = await read_calendar(get, "/services/veo-3.1/calendar.ics")
    reverse = await read_calendar(get, "/services/sora-2-reverse/calendar.ics")

    assert {each["UID"] for each in veo} == of_all
    assert reverse == []


async def test_a_maintenance_that_is_moved_and_renamed_is_the_same(
    get: Get, history: Storage
) -> None:
    await announce(history, upgrade("Upgrade", NOW + timedelta(days=1)))
    before = (await read_calendar(get, "/calendar.ics"))[-1]
    await announce(history, upgrade("Longer upgrade", NOW + timedelta(days=2)))

    after = (await read_calendar(get, "/calendar.ics"))[-1]

    assert after["UID"] == before["UID"]
    assert after["DTSTAMP"] > before["DTSTAMP"]


async def test_a_calendar_does_not_change_with_the_hour(get: Get, backend: Backend) -> None:
    first = await get("/calendar.ics")
    await backend.clock.advance(timedelta(hours=1))

    assert (await get("/calendar.ics", if_none_match=first.headers["ETag"])).status == 304


async def test_an_unknown_service_has_no_calendar(get: Get) -> None:
    assert (await get("/services/nobody/calendar.ics")).status == 404


async def test_the_pages_name_their_calendars(get: Get) -> None:
    page = await (await get("/services/image")).text()

    for path in ("/calendar.ics", "/services/image/calendar.ics"):
        assert f'<link rel="alternate" type="text/calendar" href="{path}"' in page
        assert f'<a href="{path}">iCalendar</a>' in page
