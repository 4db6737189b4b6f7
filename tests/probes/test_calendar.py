"""Shutdown dates of fact sheets: reported once, changed, withdrawn."""

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
    env = await start("sora-2-official")
    found: Service = env.services["sora-2-official"]
    return found


def stopping(service: Service, day: date | None, **more: object) -> Service:
    sheet = replace(service.sheet, shutdown_at=day, **more)  # type: ignore[arg-type]
    return replace(service, sheet=sheet)


def judged(service: Service, state: ServiceState) -> ServiceState:
    evidence = calendar_evidence(service, state.calendar, NOW)
    return state if evidence is None else judge(state, evidence, Policy())


def test_a_service_without_a_date_gives_no_evidence(service: Service) -> None:
    assert calendar_evidence(service, CalendarState(), NOW) is None


def test_a_date_is_reported_once(service: Service) -> None:
    ending = stopping(service, DAY, replacement="omni")
    before = initial_state(service.id, NOW)

    state = judged(ending, before)

    assert state.calendar.shutdown_at == datetime(2026, 9, 24, tzinfo=UTC)
    assert state.calendar.replacement == "omni"
    assert calendar_evidence(ending, state.calendar, NOW) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"replacement": "another"},
        {"shutdown_precision": ShutdownPrecision.NOT_BEFORE},
        {"shutdown_at": date(2026, 9, 30)},
    ],
)
def test_every_change_of_a_date_is_reported(service: Service, changed: dict[str, object]) -> None:
    state = judged(stopping(service, DAY), initial_state(service.id, NOW))

    other = stopping(service, DAY)
    other = replace(other, sheet=replace(other.sheet, **changed))  # type: ignore[arg-type]

    assert calendar_evidence(other, state.calendar, NOW) is not None


def test_a_passed_date_retires_a_service_and_its_removal_revives_it(
    service: Service,
) -> None:
    gone = judged(stopping(service, date(2026, 9, 1)), initial_state(service.id, NOW))

    back = judged(stopping(service, None), gone)

    assert gone.verdict.status is Status.RETIRED
    assert back.verdict.status is Status.UNKNOWN
    assert calendar_evidence(stopping(service, None), back.calendar, NOW) is None


def test_a_not_before_date_retires_nothing(service: Service) -> None:
    early = stopping(service, date(2026, 9, 1), shutdown_precision=ShutdownPrecision.NOT_BEFORE)

    state = judged(early, initial_state(service.id, NOW))

    assert state.verdict.status is Status.UNKNOWN
