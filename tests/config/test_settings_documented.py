import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.config.schema import configuration_schema
from tallylight.config.settings import Configuration

Load = Callable[..., Configuration]

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")

Node = Mapping[str, object]

SECRET_FILES = (
    ".key.file",
    ".key_id.file",
    ".secret.file",
    ".url.file",
)  # `{file: path}` is told once, for all secrets


def mapping(value: object) -> Node:
    return value if isinstance(value, Mapping) else {}


def inner(node: Node) -> Iterator[Node]:
    """Yield the schemas that a value of this node may follow."""
    reference = node.get("$ref")
    if isinstance(reference, str):
        definitions = mapping(configuration_schema()["$defs"])
        yield from inner(mapping(definitions[reference.rpartition("/")[2]]))
    branches = node.get("anyOf")
    for branch in branches if isinstance(branches, list) else ():
        yield from inner(mapping(branch))
    yield node


def keys(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every key of the file, dotted, "<id>" for names of the operator's choice."""
    for each in inner(node):
        for name, value in mapping(each.get("properties")).items():
            yield f"{prefix}{name}", mapping(value)
            yield from keys(mapping(value), f"{prefix}{name}.")
        for pattern in mapping(each.get("patternProperties")).values():
            yield from keys(mapping(pattern), f"{prefix}<id>.")


KEYS = dict(keys(configuration_schema()))


def test_the_schema_is_json_and_names_every_section() -> None:
    found = json.loads(json.dumps(configuration_schema()))

    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert sorted(found["properties"]) == [
        "alerts",
        "assets",
        "budgets",
        "database",
        "gateway",
        "probes",
        "report",
        "routes",
        "services",
        "status",
        "upstreams",
        "verdicts",
    ]


def test_the_schema_names_what_is_allowed() -> None:
    definitions = json.loads(json.dumps(configuration_schema()))["$defs"]

    upstream = definitions["UpstreamOptions"]["properties"]
    assert "openai_videos" in upstream["protocol"]["enum"]
    assert "new_api" in upstream["dialect"]["enum"]
    assert "statuspage" in definitions["FeedOptions"]["properties"]["format"]["enum"]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_a_description_in_the_schema(key: str) -> None:
    assert any(each.get("description") for each in inner(KEYS[key]))


@pytest.mark.parametrize("key", [key for key in KEYS if not key.endswith(SECRET_FILES)])
def test_every_key_stands_in_the_documentation(key: str) -> None:
    assert f"\n| `{key}` |" in PAGE or f"\n## `{key}`" in PAGE


def test_every_documented_key_exists() -> None:
    documented = re.findall(r"^\| `([\w.<>]+)` \|", PAGE, re.MULTILINE)

    assert documented
    assert set(documented) <= set(KEYS)


def test_defaults_are_shown_as_they_are_written() -> None:
    assert KEYS["probes.reach"]["default"] == "1m"
    assert KEYS["probes.generation"]["default"] == "off"
    assert KEYS["probes.retry"]["default"] == ["10s", "20s"]
    assert KEYS["status.listen"]["default"] == "127.0.0.1:8080"
    assert KEYS["verdicts.shutdown_ahead"]["default"] == "90d"


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_of_the_documentation_is_valid(load: Load, block: str) -> None:
    names = set(re.findall(r"\$\{(\w+)\}", block))

    assert load(block, **dict.fromkeys(names, "value-1")).catalogue.services


def test_durations_are_written_the_same_in_every_section(load: Load) -> None:
    found = load(
        "upstreams: {u: {provider: saygm, base_url: https://u.example}}\n"
        "services: {s: {upstream: u, model: minimax/h3}}\n"
        "verdicts: {mtbf: 4d, mttr: 90m, down_at: 0.97, slow_factor: 3}\n"
        "alerts: {remind_after: 2h}\n"
    )

    assert found.verdicts.mtbf == timedelta(days=4)
    assert found.verdicts.mttr == timedelta(minutes=90)
    assert found.verdicts.down_at == pytest.approx(0.97)
    assert found.alerts.remind_after == timedelta(hours=2)
