"""Each protocol has an adapter, a twin, a place in the contract and one in the documentation."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import tallylight
from tallylight.simulator.protocols.registry import TWINS
from tallylight.upstreams.protocol import Adapter, Mark, Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.contract.services import FIRST_OF_DIALECT, TWIN_DIALECTS
from tools.protocol_pages import OF_A_PROTOCOL, pages, rendered

SOURCE = Path(tallylight.__file__).parent
DIALECTS = [(each.name, dialect) for each in PROTOCOLS.values() for dialect in each.dialects]
every_adapter = pytest.mark.parametrize(
    ("protocol", "dialect"), DIALECTS, ids=["-".join(each) for each in DIALECTS]
)


def adapter(protocol: str, dialect: str) -> Adapter:
    return PROTOCOLS[protocol].make(Site("http://127.0.0.1:9", dialect))


def test_each_protocol_has_an_adapter_and_a_twin() -> None:
    assert sorted(PROTOCOLS) == sorted(TWINS)


def test_each_dialect_of_a_twin_has_an_adapter() -> None:
    assert set(TWIN_DIALECTS) <= set(DIALECTS)


@pytest.mark.parametrize(("protocol", "dialect"), TWIN_DIALECTS)
def test_each_dialect_of_a_twin_has_a_service_in_the_scenario(protocol: str, dialect: str) -> None:
    assert (protocol, dialect) in FIRST_OF_DIALECT


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_page_says_what_the_adapters_say(page: Path) -> None:
    assert page.read_text("utf-8") == rendered(page), "run: python tools/protocol_pages.py"


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("part", OF_A_PROTOCOL)
def test_the_page_of_a_protocol_has_each_generated_part(name: str, part: str) -> None:
    page = next(each for each in pages() if each.stem == name)

    assert f"<!-- generated: {part} -->" in page.read_text("utf-8")


@every_adapter
def test_a_doubt_is_looked_for_where_a_job_is_known_again(protocol: str, dialect: str) -> None:
    one = adapter(protocol, dialect)

    assert (one.find is not None) == (one.features.mark is not Mark.NONE)


@every_adapter
def test_a_job_is_polled_or_ends_with_its_create(protocol: str, dialect: str) -> None:
    one = adapter(protocol, dialect)

    assert one.poll is None or one.reader is None
    assert one.poll is not None or (one.find is None and one.cancel is None)


@cache
def trees() -> Mapping[str, ast.Module]:
    """Return all modules that could name a protocol, by their paths.

    The classifier may: it reads relays that pass on the answers of makers.
    """
    paths = {str(each.relative_to(SOURCE)): each for each in sorted(SOURCE.rglob("*.py"))}
    words = tuple(PROTOCOLS)
    texts = {name: path.read_text("utf-8") for name, path in paths.items()}
    return {
        name: ast.parse(text)
        for name, text in texts.items()
        if any(word in text for word in words) and not name.startswith("upstreams/classify/")
    }


def names(tree: ast.Module, name: str) -> bool:
    """Tell whether a literal text of a module is a name."""
    return any(isinstance(node, ast.Constant) and node.value == name for node in ast.walk(tree))


def imports(tree: ast.Module, name: str) -> bool:
    """Tell whether a module imports another one by its name."""
    return any(
        alias.name.rpartition(".")[2] == name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_named_in_its_adapter_and_its_twin_and_imported_by_two_registries(
    name: str,
) -> None:
    naming = {path for path, tree in trees().items() if names(tree, name)}
    importing = {path for path, tree in trees().items() if imports(tree, name)}

    assert naming == {f"upstreams/protocols/{name}.py", f"simulator/protocols/{name}.py"}
    assert importing == {"upstreams/protocols/registry.py", "simulator/protocols/registry.py"}
