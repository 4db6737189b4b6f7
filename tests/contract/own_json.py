"""JSON in an adapter's own words: documents of the paths and words that its modules name."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

from hypothesis import strategies as st

from tallylight.upstreams.protocol import Definition

_PACKAGE = "tallylight.upstreams.protocols."
_PATH = re.compile(r"[A-Za-z_]\w*(?:\[\d\])?(?:\.[A-Za-z_]\w*(?:\[\d\])?)*")
_STEP = re.compile(r"(\w+)(?:\[\d\])?")
_MAX_LENGTH = 60

ODD: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**63, -(10**20), 10**400, 0.5, -0.5, 1e308, 5e-324),
    *(float("nan"), float("inf"), "", " ", "0", "-1", "5", "5s", "1e9", "\ud800", "\x00", "null"),
    *("https://x.test/a.mp4", "//x.test/a", "/a/b", "https://[bad", "data:video/mp4;base64,AA"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-11-29", 253_402_300_799, [], {}, [[]]),
)


def own_texts(definition: Definition) -> tuple[str, ...]:
    """Return the texts in the module of a protocol, and in those beside it that it imports."""
    module = sys.modules[definition.make.__module__]
    beside = {
        sys.modules[name]
        for each in vars(module).values()
        if (name := str(getattr(each, "__module__", ""))).startswith(_PACKAGE)
    }
    texts = (text for each in {module, *beside} for text in _texts_in(each))
    return tuple(sorted({text for text in texts if len(text) <= _MAX_LENGTH}))


def own_documents(definition: Definition) -> st.SearchStrategy[Mapping[str, object]]:
    """Return a strategy for objects that hold something at some of the paths of a protocol."""
    texts = own_texts(definition)
    paths = [text for text in texts if _PATH.fullmatch(text)]
    leaves = st.sampled_from(ODD) | st.sampled_from([each for each in texts if " " not in each])
    values = leaves | st.lists(leaves, max_size=2)
    objects = st.dictionaries(st.sampled_from(paths), values, max_size=4).map(_document)
    return st.dictionaries(
        st.sampled_from(paths), values | objects | st.lists(objects, max_size=2), max_size=10
    ).map(_document)


def _texts_in(module: ModuleType) -> Iterator[str]:
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _document(values: Mapping[str, object]) -> Mapping[str, object]:
    """Return an object with a value at each path; a later path gives way to an earlier one."""
    found: dict[str, object] = {}
    for path, value in values.items():
        steps = path.split(".")
        at = found
        for step in steps[:-1]:
            inner: dict[str, object] = {}
            before = at.setdefault(_name(step), [inner] if step.endswith("]") else inner)
            if isinstance(before, list):
                before = before[0] if before else inner
            if not isinstance(before, dict):
                break
            at = before
        else:
            is_listed = steps[-1].endswith("]")
            at.setdefault(_name(steps[-1]), [value] if is_listed else value)
    return found


def _name(step: str) -> str:
    found = _STEP.fullmatch(step)
    return step if found is None else found[1]
