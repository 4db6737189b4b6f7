"""`serve`, `demo`, `simulate`: the commands that run until they are stopped."""

from typing import Annotated

import typer

from tallylight.cli.shared import (
    ConfigOption,
    LangOption,
    output_translator,
    print_error,
    print_now,
)
from tallylight.documents.files import file_error_reason
from tallylight.i18n import Translator

_LAST_PORT = 65_535


def serve(
    config: ConfigOption = None,
    json_logs: Annotated[
        bool, typer.Option("--json-logs", help="Log one JSON object per line.")
    ] = False,
) -> None:
    """Run the monitor, status page and gateway.

    The command runs until it receives SIGTERM or SIGINT. SIGHUP reloads the configuration.
    """
    from tallylight.app.logs import configure_logs
    from tallylight.app.serving import run_server
    from tallylight.config.settings import load_configuration

    configure_logs(as_json=json_logs)
    run_server(load_configuration(config), config)


def demo(
    length: Annotated[
        str | None, typer.Option("--for", help="Stop after this time, for example 60s or 5m.")
    ] = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=_LAST_PORT, help="Port of the status page; 0 takes a free port."),
    ] = 8080,
    scenario: Annotated[str, typer.Option(help="A built-in scenario, or a YAML file.")] = "january",
    lang: LangOption = None,
) -> None:
    """Monitor a simulated world, without any key.

    All traffic stays on this machine, and the database is temporary.
    """
    from tallylight.app.demo import run_demo
    from tallylight.app.logs import configure_logs

    configure_logs(as_json=False)
    to = output_translator(lang)
    run_demo(scenario, port, _parse_duration(length, to), to, print_now)


def simulate(
    scenario: Annotated[str, typer.Option(help="A built-in scenario, or a YAML file.")] = "january",
    port: Annotated[
        int, typer.Option(min=0, max=_LAST_PORT, help="Port to listen on; 0 takes a free port.")
    ] = 8090,
    speed: Annotated[
        float, typer.Option(min=0.01, max=10_000, help="Scenario seconds per real second.")
    ] = 1.0,
) -> None:
    """Run the simulated upstreams alone.

    Use them to test your own programs.
    """
    from tallylight.simulator.files import load_scenario
    from tallylight.simulator.section import ScenarioError
    from tallylight.simulator.server import run_simulator

    try:
        run_simulator(load_scenario(scenario), port, speed=speed)
    except ScenarioError as error:
        print_error(str(error))
        raise typer.Exit(2) from None
    except (OSError, UnicodeDecodeError) as error:
        print_error(f"{scenario}, --port {port}: {file_error_reason(error)}")
        raise typer.Exit(2) from None


def _parse_duration(text: str | None, to: Translator) -> float | None:
    from pydantic import TypeAdapter, ValidationError

    from tallylight.documents.parsers import Duration

    if text is None:
        return None
    try:
        return TypeAdapter(Duration).validate_python(text).total_seconds()
    except ValidationError:
        raise typer.BadParameter(
            to.gettext("'%s' is not a duration; write a number and a unit, for example 60s or 5m")
            % text,
            param_hint="--for",
        ) from None
