"""A video of 200 MB goes through a running server, which holds none of it."""

from pathlib import Path
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Serve, Server, World

SIZE = 200_000_000
ALLOWED_MIB = 20


def create(server: "Server", prompt: str) -> str:
    answer = requests.post(
        f"{server.page}/v1/videos", json={"model": "film", "prompt": prompt}, timeout=30
    )
    return str(answer.json()["id"])


def status(server: "Server", id_: str) -> str:
    return str(server.get(f"/v1/videos/{id_}").json()["status"])


def read(server: "Server", id_: str) -> int:
    """Read a content to its end, and return how many bytes it had."""
    with requests.get(f"{server.page}/v1/videos/{id_}/content", stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        return sum(len(chunk) for chunk in answer.iter_content(1 << 20))


def resident_mib(server: "Server", field: str) -> float:
    """Return a figure of the server's memory."""
    proc = Path(f"/proc/{server.program.process.pid}")
    line = next(one for one in (proc / "status").read_text().splitlines() if one.startswith(field))
    return int(line.split()[1]) / 1024


def begin_anew(server: "Server") -> float:
    """Let the peak be counted from now on, and return what is resident."""
    Path(f"/proc/{server.program.process.pid}/clear_refs").write_text("5")
    return resident_mib(server, "VmRSS")


def test_large_contents_are_fetched_kept_and_sent_in_pieces(
    document: "Document", world: "World", serve: "Serve", eventually: "Eventually"
) -> None:
    document["gateway"] = {"open": True}
    document["probes"] = {"generation": "off"}
    server = serve(document)
    small = create(server, "small")  # what is loaded with the first video is loaded
    eventually(lambda: status(server, small) == "completed")
    read(server, small)
    world.order("film", {"fault": {"kind": "large_file", "bytes": SIZE}})

    before = begin_anew(server)
    large = create(server, "large")
    eventually(lambda: status(server, large) == "completed")
    size = read(server, large)

    assert size == SIZE
    assert resident_mib(server, "VmHWM") - before < ALLOWED_MIB
