"""The simulated world as a real HTTP server, on loopback alone."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import uvicorn
from starlette.applications import Starlette

from tallylight.simulator import control
from tallylight.simulator.connection import TransportExposingProtocol
from tallylight.simulator.protocols import chat_video, feeds, openai_videos
from tallylight.simulator.protocols.contents import file_route
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.time_scale import ScenarioClock
from tallylight.simulator.world import Simulation

_PROTOCOLS = {
    "openai_videos": openai_videos.upstream_routes,
    "chat_video": chat_video.upstream_routes,
}
_TICK_SECONDS = 0.1  # for which uvicorn's `on_tick` is made


def make_simulator_app(world: Simulation) -> Starlette:
    """Return the web application of a world: upstreams, status pages, live control."""
    found = control.control_routes(world)
    for feed in world.scenario.feeds:
        found += feeds.feed_routes(world, feed)
    for name, upstream in world.scenario.upstreams.items():
        found.append(file_route(world, name))
        found += _PROTOCOLS[upstream.protocol](world, name)
    return Starlette(routes=found)


class _EmbeddedServer(uvicorn.Server):
    """uvicorn as a guest in somebody else's event loop."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when the server listens."""
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Serve until the world ends, and notice that at once."""
        ticks = 0
        while not self._closing.is_set():
            await self.on_tick(ticks)
            ticks += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up on everybody: a world that has ended owes no answer."""
        del sockets  # their owner closes them
        for server in self.servers:
            server.close()
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        for task in tuple(self.server_state.tasks):
            task.cancel()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever owns the process."""
        yield


@contextlib.asynccontextmanager
async def serve_simulation(  # noqa: PLR0913  # each has its default; names are given by keyword
    scenario: Scenario,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    seed: int | None = None,
    speed: float = 1.0,
    starts_at: datetime | None = None,
) -> AsyncIterator[Simulation]:
    """Run a world as long as the block lasts.

    Args:
        scenario: What happens in it.
        port: Where it listens; 0 takes a free one.
        host: A loopback address; everything else is refused.
        seed: Where chance begins; the scenario's own if not given.
        speed: Scenario seconds to a real second.
        starts_at: What the wire shows as the time of second 0; the real time if not given.

    Raises:
        ValueError: if the host is not loopback.
        OSError: if the port is taken.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"the simulator listens on loopback only, not on {host}")
    pace = ScenarioClock(speed, starts_at)
    world = Simulation(scenario, pace, scenario.seed if seed is None else seed)
    with _bound(host, port) as listener, _bound(host, 0) as silent:
        listener.listen(512)
        # A port that is taken and not listened at refuses connections, and stays ours.
        world.base_url, world.refusing_url = _address(listener), _address(silent)
        server = _EmbeddedServer(_config(world), world.closing)
        # No TaskGroup: it would wrap whatever the caller's block raises.
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="simulator")
        try:
            await server.listening.wait()
            yield world
        finally:
            world.closing.set()
            await serving


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer, a head and
    # a body, waits 40 ms for an acknowledgement.
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
    """Run a world until SIGTERM or SIGINT."""
    asyncio.run(_run_until_signalled(scenario, port, speed))


async def _run_until_signalled(scenario: Scenario, port: int, speed: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with serve_simulation(scenario, port=port, speed=speed) as world:
        for line in announcement(world):
            print(line, flush=True)  # noqa: T201  # this is what the command says
        await stop.wait()


def announcement(world: Simulation) -> Iterator[str]:
    """Say where everything is."""
    yield f"{world.scenario.title}: {world.base_url}/_sim/scenario"
    for name, url in world.base_urls.items():
        yield f"  upstream {name}  {url}  key {world.scenario.upstreams[name].keys[0].key}"
    for name, url in world.feed_urls.items():
        yield f"  feed {name}  {url}"
