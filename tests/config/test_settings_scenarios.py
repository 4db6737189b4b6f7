import json
from collections.abc import Callable
from datetime import date
from importlib.resources import files

import pytest

from tallylight.config.settings import Configuration
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.files import parse_scenario

Load = Callable[..., Configuration]

SCENARIOS = sorted(
    entry.name for entry in files("tallylight.simulator").joinpath("scenarios").iterdir()
)
TODAY = date(2026, 11, 22)


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_scenario_renders_is_a_valid_configuration(load: Load, name: str) -> None:
    text = files("tallylight.simulator").joinpath("scenarios", name).read_text(encoding="utf-8")
    scenario = parse_scenario(text, name)
    urls = dict.fromkeys(scenario.upstreams, "http://127.0.0.1:9000/v1")
    feeds = dict.fromkeys(scenario.feeds, "http://127.0.0.1:9001")

    found = load(json.dumps(client_catalogue(scenario, urls, feed_urls=feeds, today=TODAY)))

    services = found.catalogue.services
    assert set(services) == set(scenario.services)
    assert all(service.probe_order is not None for service in services.values())
    assert found.warnings == ()
