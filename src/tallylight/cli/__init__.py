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
from tallylight.cli.shared import application, print_error
from tallylight.errors import ConfigurationError, TallylightError

check.register(application)
history.register(application)
export.register(application)
recommend.register(application)
generate.register(application)
catalogue.register(application)
serve.register(application)
rehearse.register(application)
keys.register(application)


_GC_THRESHOLD = 20_000
"""Between two searches for garbage. Python's 700 make them a tenth of a start, which has none."""


def main() -> None:
    """Run the command line; errors of ours become one clear text and an exit code."""
    gc.set_threshold(_GC_THRESHOLD)
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
        print_error(str(error))
        return 2
    except TallylightError as error:
        print_error(str(error))
        return 1
    except ExceptionGroup as group:  # services are probed side by side
        errors, defects = group.split(TallylightError)
        if errors is None or defects is not None:
            raise
        for text in dict.fromkeys(map(str, _leaves(errors))):
            print_error(text)
        return 1
    return 0


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
