"""Write the generated parts of the pages on protocols, from the adapters and their twins.

Usage: python tools/protocol_pages.py

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`. The tests compare
the pages with what this writes, so that a page and the code cannot disagree.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording
from tallylight.model.order import Form, Operation
from tallylight.simulator.protocols.registry import TWINS
from tallylight.upstreams.error_table import Row
from tallylight.upstreams.protocol import Adapter, Mark, Site
from tallylight.upstreams.protocols.registry import PROTOCOLS

DOCS = Path(__file__).parents[1] / "docs"
INDEX = DOCS / "protocols.md"
SIMULATOR = DOCS / "simulator.md"

_NONE = "–"
_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_FORMS = {Form.URL: "address", Form.INLINE: "bytes"}
_PAID = "it counts as paid"
_DOUBTS = {
    Mark.TOKEN: ("our mark, in the list", "certain", f"nothing; unlisted, {_PAID}"),
    Mark.REQUEST: (
        "what was ordered, in the list",
        "certain, unless two alike are in doubt",
        f"nothing; unlisted or one of two alike, {_PAID}",
    ),
    Mark.PLACE: (
        "a folder of our own, once the film lies there",
        "certain, and proves no absence",
        f"nothing; while the folder is empty, {_PAID}",
    ),
    Mark.TIME: (
        "model, length and time, in the list",
        "rules out, and never proves",
        f"its price: {_PAID}; nothing where a complete list shows no such job",
    ),
    Mark.NONE: ("nothing", _NONE, f"its price: {_PAID}"),
}
_EXAMPLES = {
    Spelling.INTEGER: "5",
    Spelling.TEXT: '"5"',
    Spelling.SUFFIXED: '"5s"',
    Spelling.CLASS: '"720p"',
    Spelling.CLASS_UPPER: '"720P"',
    Spelling.RATIO: '"16:9"',
    Spelling.PIXELS_X: '"1280x720"',
    Spelling.PIXELS_STAR: '"1280*720"',
    Spelling.PIXELS_COLON: '"1280:720"',
    Spelling.BOOLEAN: "true",
    Spelling.ON_OFF: '"on"',
}


def rendered(path: Path) -> str:
    """Return the text of a page with its generated parts as the adapters have them now."""

    def part(found: re.Match[str]) -> str:
        lines = "\n".join(_PARTS[found[2]](path.stem)).strip()
        return f"{found[1]}{lines}\n{found[3]}" if lines else f"{found[1]}{found[3]}"

    return _PART.sub(part, path.read_text("utf-8"))


def pages() -> tuple[Path, ...]:
    """Return the pages with generated parts."""
    return (INDEX, SIMULATOR, *(DOCS / "protocols" / f"{name}.md" for name in PROTOCOLS))


def adapters(name: str) -> Mapping[str, Adapter]:
    """Return the adapters of a protocol by dialect, at an address where nothing is."""
    definition = PROTOCOLS[name]
    return {each: definition.make(Site("http://127.0.0.1:9", each)) for each in definition.dialects}


def _overview(_: str) -> Iterator[str]:
    yield from _head("protocol", "dialects (the first is the default)", "a create")
    for name in PROTOCOLS:
        by_dialect = adapters(name)
        dialects = " ".join(f"`{each}`" for each in by_dialect)
        yield _line(f"[`{name}`](protocols/{name}.md)", dialects, _create(by_dialect.values()))


def _create(several: Iterable[Adapter]) -> str:
    adapter = next(iter(several))
    if adapter.reader is not None:
        return "streams until the result is there"
    if adapter.poll is None:
        return "answers with the result"
    if adapter.features.create_timeout is not None:
        return "answers when the work is done"
    return "returns at once a job to poll"


def _abilities(_: str) -> Iterator[str]:
    yield from _ability_table({name: adapters(name) for name in PROTOCOLS})


def _twins(_: str) -> Iterator[str]:
    yield from _head("protocol", "dialects", "base URL")
    for name in sorted(TWINS):
        twin = TWINS[name]
        dialects = " ".join(f"`{each}`" for each in twin.dialects)
        yield _line(f"`{name}`", dialects, f"`/{{upstream}}{twin.base_path}`")


def _own_abilities(name: str) -> Iterator[str]:
    yield from _ability_table({name: adapters(name)})


def _ability_table(by_protocol: Mapping[str, Mapping[str, Adapter]]) -> Iterator[str]:
    names = ("protocol", "dialect", "operations", "inputs", "list", "cancel", "delete", "check")
    yield from _head(*names)
    for name, by_dialect in by_protocol.items():
        for dialect, adapter in by_dialect.items():
            yield _line(f"`{name}`", f"`{dialect}`", *_ability(adapter))


def _ability(adapter: Adapter) -> Iterator[str]:
    features = adapter.features
    yield ", ".join(each.value for each in Operation if each in features.operations)
    inputs = (
        f"{role.value} {medium.value} ({', '.join(_FORMS[each] for each in Form if each in forms)})"
        for (role, medium), forms in features.inputs.items()
    )
    yield ", ".join(inputs) or _NONE
    for ability in (adapter.find, adapter.cancel, adapter.delete):
        yield _NONE if ability is None else "yes"
    yield "key, model" if features.checks_model else "key"


def _doubts(_: str) -> Iterator[str]:
    yield from _doubt_table({name: adapters(name) for name in PROTOCOLS})


def _own_doubts(name: str) -> Iterator[str]:
    yield from _doubt_table({name: adapters(name)})


def _doubt_table(by_protocol: Mapping[str, Mapping[str, Adapter]]) -> Iterator[str]:
    yield from _head("protocol", "dialect", "mark", "known again by", "certainty", "a doubt costs")
    for name, by_dialect in by_protocol.items():
        for dialect, adapter in by_dialect.items():
            mark = adapter.features.mark
            yield _line(f"`{name}`", f"`{dialect}`", mark.value, *_DOUBTS[mark])
            with_bucket = _with_bucket(name, dialect)
            if with_bucket is not None and with_bucket.features.mark is not mark:
                mark = with_bucket.features.mark
                said = f"`{dialect}` with `bucket`"
                yield _line(f"`{name}`", said, mark.value, *_DOUBTS[mark])


def _with_bucket(name: str, dialect: str) -> Adapter | None:
    """Return the adapter at an upstream that has a bucket of the operator's, where that may be."""
    options = PROTOCOLS[name].options
    bucket = options.model_fields.get("bucket")
    if bucket is None or bucket.is_required():
        return None
    section = options.model_validate({"bucket": "gs://bucket/films"})
    return PROTOCOLS[name].make(Site("http://127.0.0.1:9", dialect, section))


