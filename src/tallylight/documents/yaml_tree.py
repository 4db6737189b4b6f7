"""Parses YAML text into plain values with the line of each value.

It reads the parser's nodes, which have the exact text of values: 0.10 becomes a decimal instead of
the nearest float, and all repeated keys are found.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tallylight.errors import ConfigurationError, Problem

PathStep: TypeAlias = str | int
KeyPath: TypeAlias = tuple[PathStep, ...]

_MAX_NODES = 200_000
_MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_TRUE = {"true", "True", "TRUE"}


@dataclass(slots=True)
class YamlTree:
    """A parsed text.

    Args:
        value: Mappings, lists and scalars; floats as `Decimal`, dates as their text.
        lines: Line of each place, starting at 1.
        duplicate_keys: Repeated keys of a mapping: line, place, reason.
    """

    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    duplicate_keys: list[tuple[int, KeyPath, str]] = field(default_factory=list)


def parse_yaml(text: str, name: str) -> YamlTree:
    """Parse YAML text.

    Raises:
        ConfigurationError: if it is not YAML, with the line.
    """
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = name if mark is None else f"{name}:{mark.line + 1}"
        raise ConfigurationError((Problem(where, "", _syntax_message(error)),)) from None
    except (YAMLError, ValueError, RecursionError) as error:
        reason = f"is not YAML ({type(error).__name__})"
        raise ConfigurationError((Problem(name, "", reason),)) from None
    tree = YamlTree()
    if root is not None:
        tree.value = _TreeBuilder(tree, name).value(root, ())
    return tree


def _syntax_message(error: MarkedYAMLError) -> str:
    # Quoted parts are text of the file, which may be a key.
    parts = ", ".join(part for part in (error.context, error.problem) if part)
    said = _QUOTED.sub(lambda match: match[0] if len(match[0]) == len("' '") else "…", parts)
    return f"is not YAML: {said}"


class _TreeBuilder:
    """Turns nodes into values; it counts them, so that nested aliases cannot fill the memory."""

    def __init__(self, tree: YamlTree, name: str) -> None:
        self._tree = tree
        self._name = name
        self._nodes = 0

    def value(self, node: Node, key_path: KeyPath) -> object:
        line = node.start_mark.line + 1
        self._tree.lines.setdefault(key_path, line)
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(key_path) > _MAX_DEPTH:
            reason = "is nested too deeply, or has too many aliases"
            raise ConfigurationError((Problem(f"{self._name}:{line}", "", reason),))
        match node:
            case MappingNode():
                return self._mapping(node, key_path)
            case SequenceNode():
                return [self.value(each, (*key_path, i)) for i, each in enumerate(node.value)]
            case _:
                return _scalar(node)

    def _mapping(self, node: MappingNode, key_path: KeyPath) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if str(key_node.tag) == f"{_TAG}merge":
                merged = {**self._merged(value_node, key_path), **merged}
                continue
            key = self._key(key_node)
            here = (*key_path, key)
            if key in own:
                reason = f"is repeated; first in line {first_lines[key]}"
                self._tree.duplicate_keys.append((line, here, reason))
            first_lines.setdefault(key, line)
            self._tree.lines[here] = line
            own[key] = self.value(value_node, here)
        return {**merged, **own}

    def _merged(self, node: Node, key_path: KeyPath) -> dict[str, object]:
        value = self.value(node, key_path)
        sources = value if isinstance(value, list) else [value]
        merged: dict[str, object] = {}
        for source in reversed(sources):
            if isinstance(source, Mapping):
                merged.update(source)
        return merged

    def _key(self, node: Node) -> str:
        if isinstance(node, ScalarNode):
            return str(node.value)  # numbers too, such as the length of a block
        line = node.start_mark.line + 1
        raise ConfigurationError((Problem(f"{self._name}:{line}", "", "a key must be a text"),))


def _scalar(node: Node) -> object:
    text = str(node.value)
    match str(node.tag).removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text in _TRUE
        case "int":
            return _integer(text)
        case "float":
            return _decimal(text)
        case _:
            return text


def _integer(text: str) -> object:
    try:
        return int(text.replace("_", ""), 0 if text.lstrip("+-")[:2] in {"0x", "0o"} else 10)
    except ValueError:
        return text


def _decimal(text: str) -> object:
    try:
        return Decimal(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ArithmeticError:
        return text
