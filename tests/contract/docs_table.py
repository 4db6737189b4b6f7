"""The table of docs/protocols.md that says what each dialect can do."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tallylight.model.order import Form, Operation
from tallylight.upstreams.protocol import Adapter

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
_NONE = "–"
_FORMS = {Form.URL: "address", Form.INLINE: "bytes"}


@cache
def documented() -> Mapping[tuple[str, str], Mapping[str, str]]:
    """Return the rows of the table by protocol and dialect."""
    lines = iter(PAGE.read_text("utf-8").splitlines())
    names = next(_cells(line) for line in lines if line.startswith("| protocol | dialect | answer"))
    next(lines)  # the line below the names
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        row = dict(zip(names, _cells(line), strict=True))
        rows[row["protocol"].strip("`"), row["dialect"].strip("`")] = row
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def described(adapter: Adapter) -> Mapping[str, str]:
    """Return the row of a dialect as its adapter says it."""
    features = adapter.features
    operations = (each.value for each in Operation if each in features.operations)
    inputs = (
        f"{role.value} ({', '.join(text for form, text in _FORMS.items() if form in forms)})"
        for (role, _), forms in features.inputs.items()
    )
    return {
        "answer": _answer(adapter),
        "operations": ", ".join(operations),
        "inputs": ", ".join(inputs) or _NONE,
        "mark": features.mark.value,
        "list": _said(adapter.find),
        "cancel": _said(adapter.cancel),
        "delete": _said(adapter.delete),
    }


def _answer(adapter: Adapter) -> str:
    if adapter.reader is not None:
        return "stream"
    return "synchronous" if adapter.poll is None else "poll"


def _said(ability: object) -> str:
    return _NONE if ability is None else "yes"
