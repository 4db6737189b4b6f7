"""One name, one meaning: what a reader finds under a name is what the name means everywhere."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping

# Hooks that a registry, a tool or a framework collects from each module of a kind.
HOOKS = frozenset(
    {
        "DEFINITION",  # upstreams.protocols.registry
        "READER",  # upstreams.feeds.registry
        "RESPONSE_BODIES",  # simulator.protocols.feeds
        "down_revision",  # Alembic
        "log",  # structlog
        "main",  # entry points of processes
        "revision",
        "upgrade",
        "TWIN",  # simulator.protocols.registry
    }
)


def _public(tree: ast.Module) -> Iterator[str]:
    """Yield the public classes, functions and constants that a module defines."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (each.id for each in targets if isinstance(each, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def test_no_public_name_stands_for_two_things(modules: Mapping[str, ast.Module]) -> None:
    homes: defaultdict[str, set[str]] = defaultdict(set)

    for module, tree in modules.items():
        for name in _public(tree):
            if not name.startswith("_") and name not in HOOKS:
                homes[name].add(module)

    assert {name: sorted(found) for name, found in homes.items() if len(found) > 1} == {}


def test_every_hook_is_still_collected(modules: Mapping[str, ast.Module]) -> None:
    counts: defaultdict[str, int] = defaultdict(int)

    for tree in modules.values():
        for name in _public(tree):
            counts[name] += 1

    assert [name for name in sorted(HOOKS) if counts[name] < 2] == []
