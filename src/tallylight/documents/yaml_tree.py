"""Parses YAML text into plain values with the line of each value.

It reads the parser's nodes, which have the exact text of values: 0.10 becomes a decimal instead of
the nearest float, and all repeated keys are found.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from tallylight.documents.bounded_yaml import YamlLimitError, bounded_yaml
from tallylight.errors import ConfigurationError, Problem

PathStep: TypeAlias = str | int
KeyPath: TypeAlias = tuple[PathStep, ...]

_MAX_KEY_LENGTH = 255
_MAX_DIGITS = 100
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
        root = bounded_yaml().compose(text)
    except YAMLError as error:
        raise ConfigurationError((_problem(error, text, name),)) from None
    except (ValueError, RecursionError) as error:
        reason = f"is not YAML ({type(error).__name__})"
        raise ConfigurationError((Problem(name, "", reason),)) from None
    tree = YamlTree()
    if root is not None:
        tree.value = _TreeBuilder(tree, name).value(root, ())
    return tree


def _problem(error: YAMLError, text: str, name: str) -> Problem:
    match error:
        case ReaderError():
            line = text.count("\n", 0, error.position) + 1
            character = f"U+{ord(text[error.position]):04X}"
            reason = f"is not YAML: the character {character} is not allowed; remove it"
            return Problem(f"{name}:{line}", "", reason)
        case MarkedYAMLError():
            mark = error.problem_mark or error.context_mark
            where = name if mark is None else f"{name}:{mark.line + 1}"
            is_limit = isinstance(error, YamlLimitError)
            return Problem(where, "", str(error.problem) if is_limit else _syntax_message(error))
        case _:
            return Problem(name, "", f"is not YAML ({type(error).__name__})")


def _syntax_message(error: MarkedYAMLError) -> str:
    # Quoted parts are text of the file, which may be a key.
    parts = ", ".join(part for part in (error.context, error.problem) if part)
    said = _QUOTED.sub(lambda match: match[0] if len(match[0]) == len("' '") else "…", parts)
    return f"is not YAML: {said}"


class _TreeBuilder:
    """Turns the nodes of `bounded_yaml` into values."""

    def __init__(self, tree: YamlTree, name: str) -> None:
        self._tree = tree
        self._name = name

    def value(self, node: Node, key_path: KeyPath) -> object:
        self._tree.lines.setdefault(key_path, node.start_mark.line + 1)
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
                for key, value in self._merged(value_node, key_path).items():
                    merged.setdefault(key, value)
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
        text = str(node.value) if isinstance(node, ScalarNode) else ""  # numbers, too
        if isinstance(node, ScalarNode) and len(text) <= _MAX_KEY_LENGTH:
            return text
        where = f"{self._name}:{node.start_mark.line + 1}"
        reason = f"a key must be a text of at most {_MAX_KEY_LENGTH} characters"
        raise ConfigurationError((Problem(where, "", reason),))


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
    # Longer numbers stay texts: no option takes them, and Python refuses to print them.
    if len(text) > _MAX_DIGITS:
        return text
    try:
        return int(text.replace("_", ""), 0 if text.lstrip("+-")[:2] in {"0x", "0o"} else 10)
    except ValueError:
        return text


def _decimal(text: str) -> object:
    try:
        number = Decimal(
            text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
        )
    except ArithmeticError:
        return text
    # As an integer, 1e999999999 would fill the memory.
    return number if len(text) <= _MAX_DIGITS and abs(number.adjusted()) <= _MAX_DIGITS else text
