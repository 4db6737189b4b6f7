"""`init`: a first configuration from the keys that are there, or from an address."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import (
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
from tallylight.documents.files import file_error_reason
from tallylight.i18n import Translator

if TYPE_CHECKING:
    from tallylight.config.first_file import FirstFile, SecretPlace

_DEFAULT_PATH = Path("tallylight.yaml")
_KEY_PATH = "secrets/upstream.key"
_ALERT_PATH = "secrets/alerts.url"


@dataclass(frozen=True, slots=True)
class _InitOptions:
    """The options of the command; `asks` says that a person answers what they leave open."""

    address: str
    key_variable: str
    models: Sequence[str]
    services: Sequence[str]
    per_day: Decimal | None
    alert_variable: str
    gateway_key: bool
    path: Path
    json: bool
    asks: bool


@run_async
async def init_command(
    *,
    address: Annotated[
        str, typer.Option(help="Address of an API (default: the keys of the environment).")
    ] = "",
    key_variable: Annotated[
        str, typer.Option(help="Variable that holds the key for the address.", metavar="NAME")
    ] = "",
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model at an address that is not known; repeatable."),
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option(help="A service to watch; repeatable (default: all).")
    ] = None,
    per_day: Annotated[
        float | None, typer.Option(min=0.01, help="USD a day for paid probes (default: none).")
    ] = None,
    alert_variable: Annotated[
        str, typer.Option(help="Variable with the URL that alerts go to.", metavar="NAME")
    ] = "",
    gateway_key: Annotated[
        bool, typer.Option("--gateway-key/--no-gateway-key", help="Create a key of the gateway.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    config: Annotated[Path, typer.Option("--config", "-c", help="File to write.")] = _DEFAULT_PATH,
    json: JsonOption = False,
    lang: LangOption = None,
) -> int:
    """Write a first configuration.

    Only free questions are sent: what answers at an address, and whether it accepts the key.
    """
    to = output_translator(lang)
    if config.exists() and not force:
        raise typer.BadParameter(to.gettext("%s exists; --force replaces it") % config)
    options = _InitOptions(
        address=address,
        key_variable=key_variable,
        models=model or (),
        services=service or (),
        per_day=None if per_day is None else Decimal(str(per_day)),
        alert_variable=alert_variable,
        gateway_key=gateway_key,
        path=config,
        json=json,
        asks=not yes and not json and _is_terminal(),
    )
    return await _init(options, to)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


async def _init(options: _InitOptions, to: Translator) -> int:
    from tallylight.app.first_setup import FirstSecrets, first_gateway_key, write_first_files
    from tallylight.app.logs import configure_warnings_only
    from tallylight.clock import SystemClock

    configure_warnings_only()
    secrets: dict[str, str] = {}
    found = await _choices(options, secrets, to)
    if found is None:
        return 1
    answers = _answered(found, options, secrets, to)
    try:
        written = write_first_files(options.path, answers, FirstSecrets(secrets))
    except OSError as error:
        raise typer.BadParameter(f"{options.path}: {file_error_reason(error)}") from None
    key = await first_gateway_key(options.path, SystemClock()) if options.gateway_key else ""
    if options.json:
        print_json(_document(answers, written, key))
        return 0
    for each in written:
        print_error(to.gettext("written: %s") % each)
    if key:
        print_line(key)
        print_error(to.gettext("This is the key of your gateway. It is shown only once."))
    print_error(to.gettext("Next: `tallylight check`, then `tallylight serve`."))
    return 0


async def _choices(
    options: _InitOptions, secrets: dict[str, str], to: Translator
) -> "FirstFile | None":
    from tallylight.app.first_setup import choices_of, search_address
    from tallylight.catalogue.facts import built_in_upstreams
    from tallylight.clock import SystemClock
    from tallylight.config.first_choices import choices_of_environment
    from tallylight.documents.environment import process_environment

    clock, environment = SystemClock(), process_environment()
    today = clock.now().date()
    if options.asks and not options.address:
        options = replace(options, address=_asked_text(_address_question(to)))
    if not options.address:
        return choices_of_environment(environment, today, built_in_upstreams())
    key, place = _key_of(options, environment.get(options.key_variable, ""), secrets, to)
    found = await search_address(options.address, key, options.models, clock)
    if found.problem:
        print_error(found.problem)
    if not found.upstreams:
        return None
    choices = choices_of(found.upstreams[0], place, options.models, today)
    if options.asks and not choices.services:
        models = _names_in(_asked_text(to.gettext("Which models (ids with commas)")))
        choices = choices_of(found.upstreams[0], place, models, today)
    if not choices.services:
        raise typer.BadParameter(to.gettext("name a model of %s: --model") % options.address)
    return choices


def _key_of(
    options: _InitOptions, key: str, secrets: dict[str, str], to: Translator
) -> "tuple[str, SecretPlace | None]":
    """Return the key for the address, and where it is: a key that is typed gets a file."""
    from tallylight.config.first_file import SecretPlace

    if options.key_variable:
        if not key:
            raise typer.BadParameter(to.gettext("%s is not set") % options.key_variable)
        return key, SecretPlace(options.key_variable)
    question = to.gettext("Key (empty for none)")
    typed = _asked_text(question, is_hidden=True) if options.asks else ""
    if not typed:
        return "", None
    secrets[_KEY_PATH] = typed
    return typed, SecretPlace(path=_KEY_PATH)


def _answered(
    found: "FirstFile", options: _InitOptions, secrets: dict[str, str], to: Translator
) -> "FirstFile":
    """Return the file with what the options say, or a person answers."""
    from tallylight.config.first_choices import only
    from tallylight.config.first_file import SecretPlace

    chosen, per_day, alerts = options.services, options.per_day, options.alert_variable
    place = SecretPlace(alerts) if alerts else None
    if options.asks:
        _print_choices(found, to)
        chosen = chosen or _asked_services(to)
        per_day = per_day or _asked_budget(to)
        if place is None and (url := _asked_alerts(to)):
            secrets[_ALERT_PATH] = url
            place = SecretPlace(path=_ALERT_PATH)
    for each in chosen:
        if each not in found.services:
            unknown = to.gettext("No such service: %s.") % each
            raise typer.BadParameter(f"{unknown} {known_names_hint(each, found.services, to)}")
    answers = only(found, chosen) if chosen else found
    return replace(answers, per_day=per_day, alert_url=place)


def _print_choices(found: "FirstFile", to: Translator) -> None:
    from tallylight.i18n.prices import format_usd

    rows = (
        (id_, each.title, "" if each.probe_usd is None else format_usd(each.probe_usd))
        for id_, each in found.services.items()
    )
    print_table((to.gettext("Service"), to.gettext("Name"), to.gettext("Paid probe")), rows)


def _address_question(to: Translator) -> str:
    return to.gettext("Address of an API (empty for the keys of the environment)")


def _asked_text(question: str, *, is_hidden: bool = False) -> str:
    text: str = typer.prompt(
        question, default="", show_default=False, hide_input=is_hidden, err=True
    )
    return text.strip()


def _names_in(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _asked_services(to: Translator) -> list[str]:
    return _names_in(_asked_text(to.gettext("Which ones (ids with commas, empty for all)")))


def _asked_budget(to: Translator) -> Decimal | None:
    from tallylight.documents.parsers import parse_money

    question = to.gettext("USD a day for paid probes (empty for free ones alone)")
    text = _asked_text(question)
    try:
        return parse_money(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _asked_alerts(to: Translator) -> str:
    return _asked_text(to.gettext("Address for alerts (empty for none)"), is_hidden=True)


def _document(answers: "FirstFile", written: Sequence[Path], key: str) -> dict[str, object]:
    return {
        "files": [str(each) for each in written],
        "upstreams": {
            id_: {"base_url": each.base_url, "protocol": each.protocol, "dialect": each.dialect}
            for id_, each in answers.upstreams.items()
        },
        "services": {
            id_: {"upstream": each.upstream, "model": each.model, "probe_usd": each.probe_usd}
            for id_, each in answers.services.items()
        },
        "gateway_key": key or None,
    }
