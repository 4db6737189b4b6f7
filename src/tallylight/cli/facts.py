"""`catalogue`, `config`: what exists, and whether the file that says so is usable."""

import asyncio
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import typer

from tallylight.cli.shared import Config, Json, Lang, print_json, print_line, print_table, speech

catalogue = typer.Typer(no_args_is_help=True, help="What is publicly known of models and prices.")
config = typer.Typer(no_args_is_help=True, help="The configuration file.")


def add_to(application: typer.Typer) -> None:
    """Add these commands."""
    application.add_typer(catalogue, name="catalogue")
    application.add_typer(config, name="config")


@catalogue.command("list")
def list_sheets(
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Only what is not retired today.")] = False,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """List the fact sheets: models, prices and dates."""
    from tallylight.catalogue import facts
    from tallylight.clock import SystemClock
    from tallylight.languages.prices import price_text

    to, today = speech(lang), SystemClock().now().date()
    sheets = [
        sheet
        for sheet in facts.load().values()
        if provider in {None, sheet.provider} and not (live and sheet.is_retired(today))
    ]
    if json:
        print_json([_plain(asdict(sheet)) for sheet in sheets])
        return
    headings = [to.gettext(word) for word in ("Fact sheet", "Title", "Access", "Price", "Ends")]
    print_table(
        headings,
        (
            (
                sheet.id,
                sheet.title,
                sheet.access.value,
                price_text(sheet.price, to),
                "" if sheet.shutdown_at is None else sheet.shutdown_at.isoformat(),
            )
            for sheet in sheets
        ),
    )


@catalogue.command("show")
def show_sheet(
    sheet: Annotated[str, typer.Argument(help="provider/model, as `catalogue list` has it.")],
    json: Json = False,
) -> None:
    """Show all that is known of one model at one provider, with the sources."""
    from tallylight.catalogue import facts

    found = facts.load().get(sheet)
    if found is None:
        raise typer.BadParameter(f"{sheet} is no fact sheet; see `tallylight catalogue list`")
    plain = _plain(asdict(found))
    if json:
        print_json(plain)
        return
    assert isinstance(plain, dict)  # noqa: S101  # a dataclass is a mapping of its fields
    print_table(("", ""), ((name, _cell(value)) for name, value in plain.items() if value))


@catalogue.command("update")
def update_sheets(
    source: Annotated[str, typer.Argument(help="A file of fact sheets, or its https address.")],
) -> None:
    """Take newer fact sheets in place of the built-in ones, checked and as a whole."""
    from tallylight.catalogue.secrets import environment
    from tallylight.catalogue.updates import folder, install

    try:
        is_address = source.startswith(("https://", "http://"))
        text = asyncio.run(_fetched(source)) if is_address else Path(source).read_text("utf-8")
        kept_in = folder(environment())
        sheets = install(text, source.rpartition("/")[2], kept_in)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{source}: {error}") from None
    print_line(f"{len(sheets)} fact sheets of {sheets[0].provider} now stand in {kept_in}")


async def _fetched(address: str) -> str:
    from tallylight.catalogue.services import Upstream
    from tallylight.clock import SystemClock
    from tallylight.terms import ProviderId, UpstreamId
    from tallylight.upstreams.transport import Transport
    from tallylight.upstreams.wire import Phase, Request

    nobody = Upstream(UpstreamId("catalogue"), ProviderId("catalogue"), address, "", "", None)
    async with Transport(SystemClock()) as transport:
        reply = await transport.send(Request(Phase.FEED, "GET", address), nobody)
    if reply.status != HTTPStatus.OK or reply.error or reply.truncated:
        why = reply.error or ("too long" if reply.truncated else f"HTTP {reply.status}")
        raise typer.BadParameter(f"{address}: {why}")
    return reply.body


@config.command("check")
def check_config(path: Config = None) -> None:
    """Say whether the configuration can be used, and if not, which line to change."""
    from tallylight.app.settings import load_settings

    found = load_settings(path)
    for warning in found.warnings:
        print_line(f"warning: {warning}")
    where = found.source or "built-in fact sheets with keys from the environment"
    print_line(f"{where}: {len(found.catalogue.services)} services; usable")


@config.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of tallylight.yaml, for editors."""
    from tallylight.app.schema import schema

    print_json(schema())


def _plain(value: object) -> object:
    match value:
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case StrEnum():
            return value.value
        case date() | Decimal() | Path():
            return str(value)
        case _:
            return value


def _cell(value: object) -> str:
    match value:
        case list():
            return ", ".join(map(_cell, value))
        case dict():
            return ", ".join(f"{key}: {_cell(each)}" for key, each in value.items() if each)
        case _:
            return str(value)
