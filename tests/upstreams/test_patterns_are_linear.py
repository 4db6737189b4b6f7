"""Every regular expression of the package reads any text in linear time.

Upstreams, callers, status pages and files choose the texts. Each pattern reads texts built from its
own parse tree: every repetition repeated many times, after a text that leads to it, with and
without an end that makes the match fail. The test compares the processor time for a text with that
for a quarter of it.
"""

import ast
import collections
import dataclasses
import importlib
import math
import pkgutil
import re
import signal
import string
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from re import _constants as ops
from re import _parser as parser
from types import FrameType
from typing import Any

import pytest

import tallylight

_LENGTH = 32_000  # eight times the longest bounded repetition: up to there, growth is quadratic
_MOST_SECONDS = 0.3
_UNNOTICED = 0.05  # seconds, below which growth is not measured; quadratic ones take 0.1 and more
_MEASUREMENTS = 4
_QUADRATIC_GROWTH = 16.0
_MOST_GROWTH = 8.0
"""Growth of the time for a text four times as long: linear is 4, quadratic is 16."""

_TAILS = ("", "\0", "!", " ")
_SEPARATORS = ("", " ", "-", ".", "\n")
_CHARACTERS = string.printable + "\0é秒风"
_REPEATS = {ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT}
_LOOKS = {ops.ASSERT, ops.ASSERT_NOT}
_CLASSES = {ops.IN, ops.ANY, ops.LITERAL, ops.NOT_LITERAL}
_CATEGORIES = {
    ops.CATEGORY_DIGIT: re.compile(r"\d"),
    ops.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    ops.CATEGORY_SPACE: re.compile(r"\s"),
    ops.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    ops.CATEGORY_WORD: re.compile(r"\w"),
    ops.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
_COMPILES_NOTHING = {"compile", "escape", "Pattern", "Match"}
_FLAGS = {"IGNORECASE", "DOTALL", "ASCII", "MULTILINE", "VERBOSE"}

Node = tuple[Any, Any]  # an operation and its arguments, as the parser gives them
Nodes = Sequence[Node]
Pattern = re.Pattern[str] | re.Pattern[bytes]


class _TooSlowError(Exception):
    """A pattern exceeded its time."""


def _modules() -> list[str]:
    """Return the names of all modules except those that run when they are imported."""
    found = pkgutil.walk_packages(tallylight.__path__, "tallylight.")
    return [each.name for each in found if not each.name.endswith(("__main__", "migrations.env"))]


def _patterns_in(value: object, seen: set[int]) -> Iterator[Pattern]:
    """Yield the patterns that a value is or holds, at any depth in the values of the package."""
    if isinstance(value, re.Pattern):
        yield value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    parts: Sequence[object] = ()
    if isinstance(value, Mapping):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, tuple | list | set | frozenset):
        parts = [*value]
    elif isinstance(value, type) and value.__module__.startswith("tallylight"):
        parts = [*vars(value).values()]
    elif dataclasses.is_dataclass(value):
        lazy = [
            name for name, each in vars(type(value)).items() if isinstance(each, cached_property)
        ]
        names = [*(each.name for each in dataclasses.fields(value)), *lazy]
        parts = [getattr(value, name, None) for name in names]
    for part in parts:
        yield from _patterns_in(part, seen)


def _all_patterns() -> dict[Pattern, bool]:
    """Return the patterns of the package, and for each whether it is only used for `fullmatch`."""
    found: dict[Pattern, bool] = {}
    seen: set[int] = set()
    for name in _modules():
        module = importlib.import_module(name)
        searching = _names_that_search(Path(module.__file__ or "").read_text("utf-8"))
        for variable, value in vars(module).items():
            is_whole = isinstance(value, re.Pattern) and variable not in searching
            for pattern in _patterns_in(value, seen):
                found[pattern] = found.get(pattern, True) and is_whole
    return found


def _names_that_search(source: str) -> set[str]:
    """Return the names that a module uses for more than `fullmatch`, which starts only once."""
    tree = ast.parse(source)
    whole = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "fullmatch"
    }
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node not in whole
    }


def _takes(node: Node, character: str) -> bool:
    """Tell whether a node for one character matches this one."""
    code = ord(character)
    match node:
        case (ops.ANY, _):
            return character != "\n"
        case (ops.LITERAL | ops.NOT_LITERAL as op, literal):
            return bool((code == literal) is (op is ops.LITERAL))
        case (ops.RANGE, (low, high)):
            return bool(low <= code <= high)
        case (ops.CATEGORY, category):
            return _CATEGORIES[category].match(character) is not None
        case (ops.IN, [(ops.NEGATE, _), *members]):
            return not any(_takes(each, character) for each in members)
        case (ops.IN, members):
            return any(_takes(each, character) for each in members)
        case _:
            raise AssertionError(node)


def _children(node: Node) -> list[Nodes]:
    """Return the sequences of nodes inside a node."""
    op, value = node
    if op in _REPEATS or op is ops.SUBPATTERN or op in _LOOKS:
        return [value[-1]]
    if op is ops.BRANCH:
        return list(value[1])
    return [value] if op is ops.ATOMIC_GROUP else []


def _example(nodes: Nodes, least: int = 0) -> str:
    """Return a short text that a sequence of nodes matches, with `least` turns per repetition."""
    said = ""
    for node in nodes:
        if node[0] in _CLASSES:
            said += next((each for each in _CHARACTERS if _takes(node, each)), _literal(node))
        elif node[0] in _REPEATS:
            turns, _, inner = node[1]
            said += _example(inner, least) * max(turns, least)
        elif node[0] not in _LOOKS:
            said += next((_example(each, least) for each in _children(node)), "")
    return said


