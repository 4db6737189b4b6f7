"""The built-in fact sheets: what is publicly known of every model at every provider.

The facts stand in YAML files beside this module, one a provider; `docs/catalogue.md` tells how
they are kept. They are parsed at the first question, not at import.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel

from tallylight.catalogue.document import parse, validated
from tallylight.catalogue.secrets import environment
from tallylight.catalogue.services import FactSheet
from tallylight.catalogue.sheets import BuiltInUpstream, BuiltInUpstreams, ProviderFacts
from tallylight.catalogue.updates import folder, installed
from tallylight.errors import ConfigurationError, Problem

M = TypeVar("M", bound=BaseModel)

_UPSTREAMS = "upstreams.yaml"


@cache
def load() -> Mapping[str, FactSheet]:
    """Return every sheet by its id, "openai/sora-2"; updates take the place of built-in ones.

    Raises:
        ConfigurationError: if an update was changed by hand and is no longer usable.
    """
    return MappingProxyType({**built_in(), **installed(folder(environment()))})


@cache
def built_in() -> Mapping[str, FactSheet]:
    """Return the sheets that came with this release, by id."""
    sheets: dict[str, FactSheet] = {}
    for name in provider_files():
        for sheet in _read(name, ProviderFacts).sheets():
            if sheet.id in sheets:
                raise ConfigurationError((Problem(name, sheet.id, "stands twice"),))
            sheets[sheet.id] = sheet
    return MappingProxyType(sheets)


def find(provider: str, model: str) -> FactSheet | None:
    """Return the sheet of a model at a provider; None if nothing is known."""
    return load().get(f"{provider}/{model}")


@cache
def upstreams() -> Mapping[str, BuiltInUpstream]:
    """Return by provider where it is reached and which variable holds its key."""
    return MappingProxyType(_read(_UPSTREAMS, BuiltInUpstreams).upstreams)


def provider_files() -> tuple[str, ...]:
    """Return the names of the files of fact sheets, in order."""
    names = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name for name in names if name.endswith(".yaml") and name != _UPSTREAMS))


def _read(name: str, model: type[M]) -> M:
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return validated(parse(text, name, Path(), {}), model)
