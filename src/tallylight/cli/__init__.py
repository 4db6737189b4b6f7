"""The command line: commands parse their options, call `app` and print the result.

Exit codes: 0 success, 1 a service is not operational or a request failed, 2 wrong usage or
configuration, 130 interrupted.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping

import typer

from tallylight.cli import (
    adopt,
    alerts,
    catalogue,
    check,
    export,
    feeds,
    generate,
    history,
    init,
    keys,
    recommend,
    rehearse,
    report,
    serve,
)
from tallylight.cli.command_group import PlainCommand
from tallylight.cli.shared import application, print_error
from tallylight.cli.streams import abandon_output, is_output_failure, prepare_streams
from tallylight.errors import ConfigurationError, TallylightError

_COMMANDS: Mapping[str, Mapping[str, Callable[..., None] | typer.Typer]] = {
    "Monitor": {
        "check": check.check_command,
        "status": check.status_command,
        "watch": check.watch_command,
        "uptime": history.uptime_command,
        "incidents": history.incidents_command,
        "report": report.report_command,
    },
    "Make videos": {
        "recommend": recommend.recommend_command,
        "generate": generate.generate_command,
    },
    "Operate": {
        "init": init.init_command,
        "serve": serve.serve,
        "keys": keys.keys_app,
        "alerts": alerts.alerts_app,
        "cost": export.cost,
        "export": export.export_history,
        "catalogue": catalogue.catalogue_app,
        "config": catalogue.config_app,
        "feeds": feeds.feeds_app,
        "adopt": adopt.adopt_command,
    },
    "Try": {
        "demo": serve.demo,
        "rehearse": rehearse.rehearse_app,
        "simulate": serve.simulate,
    },
}
"""Commands by the panel of the help text that lists them."""

for _panel, _commands in _COMMANDS.items():
    for _name, _command in _commands.items():
        if isinstance(_command, typer.Typer):
            application.add_typer(_command, name=_name, rich_help_panel=_panel)
        else:
            application.command(_name, cls=PlainCommand, rich_help_panel=_panel)(_command)

_GC_THRESHOLD = 20_000
"""Allocations between two garbage collections. With Python's 700 they take a tenth of a start."""


def main() -> None:
    """Run the command line and turn each `TallylightError` into a message and an exit code."""
    gc.set_threshold(_GC_THRESHOLD)
    prepare_streams()
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe
        abandon_output()
        code = 1
    except OSError as error:
        if not is_output_failure(error):
            raise
        abandon_output()
        print_error(f"the output cannot be written: {error.strerror}")
        code = 1
    # Else the interpreter looks at every object once more before it ends, for a sixth of a start.
    gc.freeze()
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
