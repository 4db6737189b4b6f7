"""Compares budgets in a separate process, because this takes seconds and may have to be killed.

Reads a `BudgetQuestion` as JSON from standard input; writes a `BudgetComparison` as JSON.
"""

import os
import sys

from pydantic import TypeAdapter

from tallylight.rehearsal.advice import BudgetComparison, BudgetQuestion, compare_budgets

if sys.platform != "win32":
    import resource

QUESTION_ADAPTER = TypeAdapter(BudgetQuestion)
COMPARISON_ADAPTER = TypeAdapter(BudgetComparison)

_NICENESS = 5
_CPU_SECONDS = 60
"""Three times the need of the largest catalogue; a bug must not use the CPU forever."""


def main() -> None:
    """Answer one question."""
    _limit_resources()
    question = QUESTION_ADAPTER.validate_json(sys.stdin.buffer.read())
    sys.stdout.buffer.write(COMPARISON_ADAPTER.dump_json(compare_budgets(question)))


def _limit_resources() -> None:
    if sys.platform != "win32":
        os.nice(_NICENESS)
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))


if __name__ == "__main__":
    main()
