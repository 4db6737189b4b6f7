"""The demo: simulated upstreams and the server that monitors them, in one process."""

import asyncio
import json
import shlex
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvloop

from tallylight.app.demo_history import rehearsed_past, store_past
from tallylight.app.invocation import own_command
from tallylight.app.serving import running_server
from tallylight.clock import Clock, SystemClock
from tallylight.config.settings import load_configuration
from tallylight.documents.files import file_error_reason
from tallylight.errors import ConfigurationError, Problem
from tallylight.i18n import Translator
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.files import load_scenario
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.scenario_section import ScenarioError
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation


def run_demo(
    scenario: str,
    port: int,
    seconds: float | None,
    to: Translator,
    print_line: Callable[[str], None],
) -> None:
    """Run the demo until it is stopped or its time is up.

    Args:
        scenario: The name of a built-in scenario, or a file.
        port: Port of the status page; 0 takes a free port.
        seconds: How long to run; None runs until a signal.
        to: Translates the printed lines.
        print_line: Prints a line.

    Raises:
        ConfigurationError: if there is no such scenario, or the port is taken.
    """
    try:
        found = load_scenario(scenario)
    except ScenarioError as error:
        raise ConfigurationError((Problem("--scenario", "", str(error)),)) from None
    except (OSError, UnicodeDecodeError) as error:
        why = f"{scenario}: {file_error_reason(error)}"
        raise ConfigurationError((Problem("--scenario", "", why),)) from None
    uvloop.run(_run(found, port, seconds, to, print_line))


async def _run(
    scenario: Scenario,
    port: int,
    seconds: float | None,
    to: Translator,
    print_line: Callable[[str], None],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(name, stop.set)
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="tallylight-demo-") as folder:
        async with serve_simulation(scenario) as world:
            config = write_configuration(Path(folder), scenario, world, port, clock)
            configuration = load_configuration(config)
            if scenario.history:
                past = await asyncio.to_thread(rehearsed_past, scenario.history, clock.now())
                await store_past(configuration.database_url, past, clock)
            async with running_server(configuration, clock) as served:
                _, key = await served.runtime.gateway_wiring.keys.create("demo")
                for line in _introduction_lines(scenario, world, served.address, config, key, to):
                    print_line(line)
                try:
                    async with asyncio.timeout(seconds):
                        await served.run_until(stop)
                except TimeoutError:
                    print_line(to.gettext("Time is up; the demo stops."))


def write_configuration(
    folder: Path, scenario: Scenario, world: Simulation, port: int, clock: Clock
) -> Path:
    """Write the tallylight.yaml that monitors a simulated world, and return its path.

    The catalogue's dates are moved so that the scenario's first day is today. No service of the
    scenario is then retired.
    """
    document = client_catalogue(
        scenario, world.base_urls, feed_urls=world.feed_urls, today=clock.now().date()
    )
    document["database"] = {"url": f"sqlite:///{folder / 'tallylight.db'}"}
    document["status"] = {"title": scenario.title, "listen": f"127.0.0.1:{port}"}
    path = folder / "tallylight.yaml"
    # JSON is valid YAML, and needs no YAML library.
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")
    return path


def _sample_request(scenario: Scenario) -> str:
    """Return curl options that request a video of the scenario's first video model."""
    videos = [one for one in scenario.services.values() if one.medium == "video"]
    body = json.dumps({"model": videos[0].model, "prompt": "A paper boat on a pond"})
    return f"-H 'Content-Type: application/json' -d '{body}'"


def _introduction_lines(  # noqa: PLR0913, PLR0917  # the values it prints
    scenario: Scenario, world: Simulation, address: str, config: Path, key: str, to: Translator
) -> list[str]:
    service = next(iter(scenario.services))
    switch = f"{world.base_url}/_sim/services/{service}"
    return [
        to.gettext("Scenario: %s") % scenario.title,
        to.gettext("Status page:      %s/") % address,
        to.gettext("Gateway:          %s/v1") % address,
        to.gettext("Its key:          %s") % key,
        to.gettext("JSON:             %s/api/services") % address,
        to.gettext("Statuspage API:   %s/api/v2/summary.json") % address,
        to.gettext("Metrics:          %s/metrics") % address,
        to.gettext("Simulated world:  %s/_sim/services") % world.base_url,
        to.gettext("Its own ledger:   %s/_sim/ledger") % world.base_url,
        "",
        to.gettext("Create a video:"),
        f"  curl {address}/v1/videos -H 'Authorization: Bearer {key}' {_sample_request(scenario)}",
        to.gettext("Switch a service off and watch its status:"),
        f'  curl -X PUT {switch} -d \'{{"status": "off"}}\'',
        to.gettext("Print the statuses in another terminal:"),
        f"  {own_command()} status --config {shlex.quote(str(config))}",
        "",
    ]
