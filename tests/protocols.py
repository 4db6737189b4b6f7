"""A calm scenario with short jobs and all protocols, or some of them.

Each protocol has a file in `data/protocols`, with a service for each of its dialects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario import Scenario

_FOLDER = Path(__file__).parent / "data" / "protocols"


@dataclass(frozen=True, slots=True)
class LeastCreate:
    """The least that an upstream takes for a create of the prompt "a boat".

    Args:
        path: Below the base URL.
        authorization: The header; with the upstream's first key if it is "".
        headers: Further headers.
    """

    service: str
    path: str
    body: Mapping[str, object]
    is_form: bool = False
    authorization: str = ""
    headers: Mapping[str, str] | None = None


@cache
def _document(protocol: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(_FOLDER / f"{protocol}.yaml")
    return loaded


def scenario_of(*protocols: str) -> Scenario:
    """Return the scenario of some protocols."""
    documents = [_document(each) for each in protocols]
    facts = [each.get("catalogue", {}).get("services", {}) for each in documents]
    return Scenario.model_validate(
        {
            "title": "Protocols",
            "start": "2026-11-29T09:00:00Z",
            "seed": 14,
            "upstreams": _joined(each["upstreams"] for each in documents),
            "services": _joined(each["services"] for each in documents),
            "catalogue": {"services": _joined(facts)},
        }
    )


def least_creates(*protocols: str) -> Mapping[str, LeastCreate]:
    """Return the least create of each upstream of some protocols."""
    joined = _joined(_document(each)["creates"] for each in protocols)
    return {upstream: LeastCreate(**create) for upstream, create in joined.items()}


def _joined(sections: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in sections:
        assert not found.keys() & each.keys(), "two protocols use one name"
        found |= each
    return found


ALL = tuple(TWINS)
"""The protocols of the simulator."""
