"""The built-in traces, stored as recipes next to this module."""

from importlib.resources import files
from pathlib import Path

from tallylight.documents.nearest import unknown_name_message
from tallylight.errors import ConfigurationError, Problem
from tallylight.rehearsal.behaviour import Recipe
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.trace import Trace, parse_json_model, read_trace

_DATA = files(__package__) / "recipes"
_SUFFIX = ".json"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the built-in traces."""
    names = (file.name for file in _DATA.iterdir() if file.name.endswith(_SUFFIX))
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names))


def load_recipe(name: str) -> Recipe:
    """Return a built-in recipe; raise KeyError if there is none of that name."""
    if name not in recipe_names():
        raise KeyError(name)
    file = f"{name}{_SUFFIX}"
    return parse_json_model(Recipe, (_DATA / file).read_text("utf-8"), file)


def load_trace(name: str) -> Trace:
    """Return a built-in trace or the one in a file; raise ConfigurationError if it is invalid."""
    if name in recipe_names():
        return generate_trace(load_recipe(name))
    path = Path(name)
    if not path.exists():
        reason = unknown_name_message("trace or file", name, recipe_names())
        raise ConfigurationError((Problem("rehearse", "trace", reason),))
    return read_trace(path)
