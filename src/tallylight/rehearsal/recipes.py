"""The named traces, kept as recipes beside this module."""

from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from tallylight.documents.validation_messages import validation_message
from tallylight.errors import ConfigurationError, Problem
from tallylight.rehearsal.behaviour import Recipe
from tallylight.rehearsal.generate import generated
from tallylight.rehearsal.trace import Trace, read

_DATA = files(__package__) / "recipes"
_ENDING = ".json"


def names() -> tuple[str, ...]:
    """Return the names of the traces that come with the program."""
    found = (file.name for file in _DATA.iterdir() if file.name.endswith(_ENDING))
    return tuple(sorted(name.removesuffix(_ENDING) for name in found))


def recipe(name: str) -> Recipe:
    """Return a named recipe; raise KeyError if there is none of that name."""
    if name not in names():
        raise KeyError(name)
    return parsed((_DATA / f"{name}{_ENDING}").read_text("utf-8"), f"{name}{_ENDING}")


def parsed(text: str, name: str) -> Recipe:
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


def load(name: str) -> Trace:
    """Return a named trace, or the one of a file.

    Raises:
        ConfigurationError: if there is none, or it cannot be used.
    """
    if name in names():
        return generated(recipe(name))
    path = Path(name)
    if not path.exists():
        known = ", ".join(names())
        reason = f"is no trace; give a file or one of {known}"
        raise ConfigurationError((Problem(name, "", reason),))
    return read(path)
