"""`check`, `status`, `watch`: how services are."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tallylight.cli.shared import (
    Config,
    Json,
    Lang,
    Services,
    chosen,
    complain,
    print_json,
    print_line,
    speech,
)
from tallylight.languages import Translator
from tallylight.terms import Depth, Status


def add_to(application: typer.Typer) -> None:
    """Add these commands."""
    application.command()(check)
    application.command()(status)
    application.command()(watch)


def check(
    services: Services = None,
    depth: Annotated[
        Depth, typer.Option(help="How far to go; generation costs money, within the budgets.")
    ] = Depth.CREDENTIALS,
    config: Config = None,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """Probe services once now and print the verdicts; exit 1 unless nothing is wrong."""
    to = speech(lang)
    fine = asyncio.run(_check(services, depth, config, json, to))
    raise typer.Exit(0 if fine else 1)


async def _check(
    wanted: Sequence[str] | None, depth: Depth, config: Path | None, json: bool, to: Translator
) -> bool:
    from tallylight.app import summary
    from tallylight.app.runtime import open_runtime
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock

    async with open_runtime(load_settings(config), SystemClock()) as runtime:
        ids = chosen(wanted, runtime.board.verdicts())
        rounds = await runtime.check(ids, depth)
        entries = [(runtime.board.service(id_), runtime.board.verdict(id_)) for id_ in ids]
        if json:
            print_json(summary.as_json(entries, to))
        else:
            print_line(summary.as_text(entries, to))
        for id_, round_ in rounds.items():
            if round_.withheld:
                complain(
                    to.gettext("%s: no generation probe was sent: %s") % (id_, round_.withheld)
                )
        if not runtime.is_judge:
            complain(
                to.gettext("A server watches this database; this round is shown, not recorded.")
            )
        return all(summary.passes(runtime.board.verdict(id_), rounds[id_].found) for id_ in ids)


def status(
    services: Services = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every reason, not the first alone.")
    ] = False,
    config: Config = None,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """Print the standing verdicts with their reasons; exit 1 unless all are operational."""
    to = speech(lang)
    fine = asyncio.run(_status(services, verbose, config, json, to))
    raise typer.Exit(0 if fine else 1)


async def _status(
    wanted: Sequence[str] | None, verbose: bool, config: Path | None, json: bool, to: Translator
) -> bool:
    from tallylight.app import summary
    from tallylight.app.runtime import open_reading
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock

    async with open_reading(load_settings(config), SystemClock()) as (board, _):
        ids = chosen(wanted, board.verdicts())
        entries = [(board.service(id_), board.verdict(id_)) for id_ in ids]
        if json:
            print_json(summary.as_json(entries, to))
        else:
            print_line(summary.as_text(entries, to, every_reason=verbose))
        return all(verdict.status is Status.OPERATIONAL for _, verdict in entries)


def watch(
    services: Services = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    config: Config = None,
    lang: Lang = None,
) -> None:
    """Show the standing verdicts as they change, until interrupted."""
    to = speech(lang)
    try:
        asyncio.run(_watch(services, timedelta(seconds=every), config, to))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _watch(
    wanted: Sequence[str] | None, every: timedelta, config: Path | None, to: Translator
) -> None:
    from rich.live import Live
    from rich.text import Text

    from tallylight.app import summary
    from tallylight.app.runtime import open_reading
    from tallylight.app.settings import load_settings
    from tallylight.clock import SystemClock

    configuration, clock = load_settings(config), SystemClock()
    with Live(auto_refresh=False) as live:
        while True:
            async with open_reading(configuration, clock) as (board, _):
                ids = chosen(wanted, board.verdicts())
                entries = [(board.service(id_), board.verdict(id_)) for id_ in ids]
            live.update(Text(summary.as_text(entries, to)), refresh=True)
            await clock.sleep(every)
