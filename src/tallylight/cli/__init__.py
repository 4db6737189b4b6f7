"""The commands: a thin face over `app`.

Exit codes: 0 fine, 1 something is not operational or a request failed, 2 bad usage or
configuration; 130 after an interruption.
"""

import gc
import os
import sys
from collections.abc import Iterator

from tallylight.cli import (
    catalogue,
    check,
    export,
    generate,
    history,
    keys,
    recommend,
    rehearse,
    serve,
)
from tallylight.cli.shared import application, complain
from tallylight.errors import ConfigurationError, TallylightError

check.add_to(application)
history.add_to(application)
export.add_to(application)
recommend.add_to(application)
generate.add_to(application)
catalogue.add_to(application)
serve.add_to(application)
rehearse.add_to(application)
keys.add_to(application)


_ALLOCATIONS = 20_000
"""Between two searches for garbage. Python's 700 make them a tenth of a start, which has none."""


def main() -> None:
    """Run the command line; errors of ours become one clear text and an exit code."""
    gc.set_threshold(_ALLOCATIONS)
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _run() -> int:
    try:
        application(standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except ConfigurationError as error:
        complain(str(error))
        return 2
    except TallylightError as error:
        complain(str(error))
        return 1
    except ExceptionGroup as group:  # services are probed side by side
        errors, defects = group.split(TallylightError)
        if errors is None or defects is not None:
            raise
        for text in dict.fromkeys(map(str, _leaves(errors))):
            complain(text)
        return 1
    return 0


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
