"""Finding scenario files: built-in ones by name, others by path."""

from importlib.resources import files
from pathlib import Path

from tallylight.simulator.scenario import Scenario, parse_scenario
from tallylight.simulator.scenario_section import ScenarioError

_MAX_FILE_BYTES = 1024 * 1024
_DATA = files(__package__) / "scenarios"


def scenario_names() -> tuple[str, ...]:
    """Return the names of the built-in scenarios."""
    names = (file.name for file in _DATA.iterdir() if file.name.endswith(".yaml"))
    return tuple(sorted(name.removesuffix(".yaml") for name in names))


def load_scenario(name: str) -> Scenario:
    """Return a built-in scenario by name, or the one in a file; raise ScenarioError for neither."""
    if name in scenario_names():
        return parse_scenario((_DATA / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")
    path = Path(name)
    if not path.is_file():
        known = ", ".join(scenario_names())
        raise ScenarioError(name, "", f"no such scenario; give a file or one of {known}")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(name, "", f"cannot be read: {error}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise ScenarioError(name, "", f"is larger than {_MAX_FILE_BYTES // 1024} KiB")
    return parse_scenario(text, name)
