"""The named traces, kept as recipes beside this module."""

from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from tallylight.documents.validation_messages import validation_message
from tallylight.errors import ConfigurationError, Problem
from tallylight.rehearsal.behaviour import Recipe
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.trace import Trace, read_trace

_DATA = files(__package__) / "recipes"
_SUFFIX = ".json"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the traces that come with the program."""
    found = (file.name for file in _DATA.iterdir() if file.name.endswith(_SUFFIX))
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found))


def load_recipe(name: str) -> Recipe:
    """Return a named recipe; raise KeyError if there is none of that name."""
    if name not in recipe_names():
        raise KeyError(name)
    return parse_recipe((_DATA / f"{name}{_SUFFIX}").read_text("utf-8"), f"{name}{_SUFFIX}")


def parse_recipe(text: str, name: str) -> Recipe:
    """Return the recipe that a JSON text describes.

    Raises:
        ConfigurationError: with every fault and its place.
    """
    try:
        return Recipe.model_validate_json(text)
    except ValidationError as error:
        schema = Recipe.model_json_schema()
        raise ConfigurationError(
            tuple(
                Problem(
                    name,
                    ".".join(map(str, finding["loc"])),
                    validation_message(finding, tuple(finding["loc"]), schema),
                )
                for finding in error.errors(include_url=False)
            )
        ) from None


def load_trace(name: str) -> Trace:
    """Return a named trace, or the one of a file.

    Raises:
        ConfigurationError: if there is none, or it cannot be used.
    """
    if name in recipe_names():
        return generate_trace(load_recipe(name))
    path = Path(name)
    if not path.exists():
        known = ", ".join(recipe_names())
        reason = f"is no trace; give a file or one of {known}"
        raise ConfigurationError((Problem(name, "", reason),))
    return read_trace(path)
