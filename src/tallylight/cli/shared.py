"""What commands share: options, output functions, service arguments, the opened history."""

import asyncio
import json
import sys
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, ParamSpec

import typer

from tallylight.cli.command_group import CommandGroup
from tallylight.cli.streams import prints_unicode
from tallylight.documents.files import file_error_reason
from tallylight.documents.nearest import nearest_name
from tallylight.i18n import (
    Language,
    Translator,
    language_from_locale,
    language_of_tag,
    translator,
)
from tallylight.model.ids import ServiceId

if TYPE_CHECKING:
    from tallylight.board import Board
    from tallylight.clock import Clock
    from tallylight.config.settings import Configuration
    from tallylight.storage.database import Storage

_P = ParamSpec("_P")

application = typer.Typer(
    name="tallylight",
    cls=CommandGroup,
    help="Monitor video-generation APIs, keep their history and route requests to one that works.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(is_requested: bool) -> None:
    from importlib.metadata import version

    if is_requested:
        print_line(f"tallylight {version('tallylight')}")
        raise typer.Exit


@application.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


_LEAST_WIDTH = 40
_DEFAULT_WIDTH = 240  # rows stay unbroken for programs that read the table

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Configuration file (default: ./tallylight.yaml, else keys from the environment).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _parsed_language(tag: str) -> Language:
    """Return the language of a tag; typer's own choice takes only the names that it lists."""
    from tallylight.documents.validation_messages import not_allowed_message

    language = language_of_tag(tag)
    if language is None:
        raise typer.BadParameter(not_allowed_message(tag, [each.value for each in Language]))
    return language


LangOption = Annotated[
    Language | None,
    typer.Option(
        "--lang",
        parser=_parsed_language,
        metavar=f"<{'|'.join(Language)}>",
        help="Language of the output (default: from the locale).",
    ),
]
ServiceIds = Annotated[list[str] | None, typer.Argument(help="Service ids (default: all).")]


def output_translator(language: Language | None) -> Translator:
    """Return the translator of a command's output."""
    from tallylight.documents.environment import process_environment

    return translator(language or language_from_locale(process_environment()))


def run_async(command: Callable[_P, Coroutine[object, object, int | None]]) -> Callable[_P, None]:
    """Return a command that runs a coroutine function and exits with the code that it returns."""

    @wraps(command)
    def run(*args: _P.args, **options: _P.kwargs) -> None:
        raise typer.Exit(asyncio.run(command(*args, **options)) or 0)

    return run


class OpenedHistory(NamedTuple):
    """The configuration of a command, with its board and its history opened read-only."""

    configuration: "Configuration"
    clock: "Clock"
    board: "Board"
    history: "Storage"


@asynccontextmanager
async def open_history(config: Path | None) -> AsyncIterator[OpenedHistory]:
    """Open the board and the history read-only, and log only warnings."""
    from tallylight.app.cluster.read_only_storage import open_read_only
    from tallylight.app.logs import configure_warnings_only
    from tallylight.clock import SystemClock
    from tallylight.config.settings import load_configuration

    configuration, clock = load_configuration(config), SystemClock()
    configure_warnings_only()
    async with open_read_only(configuration, clock) as (board, history):
        yield OpenedHistory(configuration, clock, board, history)


def print_json(value: object) -> None:
    """Print a value as JSON; dates and decimals are texts."""
    text = json.dumps(value, ensure_ascii=not prints_unicode(), indent=2, default=str)
    sys.stdout.write(text + "\n")


def print_line(text: str = "") -> None:
    """Print a line of text."""
    sys.stdout.write(text + "\n")


def print_now(text: str = "") -> None:
    """Print a line and flush it: a running command must not keep it in a buffer."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(text: str) -> None:
    """Print a line to standard error, if it can be written."""
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def write_text(path: Path, text: str, to: Translator) -> None:
    """Write a file and print its name to standard error.

    Raises:
        typer.BadParameter: if it cannot be written.
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {file_error_reason(error)}") from None
    print_error(to.gettext("written: %s") % path)


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, least_width: int = 0
) -> None:
    """Print a table, at most as wide as the terminal.

    Args:
        headings: The headings of the columns.
        rows: The rows.
        least_width: The width of the first column, which keeps it while that is at most half of
            all, and the other columns give way.
    """
    from rich.console import Console
    from rich.table import Table

    width = None if sys.stdout.isatty() else _DEFAULT_WIDTH
    # Rich draws nothing, or fails, in a terminal of a few columns.
    if width is None and Console().width < _LEAST_WIDTH:
        width = _LEAST_WIDTH
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(headings))
    for index, heading in enumerate(headings):
        is_kept = index == 0 and 0 < least_width <= console.width // 2
        table.add_column(heading, overflow="fold", no_wrap=is_kept)
    for row in rows:
        table.add_row(*row)
    console.print(table)


class RecordedServices(NamedTuple):
    """Services whose history a command reads.

    Args:
        ids: The services, in the order of their names.
        removed: Those that are not configured any more, with when they were last monitored.
    """

    ids: list[ServiceId]
    removed: Mapping[ServiceId, datetime]


async def select_recorded(
    names: Sequence[str] | None, board: "Board", history: "Storage", to: Translator
) -> RecordedServices:
    """Return the named services, also removed ones, or all configured ones if none is named.

    Raises:
        typer.BadParameter: if there never was a service of a name.
    """
    ids = list(board.verdicts())
    if set(names or ()) <= set(ids):
        return RecordedServices(list(dict.fromkeys(map(ServiceId, names or ids))), {})
    removed = await history.removed_services(ids)
    known = [*ids, *removed]
    for name in names or ():
        if name not in known:
            unknown = to.gettext("No such service: %s.") % name
            raise typer.BadParameter(f"{unknown} {known_names_hint(name, known, to)}")
    chosen = list(dict.fromkeys(map(ServiceId, names or ())))
    return RecordedServices(chosen, {id_: removed[id_] for id_ in chosen if id_ in removed})


async def select_services(
    names: Sequence[str] | None, board: "Board", history: "Storage", to: Translator
) -> list[ServiceId]:
    """Return the ids of the named services, each once, or all ids if none is named.

    Raises:
        typer.BadParameter: if the configuration has no service of a name.
    """
    from tallylight.i18n.formatting import format_moment

    ids, removed = await select_recorded(names, board, history, to)
    for id_, at in removed.items():
        text = to.gettext(
            "%(service)s was removed from the configuration on %(date)s; uptime, incidents and "
            "export still know it."
        )
        raise typer.BadParameter(text % {"service": id_, "date": format_moment(at, to)})
    return ids


def known_names_hint(name: str, known: Collection[str], to: Translator) -> str:
    """Return the question whether the nearest name is meant, or the known names if none is near."""
    return nearest_name_hint(name, known, to) or to.gettext("Known: %s.") % ", ".join(known)


def nearest_name_hint(name: str, known: Collection[str], to: Translator) -> str:
    """Return the question whether the nearest name is meant, "" if none is near."""
    near = nearest_name(name, known)
    return to.gettext("Did you mean %s?") % near if near else ""
