"""The demo of January begins with 30 days of history, which the report shows."""

from datetime import timedelta
from pathlib import Path

from tallylight.app.demo import write_configuration
from tallylight.app.demo_history import rehearsed_past, store_past
from tallylight.clock import SystemClock
from tallylight.config.settings import load_configuration
from tallylight.model.status import Status
from tallylight.simulator.files import load_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.status.report import read_report
from tallylight.storage.database import open_storage
from tallylight.verdicts.report import Fitness


async def test_the_month_before_has_the_shape_of_the_market(tmp_path: Path) -> None:
    clock, scenario = SystemClock(), load_scenario("january")
    async with serve_simulation(scenario) as world:
        configuration = load_configuration(write_configuration(tmp_path, scenario, world, 0, clock))
    past = rehearsed_past(scenario.history, clock.now())
    await store_past(configuration.database_url, past, clock)

    async with open_storage(configuration.database_url, clock) as history:
        services = list(configuration.catalogue.services.values())
        now = clock.now()
        report = await read_report(history, services, now - timedelta(days=30), now, now)
        open_incidents = await history.open_incidents()

    found = {str(each.service.id): each.figures for each in report.services}
    official, pro = found["sora-2-official"], found["sora-2-pro-official"]
    reverse, pro_reverse = found["sora-2-reverse"], found["sora-2-pro-reverse"]
    assert official.stars == pro.stars == 5
    assert official.fitness is Fitness.FIRST_CHOICE
    assert 0.995 < official.availability.uptime < 1
    assert (reverse.stars, reverse.fitness) == (2, Fitness.TEST_ONLY)
    assert 0.80 < reverse.availability.uptime < 0.90
    assert (pro_reverse.stars, pro_reverse.fitness) == (1, Fitness.NOT_RECOMMENDED)
    assert 0.62 < pro_reverse.availability.uptime < 0.78
    assert reverse.spells_of(Status.RISK_CONTROL).count > 3
    assert found["gpt-image-reverse"].stars is None  # nothing is known of it
    assert open_incidents == ()
