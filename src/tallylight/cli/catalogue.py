"""`catalogue`, `config`: the fact sheets and the configuration file."""

import asyncio
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.alerts import check_receivers
from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    known_names_hint,
    nearest_name_hint,
    output_translator,
    print_error,
    print_json,
    print_line,
    print_table,
)
from tallylight.config.sheet_order import SheetOrder
from tallylight.documents.files import file_error_reason, read_bounded
from tallylight.i18n import Translator
from tallylight.model.order import Medium

if TYPE_CHECKING:
    from tallylight.catalogue.services import FactSheet

catalogue_app = typer.Typer(
    no_args_is_help=True, help="Show fact sheets: models, prices and dates."
)
config_app = typer.Typer(no_args_is_help=True, help="Check the configuration file.")


@catalogue_app.command("list")
def list_sheets(  # one for each option
    *,
    provider: Annotated[str | None, typer.Option(help="Only models of this provider.")] = None,
    medium: Annotated[Medium | None, typer.Option(help="Only videos, or only images.")] = None,
    live: Annotated[
        bool,
        typer.Option("--live/--all", help="Only models that are not retired today, or all."),
    ] = True,
    usable: Annotated[
        bool, typer.Option("--usable", help="Only models that you can use now, by your keys.")
    ] = False,
    sort: Annotated[
        SheetOrder, typer.Option(help="By cost (usable models first), end or name.")
    ] = SheetOrder.COST,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """List models: what they cost, and what you can use."""
    from tallylight.cli.catalogue_list import print_models
    from tallylight.clock import SystemClock
    from tallylight.config.sheet_list import SheetFilter, listed_models, sorted_models
    from tallylight.documents.environment import process_environment

    to = output_translator(lang)
    known = listed_models(process_environment(), SystemClock().now().date())
    _require_provider(provider, sorted({each.sheet.provider for each in known}), to)
    chosen = SheetFilter(provider, medium, is_live=live, is_usable=usable)
    shown = sorted_models(tuple(filter(chosen.admits, known)), sort)
    if json:
        print_json([each.as_json() for each in shown])
    else:
        print_models(shown, known, to)


def _require_provider(name: str | None, known: list[str], to: Translator) -> None:
    if name is not None and name not in known:
        unknown = to.gettext("No such provider: %s.") % name
        raise typer.BadParameter(f"{unknown} {known_names_hint(name, known, to)}")


@catalogue_app.command("show")
def show_sheet(
    sheet: Annotated[str, typer.Argument(help="provider/model, as `catalogue list` prints it.")],
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show one fact sheet with its sources."""
    from tallylight.catalogue import facts

    to = output_translator(lang)
    found = facts.sheet_by_id(sheet)
    if found is None:
        unknown = to.gettext("No such fact sheet: %s.") % sheet
        hint = nearest_name_hint(sheet, facts.fact_sheets(), to)
        # There are too many sheets to list them all.
        hint = hint or to.gettext("See `tallylight catalogue list`.")
        raise typer.BadParameter(f"{unknown} {hint}")
    if json:
        print_json(asdict(found))
        return
    print_table(("", ""), _sheet_rows(found, to))


@catalogue_app.command("diff")
def diff_sheets(
    file: Annotated[
        Path, typer.Argument(help="LiteLLM's model_prices_and_context_window.json.", metavar="FILE")
    ],
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Compare fact sheets with a LiteLLM price map.

    The exit code is 1 if they differ.
    """
    from tallylight.catalogue.facts import built_in_upstreams, fact_sheets
    from tallylight.catalogue.price_differences import compare_sheets
    from tallylight.catalogue.price_maps import MAX_PRICE_MAP_BYTES, parse_price_map
    from tallylight.cli.catalogue_diff import print_comparison
    from tallylight.clock import SystemClock

    try:
        text = read_bounded(file, MAX_PRICE_MAP_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {file_error_reason(error)}") from None
    providers = {
        listed: provider
        for provider, profile in built_in_upstreams().items()
        for listed in profile.price_map_names
    }
    mapped = parse_price_map(text, file.name, providers)
    found = compare_sheets(fact_sheets(), mapped, SystemClock().now().date())
    if json:
        print_json(asdict(found))
    else:
        print_comparison(found, len(mapped), output_translator(lang))
    raise typer.Exit(0 if found.is_equal else 1)


@catalogue_app.command("update")
def update_sheets(
    source: Annotated[str, typer.Argument(help="A file of fact sheets, or its HTTPS address.")],
    lang: LangOption = None,
) -> None:
    """Install newer fact sheets.

    They replace the built-in sheets of their provider after a check, all or none.
    """
    from tallylight.catalogue.updates import install_update, updates_folder
    from tallylight.documents.document import MAX_DOCUMENT_BYTES
    from tallylight.documents.environment import process_environment

    try:
        is_address = source.startswith(("https://", "http://"))
        if is_address:
            text = asyncio.run(_download(source))
        else:
            text = read_bounded(Path(source), MAX_DOCUMENT_BYTES).decode("utf-8")
        folder = updates_folder(process_environment())
        sheets = install_update(text, source.rpartition("/")[2], folder)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{source}: {file_error_reason(error)}") from None
    message = output_translator(lang).ngettext(
        "%(count)d fact sheet of %(provider)s installed in %(folder)s",
        "%(count)d fact sheets of %(provider)s installed in %(folder)s",
        len(sheets),
    )
    print_line(
        message % {"count": len(sheets), "provider": sheets[0].provider, "folder": str(folder)}
    )


async def _download(address: str) -> str:
    from tallylight.catalogue.services import Upstream
    from tallylight.clock import SystemClock
    from tallylight.model.ids import ProviderId, UpstreamId
    from tallylight.upstreams.messages import Phase, Request
    from tallylight.upstreams.transport import Transport

    upstream = Upstream(UpstreamId("catalogue"), ProviderId("catalogue"), address, "", "", None)
    async with Transport(SystemClock()) as transport:
        reply = await transport.send(Request(Phase.FEED, "GET", address), upstream)
    if reply.status != HTTPStatus.OK or reply.error or reply.truncated:
        why = reply.error or ("too long" if reply.truncated else f"HTTP {reply.status}")
        raise typer.BadParameter(f"{address}: {why}")
    return reply.body


@config_app.command("check")
def check_config(path: ConfigOption = None, lang: LangOption = None) -> None:
    """Check the configuration file.

    Errors name the line to change; the exit code is then 2.
    """
    from tallylight.config.settings import load_configuration

    to, found = output_translator(lang), load_configuration(path)
    check_receivers(found)
    for warning in (*found.warnings, *found.remarks):
        print_error(to.gettext("warning: %s") % warning)
    for note in found.notes:
        print_error(to.gettext("note: %s") % note)
    built_in = to.gettext("built-in fact sheets with keys from the environment")
    count = len(found.catalogue.services)
    message = to.ngettext(
        "%(file)s is valid: %(count)d service", "%(file)s is valid: %(count)d services", count
    )
    print_line(message % {"file": str(found.path or built_in), "count": count})


@config_app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of tallylight.yaml."""
    from tallylight.config.schema import configuration_schema

    print_json(configuration_schema())


def _sheet_rows(sheet: "FactSheet", to: Translator) -> list[tuple[str, str]]:
    from tallylight.catalogue.facts import built_in_upstreams
    from tallylight.cli.catalogue_list import long_use_text
    from tallylight.clock import SystemClock
    from tallylight.config.usability import usability
    from tallylight.documents.environment import process_environment
    from tallylight.i18n.labels import access_label
    from tallylight.status.views.detail import sheet_view

    today = SystemClock().now().date()
    view = sheet_view(sheet, today, to)
    found = usability(sheet, built_in_upstreams(), process_environment(), today)
    rows = [
        (to.gettext("Fact sheet"), sheet.id),
        (to.gettext("Title"), view.title),
        (to.gettext("Access"), access_label(sheet.access, to)),
        *view.lines.items(),
        (to.gettext("Usable now"), long_use_text(found, to)),
        (to.gettext("Notes"), view.notes),
        (to.gettext("Sources"), "\n".join(view.sources)),
        (to.gettext("As of"), view.as_of),
    ]
    return [(label, value) for label, value in rows if value]
