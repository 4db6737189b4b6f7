"""`export`, `cost`: what was written down, taken out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.past import WindowOption
from tallylight.cli.shared import (
    Config,
    Json,
    Lang,
    Services,
    chosen,
    print_json,
    print_line,
    print_table,
    reading,
    speech,
)
from tallylight.history.formats import ExportFormat, ExportTable
from tallylight.languages import Translator
from tallylight.status.views.uptimes import Window

if TYPE_CHECKING:
    from tallylight.history.ledger import Entry


def add_to(application: typer.Typer) -> None:
    """Add these commands."""
    application.command("export")(export_history)
    application.command()(cost)


def export_history(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    services: Services = None,
    format_: Annotated[
        ExportFormat, typer.Option("--format", help="What kind of file.")
    ] = ExportFormat.JSON,
    window: WindowOption = Window.MONTH,
    table: Annotated[
        ExportTable | None,
        typer.Option(help="One table alone; without it all, CSV and Parquet in a zip."),
    ] = None,
    config: Config = None,
    lang: Lang = None,
) -> None:
    """Write evidence, transitions and uptime into a file."""
    to = speech(lang)
    try:
        asyncio.run(_export(out, services, format_, window, table, config, to))
    except OSError as error:
        why = error.strerror or str(error)
        raise typer.BadParameter(
            to.gettext("%(file)s cannot be written: %(why)s") % {"file": out, "why": why},
            param_hint="--out",
        ) from None


async def _export(
    out: Path,
    wanted: Sequence[str] | None,
    format_: ExportFormat,
    window: Window,
    table: ExportTable | None,
    config: Path | None,
    to: Translator,
) -> None:
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock
    from tallylight.history.export import export

    clock = SystemClock()
    async with reading(load_settings(config), clock) as (board, history):
        ids = chosen(wanted, board.verdicts(), to)
        end = clock.now()
        await export(
            history, out, format_, services=ids, start=end - window.length, end=end, table=table
        )
    print_line(str(out))


def cost(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Entries of the ledger.")] = 20,
    config: Config = None,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """Print the budgets, what is spent of them, and the ledger's newest entries."""
    asyncio.run(_cost(limit, config, json, speech(lang)))


async def _cost(limit: int, config: Path | None, json: bool, to: Translator) -> None:
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock
    from tallylight.languages.prices import dollars
    from tallylight.status.answers import budget_answer, entry_answer
    from tallylight.status.budgets import TOTAL, spendings
    from tallylight.status.models import LedgerAnswer

    configuration, clock = load_settings(config), SystemClock()
    async with reading(configuration, clock) as (board, history):
        total = configuration.catalogue.total_budget
        budgets = await spendings(history.ledger, board.services(), total, clock.now())
        entries = await history.ledger.entries(limit=limit)
    if json:
        answer = LedgerAnswer(
            budgets=[budget_answer(budget) for budget in budgets],
            entries=[entry_answer(entry) for entry in entries],
        )
        print_json(answer.model_dump(mode="json"))
        return
    limits = [
        (
            to.gettext("all together") if budget.scope == TOTAL else budget.scope,
            budget.window,
            dollars(budget.spent),
            dollars(budget.limit),
        )
        for budget in budgets
    ]
    words = (
        to.gettext("Budget"),
        to.gettext("Window"),
        to.gettext("Spent"),
        to.gettext("Limit"),
    )
    print_table(words, limits)
    print_line()
    columns = (
        to.gettext("Time"),
        to.gettext("Service"),
        to.gettext("For"),
        to.gettext("State"),
        to.gettext("Amount"),
    )
    print_table(columns, (_row(entry, to) for entry in entries))


def _row(entry: "Entry", to: Translator) -> tuple[str, ...]:
    from tallylight.languages.figures import moment_short
    from tallylight.languages.prices import dollars

    return (
        moment_short(entry.at, to),
        entry.service,
        _purpose(entry, to),
        _state(entry, to),
        dollars(entry.amount),
    )


def _purpose(entry: "Entry", to: Translator) -> str:
    from tallylight.history.ledger import Purpose

    match entry.purpose:
        case Purpose.PROBE:
            return to.gettext("Generation probe")
        case Purpose.TRAFFIC:
            return to.gettext("Live traffic")
        case Purpose.ACCIDENT:
            return to.gettext("A probe that was meant to be free")


def _state(entry: "Entry", to: Translator) -> str:
    from tallylight.history.ledger import EntryState

    match entry.state:
        case EntryState.RESERVED:
            return to.gettext("reserved")
        case EntryState.SETTLED:
            return to.gettext("spent")
        case EntryState.RELEASED:
            return to.gettext("not spent")
