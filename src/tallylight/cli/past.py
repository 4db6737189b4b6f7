"""`uptime`, `incidents`, `export`, `cost`: what was, and what it cost."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tallylight.cli.shared import (
    Config,
    Json,
    Lang,
    Services,
    chosen,
    print_json,
    print_line,
    print_table,
    speech,
)
from tallylight.history.export import ExportFormat, ExportTable, export
from tallylight.languages import Translator


class Window(StrEnum):
    """The stretches of time that can be asked about, up to now."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"

    @property
    def length(self) -> timedelta:
        """Return how long it is."""
        return _LENGTHS[self]


_LENGTHS: Mapping[Window, timedelta] = {
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(hours=24),
    Window.WEEK: timedelta(days=7),
    Window.MONTH: timedelta(days=30),
    Window.QUARTER: timedelta(days=90),
}

WindowOption = Annotated[Window, typer.Option(help="How far back.")]


def add_to(application: typer.Typer) -> None:
    """Add these commands."""
    application.command()(uptime)
    application.command()(incidents)
    application.command("export")(export_history)
    application.command()(cost)


def uptime(
    services: Services = None,
    window: WindowOption = Window.DAY,
    config: Config = None,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """Print how available services were, of the time that was watched."""
    asyncio.run(_uptime(services, window, config, json, speech(lang)))


async def _uptime(
    wanted: Sequence[str] | None, window: Window, config: Path | None, json: bool, to: Translator
) -> None:
    from tallylight.app.runtime import open_reading
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock
    from tallylight.languages.figures import duration, share
    from tallylight.verdicts.availability import Availability, availability, percentage

    clock = SystemClock()
    async with open_reading(load_settings(config), clock) as (board, history):
        ids = chosen(wanted, board.verdicts())
        end = clock.now()
        spells = await history.spells(ids, end - window.length, end)
    found = {id_: availability(spells[id_], end - window.length, end) for id_ in ids}
    if json:
        print_json([{"id": id_, "window": window.value, **_plain(found[id_])} for id_ in ids])
        return

    def row(name: str, each: Availability) -> tuple[str, ...]:
        interval = ""
        if each.low is not None and each.high is not None:
            interval = f"{share(each.low, to)} – {share(each.high, to)}"
        return (
            name,
            percentage(each) or "—",
            interval,
            "—" if each.coverage is None else share(each.coverage, to),
            str(each.outages),
            "—" if each.mttr is None else duration(each.mttr, to),
        )

    headings = ("Service", "Uptime", "95 % interval", "Watched", "Outages", "Mean length")
    print_table([to.gettext(word) for word in headings], (row(id_, found[id_]) for id_ in ids))


def incidents(
    services: Services = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    config: Config = None,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """List incidents with their updates, the newest first."""
    asyncio.run(_incidents(services, limit, config, json, speech(lang)))


async def _incidents(
    wanted: Sequence[str] | None, limit: int, config: Path | None, json: bool, to: Translator
) -> None:
    from tallylight.app.runtime import open_reading
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock
    from tallylight.languages.figures import duration, moment
    from tallylight.languages.reasons import sentence
    from tallylight.languages.words import status_word

    async with open_reading(load_settings(config), SystemClock()) as (board, history):
        ids = chosen(wanted, board.verdicts())
        names = {id_: board.service(id_).name for id_ in ids}
        found = [one for id_ in ids for one in await history.incidents(id_, limit=limit)]
    found = sorted(found, key=lambda one: one.started_at, reverse=True)[:limit]
    if json:
        print_json(
            [
                {
                    "id": one.id,
                    "service": one.service,
                    "worst": one.worst.value,
                    "started_at": one.started_at.isoformat(),
                    "ended_at": None if one.ended_at is None else one.ended_at.isoformat(),
                    "updates": [
                        {
                            "at": update.at.isoformat(),
                            "status": update.status.value,
                            "reasons": [sentence(reason, to) for reason in update.reasons],
                        }
                        for update in one.updates
                    ],
                }
                for one in found
            ]
        )
        return
    for one in found:
        length = to.gettext("open")
        if one.ended_at is not None:
            length = duration(one.ended_at - one.started_at, to)
        began = moment(one.started_at, to)
        word = status_word(one.worst, to)
        print_line(f"{one.worst.lamp} {names[one.service]} · {word} · {began} · {length}")
        for update in one.updates:
            why = sentence(update.reasons[0], to) if update.reasons else ""
            print_line(f"   {moment(update.at, to)}  {status_word(update.status, to)}  {why}")
    if not found:
        print_line(to.gettext("There was no incident."))


def export_history(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    services: Services = None,
    format_: Annotated[
        ExportFormat, typer.Option("--format", help="What kind of file.")
    ] = ExportFormat.JSON,
    window: WindowOption = Window.MONTH,
    table: Annotated[
        ExportTable | None, typer.Option(help="One table alone; without it all, in a zip.")
    ] = None,
    config: Config = None,
) -> None:
    """Write evidence, transitions and uptime into a file."""
    try:
        asyncio.run(_export(out, services, format_, window, table, config))
    except OSError as error:
        raise typer.BadParameter(f"--out {out}: {error.strerror}") from None


async def _export(
    out: Path,
    wanted: Sequence[str] | None,
    format_: ExportFormat,
    window: Window,
    table: ExportTable | None,
    config: Path | None,
) -> None:
    from tallylight.app.runtime import open_reading
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock

    clock = SystemClock()
    async with open_reading(load_settings(config), clock) as (board, history):
        ids = chosen(wanted, board.verdicts())
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
    from tallylight.app.runtime import open_reading
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock
    from tallylight.languages.figures import moment_short
    from tallylight.languages.prices import dollars
    from tallylight.status.budgets import spendings

    configuration, clock = load_settings(config), SystemClock()
    async with open_reading(configuration, clock) as (board, history):
        total = configuration.catalogue.total_budget
        budgets = await spendings(history.ledger, board.services(), total, clock.now())
        entries = await history.ledger.entries(limit=limit)
    if json:
        print_json(
            {
                "budgets": [_money(budget) for budget in budgets],
                "entries": [_money(entry) for entry in entries],
            }
        )
        return
    print_table(
        [to.gettext(word) for word in ("Budget", "Window", "Spent", "Limit")],
        ((b.scope, b.window, dollars(b.spent), dollars(b.limit)) for b in budgets),
    )
    print_line()
    print_table(
        [to.gettext(word) for word in ("Time", "Service", "For", "State", "Amount")],
        (
            (
                moment_short(entry.at, to),
                entry.service,
                entry.note or entry.purpose.value,
                entry.state.value,
                dollars(entry.amount),
            )
            for entry in entries
        ),
    )


def _plain(found: object) -> dict[str, object]:
    from dataclasses import asdict

    fields = asdict(found)  # type: ignore[call-overload]
    return {
        f"{name}_s" if isinstance(value, timedelta) else name: value.total_seconds()
        if isinstance(value, timedelta)
        else value
        for name, value in fields.items()
    }


def _money(found: object) -> dict[str, object]:
    from dataclasses import asdict

    fields = asdict(found)  # type: ignore[call-overload]
    return {name: value if value is None else str(value) for name, value in fields.items()}
