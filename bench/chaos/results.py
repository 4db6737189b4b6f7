"""The table of results: one row for each trouble, over all its rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.chaos.checks import ChaosReport

_COLUMNS = (
    "trouble",
    "rounds",
    "creates",
    "delivered",
    "failed",
    "outcome_unknown",
    "of these made",
    "paid twice",
    "endless",
    "made, billed, findable, not delivered",
    "ledger off",
    "else",
)
_UNKNOWN = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class TroubleResult:
    """The rounds of one trouble.

    Args:
        name: Its name.
        reports: One for each round that was run to its end.
        errors: Why a round was not.
        impossible: Why the machine cannot make this trouble, "" if it can.
    """

    name: str
    reports: Sequence[ChaosReport]
    errors: Sequence[str] = ()
    impossible: str = ""

    @property
    def is_broken(self) -> bool:
        """Tell whether a promise was broken, or a round failed."""
        return bool(self.errors) or any(report.broken for report in self.reports)

    def as_json(self) -> dict[str, object]:
        """Return the result as JSON."""
        return {
            "trouble": self.name,
            "rounds": [report.as_json() for report in self.reports],
            "errors": list(self.errors),
            "impossible": self.impossible,
        }


def results_table(results: Sequence[TroubleResult]) -> str:
    """Return a table of the results in Markdown."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *map(_row, results)]
    return "\n".join(lines)


def _row(result: TroubleResult) -> str:
    if result.impossible:
        return _line([result.name, f"not possible on this machine: {result.impossible}"])
    reports = result.reports
    failed = sum(sum(report.failed.values()) + sum(report.refused.values()) for report in reports)
    unknown = sum(report.failed.get(_UNKNOWN, 0) for report in reports)
    cells: list[object] = [
        result.name,
        len(reports),
        sum(report.creates for report in reports),
        sum(report.delivered for report in reports),
        failed - unknown,
        unknown,
        sum(report.unknown_made for report in reports),
        sum(len(report.paid_twice) for report in reports),
        sum(len(report.endless) for report in reports),
        sum(len(report.lost) for report in reports),
        f"${sum(report.difference for report in reports):.2f}",
        "; ".join(_remarks(result)),
    ]
    return _line(cells)


def _remarks(result: TroubleResult) -> list[str]:
    counted = {
        "paid twice",
        "without an end",
        "made, billed, findable and not delivered",
        "ledger differs",
    }
    broken: dict[str, int] = {}
    for report in result.reports:
        for name, videos in _uncounted(report, counted).items():
            broken[name] = broken.get(name, 0) + len(videos)
    forgotten = sum(report.forgotten for report in result.reports)
    remarks = [f"{name}: {number}" for name, number in broken.items()]
    remarks += [f"forgotten: {forgotten}"] if forgotten else []
    remarks += [f"not finished: {error}" for error in result.errors]
    return remarks


def _uncounted(report: ChaosReport, counted: set[str]) -> Mapping[str, Sequence[str]]:
    return {name: videos for name, videos in report.broken.items() if name not in counted}


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
