"""Lifecycle dates of fact sheets: told once, changed, taken back."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from tallylight.catalogue.services import Service, ShutdownPrecision
from tallylight.model.status import Status
from tallylight.probes.calendar import calendar_evidence
from tallylight.verdicts.judge import initial_state, judge
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import CalendarState, ServiceState

Start = Callable[..., Awaitable[Any]]

NOW = datetime(2026, 9, 20, tzinfo=UTC)
DAY = date(2026, 9, 24)


@pytest.fixture
async def service(start: Start) -> Service:
    house = await start("sora-2-official")
    found: Service = house.services["sora-2-official"]
    return found


def stopping(service: Service, day: date | None, **more: object) -> Service:
    sheet = replace(service.sheet, shutdown_at=day, **more)  # type: ignore[arg-type]
    return replace(service, sheet=sheet)


def judged(service: Service, standing: ServiceState) -> ServiceState:
    news = calendar_evidence(service, standing.calendar, NOW)
    return standing if news is None else judge(standing, news, Policy())


def test_a_service_without_a_date_has_no_news(service: Service) -> None:
    assert calendar_evidence(service, CalendarState(), NOW) is None


def test_a_date_is_told_once(service: Service) -> None:
    ending = stopping(service, DAY, replacement="omni")
    before = initial_state(service.id, NOW)

    standing = judged(ending, before)

    assert standing.calendar.shutdown_at == datetime(2026, 9, 24, tzinfo=UTC)
    assert standing.calendar.replacement == "omni"
    assert calendar_evidence(ending, standing.calendar, NOW) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"replacement": "another"},
        {"shutdown_precision": ShutdownPrecision.NOT_BEFORE},
        {"shutdown_at": date(2026, 9, 30)},
    ],
)
def test_whatever_changes_of_a_date_is_news(service: Service, changed: dict[str, object]) -> None:
    standing = judged(stopping(service, DAY), initial_state(service.id, NOW))

    other = stopping(service, DAY)
    other = replace(other, sheet=replace(other.sheet, **changed))  # type: ignore[arg-type]

    assert calendar_evidence(other, standing.calendar, NOW) is not None


def test_a_date_that_has_passed_retires_and_one_that_is_taken_back_revives(
    service: Service,
) -> None:
    gone = judged(stopping(service, date(2026, 9, 1)), initial_state(service.id, NOW))

    back = judged(stopping(service, None), gone)

    assert gone.verdict.status is Status.RETIRED
    assert back.verdict.status is Status.UNKNOWN
    assert calendar_evidence(stopping(service, None), back.calendar, NOW) is None


def test_a_date_that_is_only_the_earliest_retires_nothing(service: Service) -> None:
    early = stopping(service, date(2026, 9, 1), shutdown_precision=ShutdownPrecision.NOT_BEFORE)

    standing = judged(early, initial_state(service.id, NOW))

    assert standing.verdict.status is Status.UNKNOWN
