"""The tree of errors that tallylight raises.

A failing upstream is an ordinary result and hence a value (`model.evidence.Failure`), no error::

    TallylightError
    ├── ConfigurationError     a file, an option or a secret is not usable (exit code 2)
    ├── StorageError           the database refused or cannot be reached
    │   ├── LockTimeoutError   another transaction held a row for too long
    │   ├── UncertainCommitError  the outcome of a commit is unknown
    │   └── UnwritableError    a value that no database accepts; retrying does not help
    ├── ClockCorrectedError    the clock was set: the database has to be opened anew
    ├── BudgetError            a budget does not allow this spending
    ├── ProbeWithheldError     a paid probe was not sent
    ├── ProbeUnfinishedError   a paid probe was sent and has no result in time
    ├── ApiError               the gateway refuses a request (`gateway.requests`)
    └── VideoFailedError       a video could not be generated (`client.video_state`)
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


class TallylightError(Exception):
    """Base of all errors; the text says where to look and what to change."""


@dataclass(frozen=True)
class Problem:
    """One error of a configuration.

    Args:
        where: The file, with the line if it is known ("tallylight.yaml:12").
        key: The dotted path inside it ("services.sora-2.access").
        reason: What is wrong and what is allowed.
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
        problems: All errors.
        files: The files that were read or missing; a change of one may fix the error.
    """

    def __init__(self, problems: tuple[Problem, ...], files: frozenset[Path] = frozenset()) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.files = files


class StorageError(TallylightError):
    """The database refused a request or cannot be reached."""


class LockTimeoutError(StorageError):
    """Another transaction held a row for too long; nothing was written."""


class UncertainCommitError(StorageError):
    """The connection broke off during a commit, which may have succeeded."""


class UnwritableError(StorageError):
    """No database accepts a value, so retrying does not help; the log says more."""


class ClockCorrectedError(TallylightError):
    """The clock was set while the process ran, so what it holds in memory has wrong times."""


class BudgetError(TallylightError):
    """A budget does not allow this spending."""

    def __init__(self, budget: str, limit: Decimal, spent: Decimal, requested: Decimal) -> None:
        super().__init__(
            f"budget {budget}: {requested} USD more would exceed {limit} USD ({spent} USD spent)"
        )
        self.budget, self.limit, self.spent, self.requested = budget, limit, spent, requested


class ProbeWithheldError(TallylightError):
    """A paid probe was not sent; the text says why."""


class ProbeUnfinishedError(TallylightError):
    """A paid probe was sent, and no process has ended it in time."""
