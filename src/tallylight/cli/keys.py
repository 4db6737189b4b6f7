"""`keys`: the API keys of the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import OptionInfo

from tallylight.cli.command_group import PlainCommand
from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    known_names_hint,
    output_translator,
    print_error,
    print_json,
    print_line,
    print_table,
    run_async,
)
from tallylight.i18n import Translator
from tallylight.model.money import Budget

if TYPE_CHECKING:
    from tallylight.config.settings import Configuration
    from tallylight.gateway.keys import KeyRegistry
    from tallylight.model.gateway_key import GatewayKey

keys_app = typer.Typer(no_args_is_help=True, help="Create, list and revoke keys of the gateway.")


def _parse_usd(text: str) -> Decimal:
    from tallylight.documents.parsers import parse_money

    try:
        return parse_money(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _usd_option(explanation: str) -> OptionInfo:
    option: OptionInfo = typer.Option(parser=_parse_usd, metavar="USD", help=explanation)
    return option


@keys_app.command(cls=PlainCommand)
@run_async
async def create(
    name: Annotated[str, typer.Argument(help="Name of the caller.")],
    route: Annotated[
        list[str] | None,
        typer.Option(help="A route that the key may use; repeatable (default: all)."),
    ] = None,
    per_minute: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="Maximum create requests per minute (default: no limit)."
        ),
    ] = None,
    per_hour: Annotated[
        Decimal | None, _usd_option("Spending limit of its videos per hour.")
    ] = None,
    per_day: Annotated[
        Decimal | None, _usd_option("Spending limit of its videos in 24 hours.")
    ] = None,
    per_month: Annotated[
        Decimal | None, _usd_option("Spending limit of its videos in 30 days.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Create a key and print it.

    The key is shown only once: the database stores its digest.
    """
    from tallylight.gateway.http.text_validation import is_storable

    to, routes = output_translator(lang), route or []
    if not name.strip() or not is_storable(name) or not name.isprintable():
        raise typer.BadParameter(
            to.gettext("%s cannot be the name of a key") % repr(name), param_hint="name"
        )
    budget = Budget(per_hour, per_day, per_month)
    async with _open_keys(config) as (configuration, registry):
        key, secret = await registry.create(name, routes, per_minute, budget)
    for each in routes:
        if each not in configuration.routes:
            unknown = to.gettext("No such route: %s.") % each
            print_error(f"{unknown} {known_names_hint(each, configuration.routes, to)}")
    if json:
        print_json(_key_json(key) | {"key": secret})
        return
    # Standard output has the key alone, so that a script can read it.
    print_line(secret)
    print_error(
        to.gettext(
            "Key %(id)s (%(name)s) created. It is shown only once; the database stores its digest."
        )
        % {"id": key.id, "name": key.name}
    )


@keys_app.command("list")
@run_async
async def list_keys(
    config: ConfigOption = None, json: JsonOption = False, lang: LangOption = None
) -> None:
    """List all keys, including revoked ones."""
    to = output_translator(lang)
    async with _open_known_keys(config) as (_, registry):
        found = await registry.all()
    if json:
        print_json([_key_json(key) for key in found])
        return
    if not found:
        print_line(to.gettext("No keys."))
        return
    headings = (
        to.gettext("Id"),
        to.gettext("Name"),
        to.gettext("Key"),
        to.gettext("Routes"),
        to.gettext("Requests a minute"),
        to.gettext("Limits"),
        to.gettext("Made"),
        to.gettext("Revoked"),
    )
    print_table(headings, (_key_row(key, to) for key in found))


def _key_row(key: "GatewayKey", to: Translator) -> tuple[str, ...]:
    from tallylight.i18n.formatting import format_moment_short
    from tallylight.i18n.prices import format_usd

    return (
        key.id,
        key.name,
        f"tl-…{key.hint}",
        ", ".join(sorted(key.routes)) or to.gettext("all"),
        "" if key.per_minute is None else str(key.per_minute),
        ", ".join(f"{name} {format_usd(limit)}" for name, limit in key.budget.limits.items()),
        format_moment_short(key.created_at, to),
        "" if key.revoked_at is None else format_moment_short(key.revoked_at, to),
    )


@keys_app.command()
@run_async
async def revoke(
    key: Annotated[str, typer.Argument(help="Id of the key, as `keys list` prints it.")],
    config: ConfigOption = None,
    lang: LangOption = None,
) -> None:
    """Revoke a key.

    All servers on the database refuse it within two seconds.
    """
    from tallylight.model.ids import KeyId

    to = output_translator(lang)
    async with _open_known_keys(config) as (_, registry):
        found = await registry.revoke(KeyId(key))
    if found is None:
        print_error(to.gettext("No active key: %s. Run `tallylight keys list`.") % key)
        raise typer.Exit(1)
    print_line(to.gettext("Key %(id)s (%(name)s) revoked.") % {"id": found.id, "name": found.name})


@asynccontextmanager
async def _open_known_keys(
    config: Path | None,
) -> AsyncIterator[tuple["Configuration", "KeyRegistry"]]:
    from tallylight.config.settings import load_configuration
    from tallylight.storage.database_address import require_database

    require_database(load_configuration(config).database_url)
    async with _open_keys(config) as opened:
        yield opened


@asynccontextmanager
async def _open_keys(config: Path | None) -> AsyncIterator[tuple["Configuration", "KeyRegistry"]]:
    from tallylight.app.logs import configure_warnings_only
    from tallylight.clock import SystemClock
    from tallylight.config.settings import load_configuration
    from tallylight.gateway.keys import KeyRegistry
    from tallylight.storage.database import open_storage

    configuration, clock = load_configuration(config), SystemClock()
    configure_warnings_only()
    async with open_storage(configuration.database_url, clock) as history:
        yield configuration, KeyRegistry(history.keys, clock)


def _key_json(key: "GatewayKey") -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "routes": sorted(key.routes),
        "per_minute": key.per_minute,
        "limits": {name: str(limit) for name, limit in key.budget.limits.items()},
        "created_at": key.created_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }
