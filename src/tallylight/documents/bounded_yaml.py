"""Composes YAML into nodes, with bounds on depth and on the number of values.

A text can be short and still cost much: aliases of aliases multiply values, an alias inside its own
anchor repeats without end, and each open bracket makes the scanner slower. The bounds are checked
while the text is read, before any alias is expanded, so the work is linear in the length of the
text.
"""

from dataclasses import dataclass
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.events import AliasEvent, NodeEvent
from ruamel.yaml.nodes import Node
from ruamel.yaml.scanner import Scanner

MAX_VALUES: Final = 50_000
"""Limit of keys and values in a text; an alias counts for all that it repeats."""

MAX_DEPTH: Final = 50
"""Limit of mappings and lists inside each other; an alias counts for the levels it repeats."""


class YamlLimitError(MarkedYAMLError):
    """A text exceeds a bound; `problem` says which, `problem_mark` has the line."""

    def __init__(self, reason: str, mark: StringMark) -> None:
        super().__init__(problem=reason, problem_mark=mark)


def bounded_yaml() -> YAML:
    """Return a reader of one text, whose `compose` and `load` raise YamlLimitError at a bound.

    No node that it composes contains itself. Walking them visits at most `MAX_VALUES` nodes,
    counting those that aliases repeat, at most `MAX_DEPTH` levels deep.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _BoundedScanner
    yaml.Composer = _BoundedComposer
    return yaml


class _BoundedScanner(Scanner):
    def fetch_flow_collection_start(self, TokenClass: type, to_push: str) -> None:  # noqa: N803  # the name of the base class
        # The scanner looks 1024 characters ahead for a key, and each step visits all open brackets.
        if len(self.flow_context) > MAX_DEPTH:
            raise YamlLimitError(_too_deep(), self.reader.get_mark())
        super().fetch_flow_collection_start(TokenClass, to_push)


@dataclass(frozen=True, slots=True)
class _Extent:
    """What an anchor's node counts for wherever an alias repeats it."""

    values: int
    levels: int


class _BoundedComposer(Composer):
    def __init__(self, loader: YAML | None = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # the second one is valid, and the server has no console
        self._extents: dict[str, _Extent] = {}
        self._values = 0
        self._level = 0
        self._deepest = 0

    def compose_node(self, parent: Node | None, index: object) -> Node:
        event: NodeEvent = self.parser.peek_event()
        before, deepest = self._values, self._deepest
        self._level += 1
        self._deepest = self._level
        if isinstance(event, AliasEvent):
            self._count(self._extent(event), event)
        else:
            self._extents.pop(event.anchor, None)
            self._count(_Extent(values=1, levels=1), event)
        node: Node = super().compose_node(parent, index)
        if event.anchor and not isinstance(event, AliasEvent):
            self._extents[event.anchor] = _Extent(
                self._values - before, self._deepest - self._level + 1
            )
        self._level -= 1
        self._deepest = max(self._deepest, deepest)
        return node

    def _extent(self, alias: NodeEvent) -> _Extent:
        known = self._extents.get(alias.anchor)
        if known is None and alias.anchor in self.anchors:
            raise YamlLimitError(
                "repeats a value inside of itself (an alias inside of its own anchor); "
                "write the value out here",
                alias.start_mark,
            )
        return known or _Extent(values=1, levels=1)  # without an anchor, the base class refuses it

    def _count(self, extent: _Extent, event: NodeEvent) -> None:
        self._values += extent.values
        self._deepest = max(self._deepest, self._level + extent.levels - 1)
        if self._values > MAX_VALUES:
            raise YamlLimitError(
                f"is more than {MAX_VALUES} keys and values, counting each one that an alias "
                "repeats; remove aliases or entries",
                event.start_mark,
            )
        if self._deepest > MAX_DEPTH:
            raise YamlLimitError(_too_deep(), event.start_mark)


def _too_deep() -> str:
    return (
        f"is nested more than {MAX_DEPTH} levels deep, counting the levels that an alias repeats; "
        "remove brackets or levels"
    )
