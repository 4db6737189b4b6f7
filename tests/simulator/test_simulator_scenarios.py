"""Scenario files: the built-in ones are valid, and errors name key and remedy."""

from datetime import date
from pathlib import Path

import pytest

from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.files import load_scenario, parse_scenario, scenario_names
from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.scenario_section import ScenarioError

SMALL = """
title: Small
start: 2026-01-28T09:00:00Z
upstreams:
  openai: {provider: openai, protocol: openai_videos, dialect: openai, keys: [k]}
services:
  sora:
    name: Sora
    upstream: openai
    model: sora-2
    access: official
    price: {unit: per_second, rates: {"*": "0.1"}}
    lengths: [4]
    sizes: ["1280x720"]
"""


def addresses(scenario: Scenario) -> dict[str, str]:
    return {name: f"http://127.0.0.1:1/{name}/v1" for name in scenario.upstreams}


def test_there_are_five_built_in_scenarios() -> None:
    assert scenario_names() == ("calm", "january", "storm", "sunset", "today")


@pytest.mark.parametrize("name", scenario_names())
def test_the_catalogue_of_every_built_in_scenario_has_all_its_services(name: str) -> None:
    scenario = load_scenario(name)

    catalogue = client_catalogue(scenario, addresses(scenario))

    services, upstreams = catalogue["services"], catalogue["upstreams"]
    assert isinstance(services, dict)
    assert isinstance(upstreams, dict)
    assert services.keys() == scenario.services.keys()
    for service in services.values():
        upstream = upstreams[service["upstream"]]
        assert upstream["base_url"].startswith("http://127.0.0.1:1/")
        assert upstream["key"].startswith("sim-")
        assert service["price"]
        assert service.get("sizes") or service["modes"]


def test_january_has_six_services_and_no_retirement() -> None:
    scenario = load_scenario("january")

    catalogue = client_catalogue(scenario, addresses(scenario))

    assert [(name, part.name) for name, part in scenario.services.items()] == [
        ("sora-2-official", "Sora 2 官轉"),
        ("sora-2-pro-official", "Sora 2 Pro 官轉"),
        ("sora-2-reverse", "Sora 2 官逆"),
        ("sora-2-pro-reverse", "Sora 2 Pro 官逆"),
        ("veo-3.1-reverse", "Veo 3.1 官逆"),
        ("gpt-image-reverse", "Sora image"),
    ]
    assert "shutdown_at" not in str(catalogue)


def test_the_dates_of_a_catalogue_can_be_shifted_to_today() -> None:
    scenario = load_scenario("sunset")

    catalogue = client_catalogue(scenario, addresses(scenario), today=date(2026, 11, 22))

    services = catalogue["services"]
    assert isinstance(services, dict)
    assert services["sora-2-official"]["shutdown_at"] == "2026-11-23"
    assert services["sora-2-official"]["announced_at"] == "2026-05-23"


def test_the_catalogue_names_the_component_of_a_feed() -> None:
    scenario = load_scenario("january")
    feeds = {name: f"http://127.0.0.1:1/status/{name}" for name in scenario.feeds}

    catalogue = client_catalogue(scenario, addresses(scenario), feed_urls=feeds)

    upstreams = catalogue["upstreams"]
    assert isinstance(upstreams, dict)
    assert upstreams["openai"]["feed"] == {
        "format": "incident_io",
        "url": "http://127.0.0.1:1/status/openai",
        "component": "Sora",
    }
    assert "feed" not in upstreams["relay-a"]


def test_a_minimal_scenario_is_valid() -> None:
    scenario = parse_scenario(SMALL, "small.yaml")

    assert scenario.services["sora"].wire_names == ("sora-2",)
    assert scenario.upstreams["openai"].keys[0].state == "good"


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        (
            "lengths: [4]",
            "lenghts: [4]",
            "services.sora",
            "unknown key 'lenghts'; allowed are name",
        ),
        ("access: official", "access: secret", "services.sora.access", "'official', 'reverse'"),
        ("upstream: openai", "upstream: opnai", "", "'opnai' is not defined; allowed are openai"),
        (
            "dialect: openai",
            "dialect: sora2api",
            "upstreams.openai",
            "not a dialect of openai_videos",
        ),
        ("keys: [k]", "keys: []", "upstreams.openai.keys", "at least 1"),
        ("lengths: [4]", "lengths: [4]\n    latency: [5, 2]", "services.sora", "95th percentile"),
        ("lengths: [4]", "lengths: [4]\n    feed: x", "services.sora", "unknown key 'feed'"),
        ('"1280x720"', '"big"', "services.sora.sizes.0", "'big'"),
        ("openai: {provider", "status: {provider", "", "upstreams.status: this name is reserved"),
        ("title: Small", "", "title", "required"),
    ],
)
def test_an_error_names_the_key_and_what_is_allowed(
    old: str, new: str, key: str, reason: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(SMALL.replace(old, new, 1), "mine.yaml")

    assert caught.value.source == "mine.yaml"
    assert caught.value.key == key
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "key", "reason"),
    [
        ("{fault: {kind: explode}}", "faults.0.fault", "'refuse', 'hang', 'reset'"),
        ("{fault: {kind: refuse}}", "faults.0.fault.refuse", "either http_status"),
        ("{fault: {kind: stall, at: 100}}", "faults.0.fault.stall.at", "less than or equal"),
        ("{fault: {kind: slow, speed: 2}}", "faults.0.fault.slow", "allowed are share, feed"),
        ("{from: 9, to: 3, fault: {kind: stall}}", "faults.0", "'to' must be after 'from'"),
        ("{from: 9, every: 30, fault: {kind: stall}}", "faults.0", "needs a 'to'"),
    ],
)
def test_an_error_in_a_scheduled_fault_names_its_key(entry: str, key: str, reason: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f"{SMALL}    faults: [{entry}]\n", "mine.yaml")

    assert caught.value.key == f"services.sora.{key}"
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b",
        "title: [",
        "just values",
        "title: " + "[" * 3000,
        "title: &a {<<: *a}",
        "start: 2026-99-99",
    ],
)
def test_a_document_that_is_not_a_mapping_is_an_error(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"mine\.yaml"):
        parse_scenario(text, "mine.yaml")


def test_a_scenario_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL, "utf-8")

    assert load_scenario(str(path)).title == "Small"


def test_a_scenario_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    binary, large = tmp_path / "binary.yaml", tmp_path / "large.yaml"
    binary.write_bytes(b"\xff")
    large.write_bytes(b"#" * (1024 * 1024 + 1))

    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(str(binary))
    with pytest.raises(ScenarioError, match="is larger than 1024 KiB"):
        load_scenario(str(large))


def test_the_error_for_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="calm, january, storm, sunset, today"):
        load_scenario("hurricane")


def test_every_setting_of_a_scenario_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")

    schema = Scenario.model_json_schema()
    settings = {name for part in schema["$defs"].values() for name in part.get("properties", {})}
    values = {word for part in schema["$defs"].values() for word in part.get("enum", [])}
    values |= TWINS.keys() | {dialect for twin in TWINS.values() for dialect in twin.dialects}

    assert {name for name in settings | values if f"{name}" not in text} == set()


def test_the_documented_scenario_is_valid() -> None:
    text = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]

    assert parse_scenario(example, "docs/simulator.md").services["veo"].component == "Video"
