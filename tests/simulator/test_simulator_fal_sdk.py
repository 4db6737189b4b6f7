"""fal's own client makes a film at the twin; it speaks https alone, so a proxy ends TLS."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trustme

from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]

PROGRAM = """
import json, fal_client
print(json.dumps(fal_client.subscribe("minimax/h3", arguments={"prompt": "a boat"})))
"""


@asynccontextmanager
async def tls_proxy(target: str, authority: trustme.CA) -> AsyncIterator[str]:
    """Serve TLS at an address of its own, and pass all bytes on to a host and port."""
    host, _, port = target.removeprefix("http://").partition(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pass_on(reader, upstream_writer))
            tasks.create_task(_pass_on(upstream_reader, writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(65_536):
            writer.write(block)
            await writer.drain()
    except ConnectionError:
        pass  # the other side has gone
    finally:
        writer.close()


async def test_the_makers_client_makes_a_film(start: Start, tmp_path: Path) -> None:
    world = await start(scenario_of("fal"), speed=50)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async with tls_proxy(world.base_url, authority) as address:
        path = world.base_urls["fal"].removeprefix(world.base_url)
        environment = {
            **os.environ,  # noqa: TID251  # a program of its own
            "FAL_KEY": "sim-fal-id:sim-fal-secret",
            "FAL_QUEUE_RUN_HOST": f"{address}{path}",
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        }
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, env=environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await program.communicate()

    assert program.returncode == 0
    (job,) = world.jobs.values()
    assert job.reading.prompt == "a boat"
    assert json.loads(output)["video"]["url"] == world.file_url(job)
