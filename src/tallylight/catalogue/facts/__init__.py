"""The built-in fact sheets: what is publicly known of every model at every provider.

The facts are in YAML files beside this module, one per provider; `docs/catalogue.md` says how they
are maintained. They are parsed on first use, not at import.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel

from tallylight.catalogue.services import FactSheet
from tallylight.catalogue.sheets import BuiltInUpstream, BuiltInUpstreams, ProviderFacts
from tallylight.catalogue.updates import installed_updates, updates_folder
from tallylight.documents.document import parse_document, validate_document
from tallylight.documents.environment import process_environment
from tallylight.errors import ConfigurationError, Problem

_ModelT = TypeVar("_ModelT", bound=BaseModel)

_UPSTREAMS = "upstreams.yaml"


@cache
def fact_sheets() -> Mapping[str, FactSheet]:
    """Return all sheets by id, "openai/sora-2"; updates replace built-in ones.

    Raises:
        ConfigurationError: if an update was edited and is invalid.
    """
    return MappingProxyType({**built_in_sheets(), **_updated_sheets()})


@cache
def built_in_sheets() -> Mapping[str, FactSheet]:
    """Return the sheets of this release, by id."""
    return MappingProxyType(
        {k: v for name in provider_file_names() for k, v in _sheets_in_file(name).items()}
    )


def sheet_by_id(id_: str) -> FactSheet | None:
    """Return the sheet of an id; None if there is none. Only its provider's file is read.

    Raises:
        ConfigurationError: if an update was edited and is invalid.
    """
    if (updated := _updated_sheets().get(id_)) is not None:
        return updated
    name = f"{id_.partition('/')[0]}.yaml"
    return _sheets_in_file(name).get(id_) if name in provider_file_names() else None


def find_sheet(provider: str, model: str) -> FactSheet | None:
    """Return the sheet of a model at a provider; None if there is none."""
    return sheet_by_id(f"{provider}/{model}")


@cache
def built_in_upstreams() -> Mapping[str, BuiltInUpstream]:
    """Return the built-in upstreams by provider."""
    return MappingProxyType(_read(_UPSTREAMS, BuiltInUpstreams).upstreams)


@cache
def provider_file_names() -> tuple[str, ...]:
    """Return the names of the built-in fact sheet files, sorted."""
    names = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name for name in names if name.endswith(".yaml") and name != _UPSTREAMS))


@cache
def _sheets_in_file(name: str) -> Mapping[str, FactSheet]:
    sheets: dict[str, FactSheet] = {}
    for each in _read(name, ProviderFacts).sheets():
        if each.id in sheets:
            raise ConfigurationError((Problem(name, each.id, "is defined twice"),))
        sheets[each.id] = each
    return MappingProxyType(sheets)


@cache
def _updated_sheets() -> Mapping[str, FactSheet]:
    return installed_updates(updates_folder(process_environment()))


def _read(name: str, model: type[_ModelT]) -> _ModelT:
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return validate_document(parse_document(text, name, Path(), {}), model)
