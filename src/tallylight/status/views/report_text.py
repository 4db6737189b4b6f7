"""The report as aligned text and as Markdown."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tallylight.i18n import Translator
from tallylight.status.views.report import ReportView

_SEPARATOR = " · "
_ESCAPED = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "\n": " "})


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of texts; the first column names the service."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def report_tables(view: ReportView, to: Translator) -> tuple[ReportTable, ...]:
    """Return the tables of a report: fitness, troubles, and typical durations."""
    lasting = ReportTable(
        to.gettext("How long each status typically lasts"),
        (to.gettext("Service"), *view.statuses),
        tuple((row.name, *row.durations) for row in view.rows),
    )
    return _fitness_table(view, to), _troubles_table(view, to), lasting


def _fitness_table(view: ReportView, to: Translator) -> ReportTable:
    columns = {
        to.gettext("Service"): "name",
        to.gettext("Access"): "access_label",
        to.gettext("Stars"): "stars",
        to.gettext("Availability"): "availability",
        to.gettext("Monitored"): "coverage",
        to.gettext("Median time"): "median",
        to.gettext("95th percentile"): "p95",
        to.gettext("Per video"): "cost",
        to.gettext("For production"): "fitness",
    }
    return _table(to.gettext("Official vs reverse"), columns, view)


def _troubles_table(view: ReportView, to: Translator) -> ReportTable:
    columns = {
        to.gettext("Service"): "name",
        to.gettext("Risk control"): "risk_control",
        to.gettext("Typical length"): "risk_control_typical",
        to.gettext("Suspensions"): "suspensions",
        to.gettext("Total"): "suspended_total",
        to.gettext("Longest outage"): "longest_outage",
        to.gettext("MTBF"): "mtbf",
        to.gettext("MTTR"): "mttr",
        to.gettext("Official status page"): "claimed",
    }
    return _table(to.gettext("Troubles"), columns, view)


def _table(title: str, columns: Mapping[str, str], view: ReportView) -> ReportTable:
    """Return a table of some attributes of the rows, by their headings."""
    rows = tuple(tuple(str(getattr(row, name)) for name in columns.values()) for row in view.rows)
    return ReportTable(title, tuple(columns), rows)


def report_text(view: ReportView, to: Translator) -> str:
    """Return the report as text whose columns are aligned in a terminal."""
    parts = [
        "\n".join(part for part in (f"{view.title} ({view.period})", view.scope, view.lead) if part)
    ]
    if view.planned:
        parts.append("\n".join((to.gettext("Planned maintenance"), *view.planned)))
    parts.extend(
        f"{table.title}\n{_aligned((table.headings, *table.rows))}"
        for table in report_tables(view, to)
    )
    return "\n\n".join(parts) + "\n"


def report_lines(view: ReportView, to: Translator) -> tuple[str, ...]:
    """Return the report as lines for a chat: a summary, then one line for each service."""
    legend = (
        to.gettext("Stars"),
        to.gettext("Availability"),
        to.gettext("Median time"),
        to.gettext("Per video"),
        to.gettext("For production"),
    )
    lines = [f"{view.period}. {view.scope}.", view.lead, *view.planned, _SEPARATOR.join(legend)]
    for row in view.rows:
        stars = " ".join(part for part in (row.stars, row.score) if part)
        figures = (stars, row.availability, row.median, row.cost, row.fitness)
        lines.append(f"{row.name} ({row.access_label}): {_SEPARATOR.join(figures)}")
    return tuple(line for line in lines if line)


def report_markdown(view: ReportView, to: Translator) -> str:
    """Return the report as Markdown."""
    parts = [f"# {view.title}", f"{view.period}. {view.scope}.", view.lead]
    if view.planned:
        parts.append(f"## {to.gettext('Planned maintenance')}")
        parts.append("\n".join(f"* {line.translate(_ESCAPED)}" for line in view.planned))
    for table in report_tables(view, to):
        parts.append(f"## {table.title}")
        parts.append(_markdown_table(table.headings, table.rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.translate(_ESCAPED) for cell in line) + " |" for line in lines
    )


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _width(text: str) -> int:
    """Return the columns that a text takes in a terminal, where Chinese characters take two."""
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in {"W", "F"}
        else 1
        for character in text
    )
