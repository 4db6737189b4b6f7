"""The HTTP server of the simulator; it listens on loopback addresses only."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from tallylight.simulator import control
from tallylight.simulator.connection import TransportExposingProtocol
from tallylight.simulator.kernel import Kernel
from tallylight.simulator.protocols import feeds
from tallylight.simulator.protocols.contents import file_route
from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.time_scale import ScenarioClock
from tallylight.simulator.world import Simulation

_TICK_SECONDS = 0.1  # uvicorn's `on_tick` expects to be called at this interval


def make_simulator_app(world: Simulation) -> Starlette:
    """Return the web application: upstreams, status pages and live control."""
    routes = control.control_routes(world)
    for feed in world.scenario.feeds:
        routes += feeds.feed_routes(world, feed)
    for name, upstream in world.scenario.upstreams.items():
        twin, kernel = TWINS[upstream.protocol], Kernel(world, name)
        mounted = Mount(f"/{name}{twin.base_path}", routes=twin.routes(kernel))
        routes += [file_route(kernel), mounted]
    return Starlette(routes=routes)


class _EmbeddedServer(uvicorn.Server):
    """uvicorn in the event loop of its caller."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and set `listening`."""
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Serve until `closing` is set; uvicorn's own loop would notice it up to a tick later."""
        ticks = 0
        while not self._closing.is_set():
            await self.on_tick(ticks)
            ticks += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Abort all connections: uvicorn would wait for the hanging ones."""
        del sockets  # closed by their owner
        for server in self.servers:
            server.close()
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        for task in tuple(self.server_state.tasks):
            task.cancel()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signal handlers to the process."""
        yield


@contextlib.asynccontextmanager
async def serve_simulation(  # noqa: PLR0913  # keyword arguments with defaults
    scenario: Scenario,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    seed: int | None = None,
    speed: float = 1.0,
    starts_at: datetime | None = None,
) -> AsyncIterator[Simulation]:
    """Serve a scenario inside an `async with` block.

    Port 0 chooses a free one. The seed is the scenario's by default. `starts_at` is the date of
    second 0 in responses, by default the real time.

    Raises:
        ValueError: if the host is not a loopback address.
        OSError: if the port is in use.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"the simulator listens on loopback only, not on {host}")
    clock = ScenarioClock(speed, starts_at)
    base_paths = {twin.name: twin.base_path for twin in TWINS.values()}
    world = Simulation(scenario, clock, scenario.seed if seed is None else seed, base_paths)
    with _bound(host, port) as listener, _bound(host, 0) as not_listening:
        listener.listen(512)
        # A bound port that does not listen refuses connections, and no other process can take it.
        world.base_url, world.refusing_url = _address(listener), _address(not_listening)
        server = _EmbeddedServer(_config(world), world.closing)
        # A TaskGroup would wrap the exceptions of the caller's block.
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="simulator")
        try:
            await server.listening.wait()
            yield world
        finally:
            world.closing.set()
            await serving


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is named. Without it each response, written as
    # head and body, waits 40 ms for an acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


def _address(bound: socket.socket) -> str:
    address, port = bound.getsockname()[:2]
    return f"http://{f'[{address}]' if ':' in address else address}:{port}"


def _config(world: Simulation) -> uvicorn.Config:
    return uvicorn.Config(
        make_simulator_app(world),
        http=TransportExposingProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )


def run_simulator(scenario: Scenario, port: int, *, speed: float = 1.0) -> None:
    """Serve a scenario until SIGTERM or SIGINT."""
    asyncio.run(_run_until_signalled(scenario, port, speed))


async def _run_until_signalled(scenario: Scenario, port: int, speed: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with serve_simulation(scenario, port=port, speed=speed) as world:
        for line in announcement(world):
            print(line, flush=True)  # noqa: T201  # the output of the command
        await stop.wait()


def announcement(world: Simulation) -> Iterator[str]:
    """Yield the lines that name every URL."""
    yield f"{world.scenario.title}: {world.base_url}/_sim/scenario"
    for name, url in world.base_urls.items():
        upstream = world.scenario.upstreams[name]
        key = upstream.keys[0]
        secret = f"  secret {key.secret}" if key.secret else ""
        yield f"  upstream {name}  {url}  key {key.key}{secret}"
    for name, url in world.feed_urls.items():
        yield f"  feed {name}  {url}"
