"""Scenario files: those that come with the simulator, and the user's own."""

from importlib.resources import files
from pathlib import Path

from tallylight.simulator.scenario import Scenario, parse_scenario
from tallylight.simulator.section import ScenarioError

_DATA = files(__package__) / "scenarios"


def scenario_names() -> tuple[str, ...]:
    """Return the names of the scenarios that come with the simulator."""
    return tuple(
        sorted(file.name.removesuffix(".yaml") for file in _DATA.iterdir() if _is_yaml(file.name))
    )


def _is_yaml(name: str) -> bool:
    return name.endswith(".yaml")


def load_scenario(name: str) -> Scenario:
    """Return a built-in scenario by its name, or the one of a file by its path.

    Raises:
        ScenarioError: if there is none, or it cannot be understood.
    """
    if name in scenario_names():
        return parse_scenario((_DATA / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")
    path = Path(name)
    if not path.is_file():
        allowed = ", ".join(scenario_names())
        raise ScenarioError(name, "", f"no such scenario; give a file or one of {allowed}")
    return parse_scenario(path.read_text("utf-8"), name)
