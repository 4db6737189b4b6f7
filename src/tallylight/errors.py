"""What a caller cannot plan for.

A failing upstream is our daily bread and hence a value (`terms.Failure`), never one of these::

    TallylightError
    ├── ConfigurationError     the file, an option or a secret is not usable (exit code 2)
    ├── StorageError           the database refused or cannot be reached
    │   └── UnwritableError    what no database takes, however often it is tried
    ├── BudgetError            spending that a budget does not allow
    ├── RefusalError           a request that the gateway does not serve (`gateway.asking`)
    └── VideoFailedError       a video that could not be made (`app.video_facts`)
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


class TallylightError(Exception):
    """Anything that tallylight itself raises; its text says where to look and what to change."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a configuration.

    Args:
        where: The file, with the line if it is known ("tallylight.yaml:12").
        key: The dotted path inside it ("services.sora-2.access").
        reason: What is wrong and what is allowed, as one clause.
    """

    where: str
    key: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.where}: {self.key}" if self.key else self.where
        return f"{place}: {self.reason}"


class ConfigurationError(TallylightError):
    """The configuration cannot be used.

    Args:
        problems: All that was found.
        files: What it was read from or looked for; a change of one may mend it.
    """

    def __init__(self, problems: tuple[Problem, ...], files: frozenset[Path] = frozenset()) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.files = files


class StorageError(TallylightError):
    """The database refused a request or cannot be reached."""


class UnwritableError(StorageError):
    """Something that no database takes, however often it is tried; the log says more."""


class BudgetError(TallylightError):
    """A budget does not allow this spending."""

    def __init__(self, budget: str, limit: Decimal, spent: Decimal, requested: Decimal) -> None:
        super().__init__(
            f"budget {budget}: {requested} USD more would exceed {limit} USD ({spent} USD spent)"
        )
        self.budget, self.limit, self.spent, self.requested = budget, limit, spent, requested