def _literal(node: Node) -> str:
    """Return the character that a pattern names, for one outside of `_CHARACTERS`."""
    op, value = node
    while op in {ops.IN, ops.RANGE}:
        op, value = value[0] if op is ops.IN else (ops.LITERAL, value[0])
    return chr(value) if op is ops.LITERAL else ""


def _repetitions(nodes: Nodes, before: str = "") -> Iterator[tuple[str, Nodes]]:
    """Yield each repetition with a text that leads to it."""
    for node in nodes:
        for inner in _children(node):
            if node[0] in _REPEATS and node[1][1] > 1:  # most turns
                yield before, inner
            yield from _repetitions(inner, before)
        before += _example([node])


def _pumps(inner: Nodes, alphabet: Sequence[str]) -> set[str]:
    """Return the texts that one turn of a repetition matches."""
    if len(inner) == 1 and inner[0][0] in _CLASSES:
        return {each for each in alphabet if _takes(inner[0], each)} or {_literal(inner[0])}
    return {_example(inner), _example(inner, 1)} - {""}


def _alphabet(repetitions: Sequence[tuple[str, Nodes]]) -> list[str]:
    """Return one character for each set that all repetitions treat alike."""
    classes = [inner[0] for _, inner in repetitions if len(inner) == 1 and inner[0][0] in _CLASSES]
    found = {tuple(_takes(each, one) for each in classes): one for one in reversed(_CHARACTERS)}
    return sorted(found.values())


def _attacks(pattern: Pattern) -> set[str]:
    """Return texts that keep a pattern busy."""
    repetitions = [*_repetitions(parser.parse(pattern.pattern, pattern.flags))]
    alphabet = _alphabet(repetitions)
    texts = set()
    for before, inner in repetitions:
        for pump in _pumps(inner, alphabet):
            texts |= {before + _long(pump) + tail for tail in _TAILS}
            texts |= {_long(before + pump + each) for each in _SEPARATORS}
            texts |= {_long(before + each) for each in _SEPARATORS if before}
    return texts


def _long(text: str) -> str:
    return (text * (_LENGTH // len(text) + 1))[:_LENGTH]


def _stop(_: int, __: FrameType | None) -> None:
    raise _TooSlowError


def _seconds(read: Callable[[object], object], text: str | bytes) -> float:
    """Return the processor time of a function for a text."""
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, _MOST_SECONDS)
    try:
        read(text)
    except _TooSlowError:
        return math.inf
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - begun


def _is_slow(read: Callable[[object], object], text: str | bytes) -> bool:
    """Tell whether the time for a text grows faster than the text."""
    part = text[: len(text) // 4] + text[-1:]  # type: ignore[operator]  # with what makes it fail
    taken_by_part = _seconds(read, part)
    if taken_by_part < _UNNOTICED / _QUADRATIC_GROWTH:
        return False  # even if it grows quadratically, the whole text takes no measurable time
    taken = math.inf if taken_by_part == math.inf else _seconds(read, text)
    if not _UNNOTICED < taken < math.inf:
        return taken == math.inf
    if taken < _MOST_GROWTH * taken_by_part:
        return False
    # Measured again, since other processes disturb a single measurement.
    taken = min(_seconds(read, text) for _ in range(_MEASUREMENTS))
    return taken >= _MOST_GROWTH * min(_seconds(read, part) for _ in range(_MEASUREMENTS))


def _ways(pattern: Pattern, *, is_whole: bool) -> list[Callable[[object], object]]:
    """Return the functions of a pattern that are used."""
    whole: Callable[[object], object] = pattern.fullmatch  # type: ignore[assignment]  # str or bytes
    find: Callable[[object], Iterator[object]] = pattern.finditer  # type: ignore[assignment]  # ditto
    return [whole] if is_whole else [whole, lambda text: collections.deque(find(text), maxlen=0)]


def _slow_text(pattern: Pattern, *, is_whole: bool = False) -> str:
    """Return the start and the end of a text that takes a pattern too long, "" for none."""
    before = signal.signal(signal.SIGVTALRM, _stop)
    ways = _ways(pattern, is_whole=is_whole)
    try:
        for text in sorted(_attacks(pattern)):
            is_text = isinstance(pattern.pattern, str)
            given = text if is_text else text.encode("latin-1", "replace")
            if any(_is_slow(way, given) for way in ways):
                return f"{text[:40]!r} … {text[-3:]!r}"
    finally:
        signal.signal(signal.SIGVTALRM, before)
    return ""


def test_no_text_makes_a_pattern_take_more_than_linear_time() -> None:
    patterns = _all_patterns()

    slow = {
        each.pattern: text
        for each, is_whole in patterns.items()
        if (text := _slow_text(each, is_whole=is_whole))
    }

    assert len(patterns) > 100  # the search works
    assert slow == {}


@pytest.mark.parametrize(
    "pattern",
    [
        r"[A-Za-z]+(?:[_.:-]?[A-Za-z0-9]+){1,12}",
        r"(a+)+b",
        r"(?:a|a)*b",
        r"\S+\Z",
        r"key.*secret",
        r"\s*,\s*;",
        r"\b(?=[A-Za-z_-]*\d)[\w-]{40,}",
        r"x*[xy]*z",
        r"<[^>]*>",
    ],
)
def test_a_pattern_that_takes_longer_is_found(pattern: str) -> None:
    assert _slow_text(re.compile(pattern))


def test_every_pattern_is_compiled_where_this_test_finds_it() -> None:
    hidden = []
    for path in sorted(Path(tallylight.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name("re"), attr=name) if (
                    name not in _COMPILES_NOTHING | _FLAGS
                ):
                    hidden.append(f"{path.name}:{node.lineno}: re.{name}")

    assert hidden == []
