"""The shutdown date that an API tells its free check: before the fact sheet's, and kept."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from tallylight.alerts.shutdowns import update_shutdowns
from tallylight.alerts.state import AlertRules
from tallylight.catalogue.services import TOLD_SOURCE, ShutdownPrecision
from tallylight.i18n import Language, translator
from tallylight.model.evidence import Depth
from tallylight.model.ids import ServiceId
from tallylight.probes.calendar import calendar_evidence
from tallylight.simulator.scenario import Scenario
from tallylight.status.views.detail import sheet_view
from tallylight.status.views.services import shutdown_notice
from tallylight.verdicts.options import PolicyOptions
from tests.probes.conftest import ProbeEnvironment
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Any]]

TODAY = date(2026, 1, 28)
TOLD, OF_THE_SHEET = TODAY + timedelta(days=20), TODAY + timedelta(days=300)
IMAGES, FILMS = ServiceId("gpt-image-1.5"), ServiceId("sora-2")
EN = translator(Language.EN)


def telling(day: date | None, protocol: str = "openai_images", service: str = IMAGES) -> Scenario:
    """Return a scenario in which the list of models tells a day of a service, or none."""
    scenario = scenario_of(protocol)
    part = scenario.services[service]
    wire = {k: v for k, v in part.wire.items() if k != "shutdown_date"}
    told = wire if day is None else {**wire, "shutdown_date": day.isoformat()}
    services = {**scenario.services, service: part.model_copy(update={"wire": told})}
    return scenario.model_copy(update={"services": services})


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


async def set_sheet(env: ProbeEnvironment, **more: object) -> None:
    """Put another fact sheet into force, as a reload does."""
    service = env.services[IMAGES]
    sheet = replace(service.sheet, **more)  # type: ignore[arg-type]  # fields of a sheet
    env.services = {IMAGES: replace(service, sheet=sheet)}
    await env.board.apply_config(env.services.values(), PolicyOptions())


@pytest.fixture
async def env(start: Start) -> ProbeEnvironment:
    """Return a process whose fact sheet has a later date than the one that the API tells."""
    found: ProbeEnvironment = await start(IMAGES, scenario=telling(TOLD))
    await set_sheet(found, shutdown_at=OF_THE_SHEET, sources=("docs.example.com",))
    return found


async def test_a_told_date_goes_before_the_sheets_and_is_shown_with_its_source(
    env: ProbeEnvironment,
) -> None:
    before = env.board.service(IMAGES).sheet.shutdown_at

    await env.prober.probe(env.services[IMAGES], Depth.CREDENTIALS)

    sheet, (state, _) = env.board.service(IMAGES).sheet, env.board.state(IMAGES)
    assert (before, sheet.shutdown_at) == (OF_THE_SHEET, TOLD)
    assert sheet.sources == (TOLD_SOURCE, "docs.example.com")
    assert sheet.shutdown_precision is ShutdownPrecision.TOLD
    assert state.calendar.shutdown_at == midnight(TOLD)
    assert calendar_evidence(env.board.services()[0], state.calendar, env.clock.now()) is None
    assert "as its API says" in sheet_view(sheet, TODAY, EN).lines["Shutdown"]
    assert "as its API says" in shutdown_notice(sheet, env.clock.now(), EN, is_retired=False)


async def test_a_told_date_survives_a_restart(env: ProbeEnvironment) -> None:
    await env.prober.probe(env.services[IMAGES], Depth.CREDENTIALS)
    await env.history.flush()

    again = await env.restart()

    assert again.board.service(IMAGES).sheet.shutdown_at == TOLD


async def test_a_told_date_is_notified_on_each_of_the_days(env: ProbeEnvironment) -> None:
    await env.prober.probe(env.services[IMAGES], Depth.CREDENTIALS)
    members = {each.id: each for each in env.board.services()}
    notified: Any = {}

    days = []
    for ahead in (100, 90, 31, 30, 8, 7, 2, 1):
        now = midnight(TOLD) - timedelta(days=ahead)
        notified, sent = update_shutdowns(notified, now, AlertRules(), members)
        days += [each.facts["days"] for each in sent]

    assert days == [90, 30, 7, 1]


async def test_a_date_that_is_told_no_more_leaves_the_sheets(env: ProbeEnvironment) -> None:
    await env.prober.probe(env.services[IMAGES], Depth.CREDENTIALS)
    env.world.scenario = telling(None)

    await env.prober.probe(env.services[IMAGES], Depth.CREDENTIALS)

    service, (state, _) = env.board.service(IMAGES), env.board.state(IMAGES)
    back = calendar_evidence(service, state.calendar, env.clock.now())
    assert service.sheet.shutdown_at == OF_THE_SHEET
    assert back is not None
    assert back.until == midnight(OF_THE_SHEET)


async def test_a_date_of_the_operator_is_changed_by_no_api(env: ProbeEnvironment) -> None:
    await set_sheet(env, is_dated_by_operator=True)

    evidence = await env.prober.probe(env.services[IMAGES], Depth.CREDENTIALS)

    assert evidence.until is None
    assert env.board.service(IMAGES).sheet.shutdown_at == OF_THE_SHEET


async def test_a_list_of_models_tells_dates_too(start: Start) -> None:
    scenario = telling(TOLD, "openai_videos", FILMS)
    env = await start(FILMS, scenario=scenario)

    await env.prober.probe(env.services[FILMS], Depth.CREDENTIALS)

    assert env.board.service(FILMS).sheet.shutdown_at == TOLD
