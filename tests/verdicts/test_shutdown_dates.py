"""A delivery beats a date, and what the fact sheet says of shutdowns is told with its source."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tallylight.catalogue.services import FactSheet, ShutdownPrecision, Successor
from tallylight.catalogue.sheets import ProviderFacts
from tallylight.i18n import Language, translator
from tallylight.model.evidence import Source
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode
from tallylight.probes.calendar import calendar_evidence
from tallylight.status.views.detail import sheet_view
from tallylight.status.views.services import shutdown_notice
from tallylight.verdicts.state import CalendarState
from tests.builders import SERVICE, SHEET
from tests.verdicts.test_judge import Story

DAY = 86400.0
EN = translator(Language.EN)
NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)
BY_MAY = replace(
    SHEET,
    shutdown_at=date(2026, 5, 31),
    shutdown_precision=ShutdownPrecision.BY,
    sources=("docs.example.com",),
)


@pytest.fixture
def story() -> Story:
    """Return a service that works, with a shutdown date after ten days."""
    story = Story()
    story.apply(0, Source.CALENDAR, claimed_status=Status.RETIRED, until=10 * DAY)
    story.deliver(*(9.9 * DAY + 60 * minute for minute in range(4)))
    return story


def test_a_service_that_delivers_after_its_date_is_not_retired(story: Story) -> None:
    story.wait(10 * DAY)
    at_the_date = story.status

    story.deliver(10 * DAY + 3600)

    codes = [reason.code for reason in story.state.verdict.reasons]
    assert (at_the_date, story.status) == (Status.RETIRED, Status.OPERATIONAL)
    assert codes == [ReasonCode.JOBS_DELIVERED, ReasonCode.SHUTDOWN_DISPROVED]


def test_a_video_that_was_ordered_before_the_date_disproves_nothing(story: Story) -> None:
    story.deliver(10 * DAY + 30)

    assert story.status is Status.RETIRED


def test_the_date_holds_again_once_jobs_fail_or_nothing_is_known(story: Story) -> None:
    story.deliver(10 * DAY + 3600)
    silent = replace(story)
    silent.wait(12 * DAY)
    story.fail(*(10 * DAY + 7200 + 60 * minute for minute in range(5)))

    assert silent.status is Status.RETIRED
    assert story.status is Status.RETIRED


def notice(sheet: FactSheet, *, is_retired: bool) -> str:
    return shutdown_notice(sheet, NOON, EN, is_retired=is_retired)


def test_the_notice_of_a_date_that_is_outlived_names_the_source_and_the_mend() -> None:
    assert notice(BY_MAY, is_retired=True) == "Was shut down on 31 May 2026."
    assert notice(BY_MAY, is_retired=False) == (
        "The fact sheet says that it was shut down by 31 May 2026 (docs.example.com). "
        "If that is wrong, correct shutdown_at of the service."
    )


def test_sources_that_disagree_are_shown_as_two_dates() -> None:
    sheet = replace(
        SHEET,
        shutdown_at=date(2026, 7, 2),
        earlier_shutdown_at=date(2026, 6, 15),
        shutdown_precision=ShutdownPrecision.CONFLICTING,
    )

    expected = "Shuts down on 15 June 2026 or on 2 July 2026: sources disagree."
    assert notice(sheet, is_retired=False) == expected


def facts(*, last_shutdown: str | None) -> FactSheet:
    models = [
        {"model": "a", "title": "A", "shutdown_at": "2026-07-01", "replacement": "b"},
        {"model": "b", "title": "B", "shutdown_at": "2026-06-01", "replacement": "c"},
        {"model": "c", "title": "C", "shutdown_at": last_shutdown, "replacement": "a"},
    ]
    provider = {"provider": "maker", "sources": ["x"], "as_of": "2026-01-01", "models": models}
    return next(ProviderFacts.model_validate(provider).sheets())


def test_a_replacement_that_was_shut_down_is_followed_to_a_live_one() -> None:
    sheet = facts(last_shutdown=None)

    evidence = calendar_evidence(replace(SERVICE, sheet=sheet), CalendarState(), NOON)

    assert sheet.replacement_on(date(2026, 5, 1)) == Successor("b", date(2026, 6, 1))
    assert sheet.replacement_on(NOON.date()) == Successor("c")
    assert evidence is not None
    assert evidence.note == "c"
    assert "names c as the replacement" in notice(sheet, is_retired=False)
    assert sheet_view(sheet, NOON.date(), EN).lines["Replacement"] == "c"


def test_a_replacement_without_a_live_one_is_named_as_shut_down() -> None:
    sheet = facts(last_shutdown="2026-06-01")

    assert notice(sheet, is_retired=False).endswith(
        "The replacement that the provider names, c, was shut down as well."
    )
    line = sheet_view(sheet, NOON.date(), EN).lines["Replacement"]
    assert line == "c, which was shut down as well"