def _wordings(name: str) -> Iterator[str]:
    """Yield how each measure is spelled, by dialects and patterns of models."""
    for dialects, pattern, wording in _different_wordings(name):
        models = "all models" if pattern == "*" else f"`{pattern}`"
        yield f"{' '.join(f'`{each}`' for each in dialects)}, {models}:"
        yield ""
        yield from _head("measure", "written as")
        for measure in Measure:
            if words := wording.words.get(measure):
                yield _line(measure.value, "; ".join(map(_spelled, words)))
        yield ""
        if wording.passes:
            yield f"Passed on from callers: {_names(wording.passes)}."
            yield ""
        if wording.priced:
            yield (
                f"Callers' fields that change the price, so that a spending limit refuses them: "
                f"{_names(wording.priced)}."
            )
            yield ""


def _different_wordings(name: str) -> Iterator[tuple[tuple[str, ...], str, Wording]]:
    found: list[tuple[str, Wording, list[str]]] = []
    for dialect, adapter in adapters(name).items():
        for pattern, wording in adapter.features.wordings.items():
            same = next((e for e in found if (e[0], e[1]) == (pattern, wording)), None)
            if same is None:
                found.append((pattern, wording, [dialect]))
            else:
                same[2].append(dialect)
    for pattern, wording, dialects in found:
        yield tuple(dialects), pattern, wording


def _spelled(word: Word) -> str:
    if word.table:
        table = ", ".join(f"{value}: `{written}`" for value, written in word.table.items())
        said = f"`{word.path}` ({table})"
    else:
        example = _EXAMPLES.get(word.spelling, "")
        said = f"`{word.path}`" + (f" as `{example}`" if example else "")
    return said + (f", that of the picture: `{word.as_input}`" if word.as_input else "")


def _codes(name: str) -> Iterator[str]:
    by_rows: dict[tuple[Row, ...], list[str]] = {}
    for dialect, adapter in adapters(name).items():
        by_rows.setdefault(adapter.errors.rows, []).append(dialect)
    for rows, dialects in by_rows.items():
        if not rows:
            continue
        if len(by_rows) > 1:
            yield f"{' '.join(f'`{each}`' for each in dialects)}:"
            yield ""
        yield from _head("code", "HTTP", "words", "kind", "besides")
        for row in rows:
            yield _line(
                _names(row.codes, sort=False) or _NONE,
                ", ".join(map(str, row.statuses)) or _NONE,
                ", ".join(f'"{each}"' for each in row.words) or _NONE,
                row.kind.value.replace("_", " "),
                ", ".join(_besides(row)) or _NONE,
            )
        yield ""


def _besides(row: Row) -> Iterator[str]:
    if row.fault is not None:
        yield f"fault: {row.fault.value}"
    if row.is_named:
        yield "names the state of the service"
    if row.is_free:
        yield "nothing is billed"
    if row.is_missing:
        yield "at a poll: there is no such job"


def _names(names: Iterable[str], *, sort: bool = True) -> str:
    return ", ".join(f"`{each}`" for each in (sorted(names) if sort else names))


def _head(*names: str) -> Iterator[str]:
    yield _line(*names)
    yield _line(*("---" for _ in names))


def _line(*cells: str) -> str:
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


_PARTS: Mapping[str, Callable[[str], Iterator[str]]] = {
    "all protocols": _overview,
    "all abilities": _abilities,
    "all doubts": _doubts,
    "all twins": _twins,
    "abilities": _own_abilities,
    "doubt": _own_doubts,
    "wording": _wordings,
    "codes": _codes,
}

OF_A_PROTOCOL = ("abilities", "doubt", "wording", "codes")
"""The generated parts of each protocol's page."""


if __name__ == "__main__":
    for page in pages():
        if not page.exists():
            sys.exit(f"{page} does not exist: write it, with the generated parts {OF_A_PROTOCOL}")
        page.write_text(rendered(page), encoding="utf-8")
