"""`tallylight rehearse` on the command line."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from tests.conftest import Outcome

OWN = """
upstreams:
  lab: {provider: lab, base_url: "http://127.0.0.1:1/v1", protocol: openai_videos}
services:
  relayed:
    upstream: lab
    model: sora-2
    access: reverse
    price: {per_call: 0.12}
    lengths: [4]
    sizes: [1280x720]
    probes: {generation: 3h}
budgets: {per_day: 0.50}
"""


Rehearse = Callable[..., "Outcome"]


@pytest.fixture
def rehearse(command: Callable[..., "Outcome"]) -> Rehearse:
    """Return a function that runs `rehearse` in this process, in an empty folder."""
    return partial(command, "rehearse")


@pytest.fixture
def own(tmp_path: Path) -> str:
    """Return the path of a configuration."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN, "utf-8")
    return str(path)


def test_all_rules_run_on_a_built_in_trace(rehearse: Rehearse) -> None:
    outcome = rehearse("calm", "--days", "0.2", "--budget", "2.00/day", "--json")

    document = outcome.json()
    assert (outcome.code, document["trace"], document["days"]) == (0, "calm", 0.2)
    assert len(document["rules"]) == 8
    assert document["rules"][0]["rule"] == "tallylight"
    assert document["rules"][0]["budget_usd_per_day"] == 2.0


def test_the_table_is_in_the_chosen_language(rehearse: Rehearse) -> None:
    table = rehearse("calm", "--days", "0.1", "--lang", "zh-Hant")

    assert "發現的故障" in table.out
    assert "Gatus, 3 in a row" in table.out


def test_without_a_trace_the_own_services_are_rehearsed_within_their_budgets(
    rehearse: Rehearse, own: str
) -> None:
    document = rehearse("--config", own, "--days", "1", "--json").json()
    richer = rehearse("--config", own, "--days", "1", "--budget", "3/day", "--json").json()

    assert (document["trace"], document["services"]) == (None, 1)
    assert document["rules"][0]["budget_usd_per_day"] == 0.5
    assert document["rules"][0]["spend_usd_per_day"] <= 0.5
    assert richer["rules"][0]["budget_usd_per_day"] == 3.0


def test_services_without_a_price_cannot_be_rehearsed(
    rehearse: Rehearse, own: str, tmp_path: Path
) -> None:
    free_of_facts = OWN.replace("    price: {per_call: 0.12}\n", "")
    Path(own).write_text(free_of_facts.replace("    probes: {generation: 3h}\n", ""), "utf-8")

    outcome = rehearse("--config", own)

    assert outcome.code == 2
    assert "No service has a probe of known price" in outcome.err
    assert list(tmp_path.iterdir()) == [Path(own)]


def test_a_chart_is_written_to_a_file(rehearse: Rehearse, tmp_path: Path) -> None:
    outcome = rehearse("calm", "--days", "0.1", "--picture", "calm.svg")

    chart = ET.fromstring((tmp_path / "calm.svg").read_text("utf-8"))  # noqa: S314  # our own
    assert outcome.err == "written: calm.svg\n"
    assert chart.findtext("{http://www.w3.org/2000/svg}title") == "rehearse calm"


def test_the_same_options_generate_the_same_trace_which_can_be_run(
    rehearse: Rehearse, tmp_path: Path
) -> None:
    options = ("--reverse", "--services", "2", "--days", "2", "--risk-hours", "1", "2")

    for name in ("one.json", "two.json"):
        assert rehearse("generate", "--out", name, *options).code == 0

    one, two = ((tmp_path / name).read_text("utf-8") for name in ("one.json", "two.json"))
    assert one == two
    assert {each["access"] for each in json.loads(one)["services"].values()} == {"reverse"}
    assert rehearse("one.json", "--days", "0.1", "--json").json()["services"] == 2


def test_a_recipe_replaces_the_options(rehearse: Rehearse, tmp_path: Path) -> None:
    recipe = {"days": 1, "groups": {"mine": {"count": 3}}}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe), "utf-8")

    outcome = rehearse("generate", "--out", "made.json", "--recipe", "recipe.json")

    assert outcome.code == 0
    trace = json.loads((tmp_path / "made.json").read_text("utf-8"))
    assert list(trace["services"]) == ["mine-1", "mine-2", "mine-3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.json",), "nowhere.json"),
        (("calm", "--budget", "much"), "much is not a budget; write, for example, 2.00/day"),
        (("calm", "--pace", "often"), "--pace often"),
        (("generate", "--out", "x", "--recipe", "none.json"), "none.json"),
        (("generate", "--out", "x", "--risk-hours", "3", "1"), "--risk-hours FROM TO"),
        (("generate", "--out", "none/x"), "none/x"),
    ],
)
def test_an_error_names_the_invalid_argument(
    rehearse: Rehearse, arguments: tuple[str, ...], message: str
) -> None:
    outcome = rehearse(*arguments)

    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_the_built_in_traces_are_listed(rehearse: Rehearse) -> None:
    traces = rehearse("list", "--json").json()

    assert {"calm", "reference", "january-market", "stormy", "sunset"} <= traces.keys()
