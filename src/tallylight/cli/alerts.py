"""`alerts`: tries the receivers of notifications."""

from collections.abc import Collection, Iterable
from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.command_group import PlainCommand
from tallylight.cli.shared import (
    ConfigOption,
    LangOption,
    known_names_hint,
    output_translator,
    print_error,
    print_line,
    run_async,
)
from tallylight.i18n import Translator

if TYPE_CHECKING:
    from tallylight.config.settings import Configuration

alerts_app = typer.Typer(no_args_is_help=True, help="Try the receivers of notifications.")


@alerts_app.callback()
def alerts_group() -> None:
    """Try the receivers of notifications."""


@alerts_app.command("test", cls=PlainCommand)
@run_async
async def try_receivers(
    receiver: Annotated[
        list[str] | None, typer.Argument(help="Names of receivers (default: all).")
    ] = None,
    config: ConfigOption = None,
    lang: LangOption = None,
) -> int:
    """Send a trial message to receivers.

    The exit code is 1 if one does not accept it.
    """
    from tallylight.alerts.trial import send_trial
    from tallylight.app.logs import configure_warnings_only
    from tallylight.clock import SystemClock
    from tallylight.config.settings import load_configuration

    to, configuration = output_translator(lang), load_configuration(config)
    configure_warnings_only()
    receivers = configuration.alerts.receivers
    check_receiver_names(receiver or (), receivers, to)
    if not receivers:
        print_error(to.gettext("No receivers are configured."))
        return 1
    failed = 0
    for name in receiver or receivers:
        now = SystemClock().now().astimezone(UTC)
        language = configuration.status.language
        is_delivered = await send_trial(receivers[name], now, language)
        failed = max(failed, print_delivery(name, to, is_delivered=is_delivered))
    return failed


def check_receiver_names(names: Iterable[str], known: Collection[str], to: Translator) -> None:
    """Check that there are receivers of some names.

    Raises:
        typer.BadParameter: if one is not configured.
    """
    for name in names:
        if name not in known:
            hint = known_names_hint(name, known, to)
            raise typer.BadParameter(to.gettext("No such receiver: %s.") % name + f" {hint}")


def print_delivery(name: str, to: Translator, *, is_delivered: bool) -> int:
    """Print whether a receiver has accepted a message; return the exit code that says so."""
    text = to.gettext("%s: delivered") if is_delivered else to.gettext("%s: not delivered")
    print_line(text % name)
    return 0 if is_delivered else 1


def check_receivers(configuration: "Configuration") -> None:
    """Check that each receiver's address can be used.

    Raises:
        ConfigurationError: if one cannot; it names the line of its key.
    """
    from tallylight.alerts.addresses import unusable_reason
    from tallylight.alerts.receivers import open_receiver
    from tallylight.documents.document import read_document
    from tallylight.documents.environment import process_environment
    from tallylight.errors import ConfigurationError

    unusable = {
        name: unusable_reason(options.url.reveal())
        for name, options in configuration.alerts.receivers.items()
        if open_receiver(options) is None
    }
    if configuration.path is None or not unusable:
        return
    document = read_document(configuration.path, process_environment())
    raise ConfigurationError(
        tuple(
            document.problem(("alerts", "receivers", name, "url"), reason)
            for name, reason in unusable.items()
        )
    )
