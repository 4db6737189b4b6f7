"""Reading scenario files: built-in ones by name, others by path."""

from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario import Scenario, ScenarioUpstream
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


def parse_scenario(text: str, source: str) -> Scenario:
    """Parse the YAML text of a scenario; raise ScenarioError, which names the key."""
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise ScenarioError(source, "", f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ScenarioError(
            source, "", "a scenario is a mapping with title, start, upstreams, services"
        )
    try:
        scenario = Scenario.model_validate(document)
    except ValidationError as error:
        raise ScenarioError.from_validation(source, error) from error
    for name, upstream in scenario.upstreams.items():
        _check_protocol(f"upstreams.{name}", upstream, source)
    return scenario


def _check_protocol(key: str, upstream: ScenarioUpstream, source: str) -> None:
    twin = TWINS.get(upstream.protocol)
    if twin is None:
        reason = f"'{upstream.protocol}' is not a protocol; allowed: {', '.join(TWINS)}"
        raise ScenarioError(source, key, reason)
    if upstream.dialect not in twin.dialects:
        allowed = ", ".join(twin.dialects)
        reason = f"'{upstream.dialect}' is not a dialect of {twin.name}; allowed: {allowed}"
        raise ScenarioError(source, key, reason)
