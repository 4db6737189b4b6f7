"""What all commands share: their options, and how they print."""

import json
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.i18n import Language, Translator, language_from_locale, translator
from tallylight.model.ids import ServiceId

if TYPE_CHECKING:
    from tallylight.board import Board
    from tallylight.clock import Clock
    from tallylight.config.settings import Configuration
    from tallylight.storage.database import Storage

application = typer.Typer(
    name="tallylight",
    help="Watches video generation services, judges them, remembers, and tells which one is live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(is_asked: bool) -> None:
    from importlib.metadata import version

    if is_asked:
        print_line(f"tallylight {version('tallylight')}")
        raise typer.Exit


@application.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


_DEFAULT_WIDTH = 240  # or a program that reads the table would find rows broken up

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The configuration; without it ./tallylight.yaml, else keys from the environment.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LangOption = Annotated[
    Language | None,
    typer.Option("--lang", help="The language of the output (default: the locale's)."),
]
ServiceIds = Annotated[list[str] | None, typer.Argument(help="Ids of services (default: all).")]


def output_translator(language: Language | None) -> Translator:
    """Return the translator for a command's output."""
    from tallylight.documents.environment import process_environment

    return translator(language or language_from_locale(process_environment()))


@asynccontextmanager
async def open_board_and_history(
    configuration: "Configuration", clock: "Clock"
) -> AsyncIterator[tuple["Board", "Storage"]]:
    """Open what stands and what was, to be looked at; what is logged meanwhile is no output."""
    from tallylight.app.cluster.read_only_storage import open_read_only
    from tallylight.app.logs import configure_warnings_only

    configure_warnings_only()
    async with open_read_only(configuration, clock) as opened:
        yield opened


def print_json(value: object) -> None:
    """Print a value for machines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_line(text: str = "") -> None:
    """Print a line for people."""
    sys.stdout.write(text + "\n")


def print_now(text: str = "") -> None:
    """Print a line of a command that goes on running, at once even into a file or a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(text + "\n")


def write_text(path: Path, text: str, to: Translator) -> None:
    """Write a file for whoever named it, and say so.

    Raises:
        typer.BadParameter: if it cannot be written.
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error}") from None
    print_error(to.gettext("written: %s") % path)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table for people, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else _DEFAULT_WIDTH
    Console(highlight=False, markup=False, emoji=False, width=width).print(table)


def select_services(
    names: Sequence[str] | None, known: Iterable[ServiceId], to: Translator
) -> list[ServiceId]:
    """Return the ids asked for, each once, all of them if none is named.

    Raises:
        typer.BadParameter: for an id that is not in the configuration.
    """
    ids = list(known)
    for name in names or ():
        if name not in ids:
            raise typer.BadParameter(
                to.gettext("%(id)s is no service of this configuration; there are %(ids)s")
                % {"id": name, "ids": ", ".join(ids)}
            )
    return list(dict.fromkeys(map(ServiceId, names))) if names else ids
