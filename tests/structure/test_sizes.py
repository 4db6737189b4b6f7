"""Floors of size: what is longer has a second idea in it."""

import ast
from collections.abc import Iterator, Mapping

LONGEST_MODULE = 400
LONGEST_CLASS = 250
LONGEST_FUNCTION = 60
MOST_COLLABORATORS = 7

# Types of parameters that are values, not collaborators.
VALUES = frozenset(
    {"bool", "bytes", "datetime", "Decimal", "float", "int", "None", "Path", "str", "timedelta"}
)


def _lines(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def _nodes(modules: Mapping[str, ast.Module]) -> Iterator[tuple[str, ast.AST]]:
    for module, tree in modules.items():
        for node in ast.walk(tree):
            yield module, node


def test_no_module_is_too_long(modules: Mapping[str, ast.Module]) -> None:
    ends = {
        module: max((getattr(n, "end_lineno", 0) or 0 for n in tree.body), default=0)
        for module, tree in modules.items()
    }

    assert {module: end for module, end in ends.items() if end > LONGEST_MODULE} == {}


def test_no_class_is_too_long(modules: Mapping[str, ast.Module]) -> None:
    found = {
        f"{module}.{node.name}": _lines(node)
        for module, node in _nodes(modules)
        if isinstance(node, ast.ClassDef)
    }

    assert {name: lines for name, lines in found.items() if lines > LONGEST_CLASS} == {}


def test_no_function_is_too_long(modules: Mapping[str, ast.Module]) -> None:
    found = {
        f"{module}.{node.name}:{node.lineno}": _lines(node)
        for module, node in _nodes(modules)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: lines for name, lines in found.items() if lines > LONGEST_FUNCTION} == {}


def test_no_constructor_takes_too_many_collaborators(modules: Mapping[str, ast.Module]) -> None:
    found = {
        f"{module}.{node.name}": len(collaborators)
        for module, node in _nodes(modules)
        if isinstance(node, ast.ClassDef) and len(collaborators := list(_collaborators(node)))
    }

    assert {name: count for name, count in found.items() if count > MOST_COLLABORATORS} == {}


def _collaborators(node: ast.ClassDef) -> Iterator[str]:
    """Yield what a class is made with: of a mutable dataclass its fields, else `__init__`'s."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            for parameter in (*each.args.args[1:], *each.args.kwonlyargs):
                if not _is_value(parameter.annotation):
                    yield parameter.arg
    if _is_mutable_dataclass(node):
        for each in node.body:
            if (
                isinstance(each, ast.AnnAssign)
                and not _is_value(each.annotation)
                and not each.value
            ):
                yield ast.unparse(each.target)


def _is_mutable_dataclass(node: ast.ClassDef) -> bool:
    made_by = [ast.unparse(each) for each in node.decorator_list]
    return any(each.startswith("dataclass") and "frozen" not in each for each in made_by)


def _is_value(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    names = {each.id for each in ast.walk(annotation) if isinstance(each, ast.Name)}
    return names <= VALUES
