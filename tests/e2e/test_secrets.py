"""No secret shows: keys are planted, upstreams echo them, and all that was written is searched."""

import base64
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

Write = Callable[["Document"], Path]

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve, World

MARK = "Marked4711Secret"
"""A part of every planted secret: no spelling of a secret is without it, or its base64."""

MAKER, RELAY, STREAM = (f"sk-{MARK}/{name}+1=" for name in ("maker", "relay", "stream"))
TOKEN = f"{MARK}Token"

_QUICK_WORLD = Path(__file__).parents[1] / "data" / "quick-world.yaml"


def echo(key: str, said: str = "Incorrect API key provided") -> str:
    """Return an answer that repeats a key in every spelling that servers use."""
    spelled = base64.b64encode(key.encode()).decode()
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    return (
        f"{said}: {key}. You sent Authorization: Bearer {key}, "
        f"{quote(key, safe='')}, {spelled}, Basic {basic}; "
        f"see https://keys.example.com/?key={quote(key)}"
    )


def leaks(data: bytes) -> bool:
    """Tell whether the mark is in some bytes, plain or inside of base64."""
    raw = MARK.encode()
    needles = [raw, raw.hex().encode()]
    for shift in range(3):
        spelled = base64.b64encode(b"\0" * shift + raw)
        needles.append(spelled[4 if shift else 0 : len(raw) * 4 // 3 - 4])
    return any(needle in data for needle in needles)


def unpacked(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all that lies in a folder, what is packed also unpacked."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        yield path.name, path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from (
                    (f"{path.name}/{name}", archive.read(name)) for name in archive.namelist()
                )


def packed_cells(database: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the deflated cells of a database."""
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in names.fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  # our tables
                cells = (cell for cell in row if isinstance(cell, bytes) and cell[:1] == b"\x78")
                yield from ((table, zlib.decompress(cell)) for cell in cells)


@pytest.mark.parametrize(
    "text",
    [MAKER, echo(MAKER), *(base64.b64encode(b"x" * n + MAKER.encode()).decode() for n in range(3))],
)
def test_the_search_finds_what_it_is_for(text: str) -> None:
    assert leaks(text.encode())


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Return the quick world with the planted keys."""
    text = _QUICK_WORLD.read_text(encoding="utf-8")
    for name, key in (("maker", MAKER), ("relay", RELAY), ("stream", STREAM)):
        text = text.replace(f"[sim-{name}-key]", f'["{key}"]')
    path = tmp_path / "planted-world.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def planted(document: "Document", launch: "Launcher") -> "Document":
    """Return a configuration that takes its secrets from the environment and from a file."""
    (launch.folder / "relay.key").write_text(f"{RELAY}\n", encoding="utf-8")
    upstreams = document["upstreams"]
    upstreams["maker"]["key"] = "${MAKER_KEY}"
    upstreams["relay"]["key"] = {"file": "relay.key"}
    upstreams["stream"]["key"] = "${STREAM_KEY}"
    receiver = {"url": "${HOOK_URL}"}
    return document | {"alerts": {"receivers": {"ops": receiver}, "group_wait": "1s"}}


@pytest.fixture
def env(world: "World") -> dict[str, str]:
    """Return the environment with the secrets."""
    hook = f"{world.url.replace('http', 'json')}/hooks/{TOKEN}?-x-key={TOKEN}"
    return {"MAKER_KEY": MAKER, "STREAM_KEY": STREAM, "HOOK_URL": hook}


def refusal(key: str, status: int, text: str, **more: object) -> "Document":
    """Return trouble that echoes a key in the body and the headers."""
    body = {"error": {"message": text, "type": "invalid_request_error", "code": key}}
    headers = {"x-your-key": key, "www-authenticate": f'Bearer realm="{key}"'}
    told = {"kind": "refuse", "http_status": status, "body": body, "headers": headers}
    return {"fault": told | more}


PAGES = (
    *("/", "/api/services", "/api/uptime", "/api/ledger", "/api/openapi.json"),
    *("/api/v2/status.json", "/api/v2/summary.json", "/api/v2/components.json"),
    *("/api/v2/incidents.json", "/api/v2/incidents/unresolved.json"),
    *("/feed.atom", "/feed.rss", "/calendar.ics", "/metrics", "/healthz", "/readyz"),
)
OF_EACH = (
    *("/services/{id}", "/services/{id}/card", "/api/services/{id}"),
    *("/services/{id}/feed.atom", "/services/{id}/feed.rss", "/services/{id}/calendar.ics"),
    *("/api/services/{id}/evidence?limit=1000", "/badge/{id}.svg", "/badge/{id}.json"),
    *("/badge/{id}/uptime.svg", "/badge/{id}/latency.json"),
)


def test_no_secret_shows_anywhere(  # noqa: PLR0913, PLR0917  # all of it is one search
    planted: "Document",
    env: dict[str, str],
    world: "World",
    launch: "Launcher",
    serve: "Serve",
    eventually: "Eventually",
) -> None:
    paused = echo(RELAY, "This interface is temporarily paused")
    world.order("film", refusal(MAKER, 400, echo(MAKER)))
    world.order("relayed", refusal(RELAY, 503, paused))
    world.order("streamed", {"fault": {"kind": "fail", "after": 0, "message": echo(STREAM)}})
    server = serve(planted, env)
    ids = ("film", "relayed", "streamed")
    eventually(lambda: all(server.evidence(id_, "generation") for id_ in ids))
    world.order("film", refusal(MAKER, 401, echo(MAKER), doors=["create", "check", "poll"]))
    page = f"<html><title>500</title>{echo(STREAM)}</html>"
    world.order("streamed", {"fault": {"kind": "refuse", "http_status": 500, "body": page}})
    eventually(lambda: server.get("/api/services/film").json()["blocked"] == "auth")
    eventually(lambda: server.statuses()["relayed"] == "suspended")
    eventually(lambda: server.program.events("alerts.undelivered"))

    shown = [server.get(path) for path in PAGES]
    shown += [server.get(path.format(id=id_)) for id_ in ids for path in OF_EACH]
    incidents = server.get("/api/v2/incidents.json").json()["incidents"]
    shown += [server.get(f"/incidents/{incident['id']}") for incident in incidents]
    commands = [
        *(
            ("export", "--format", kind, "--out", f"all.{kind}")
            for kind in ("json", "csv", "parquet")
        ),
        *(("check", "--json"), ("status", "-v"), ("incidents",), ("cost",)),
    ]
    typed = [launch(*each, "--config", "tallylight.yaml", env=env) for each in commands]
    assert [program.ends() for program in typed] == [0, 0, 0, 1, 1, 0, 0]
    server.program.kill()  # so that the write-ahead log stays to be searched

    answers = [(answer.url, answer.content + str(answer.headers).encode()) for answer in shown]
    assert all(answer.status_code == 200 for answer in shown)
    assert len(incidents) > 0
    files = [(name, data) for name, data in unpacked(launch.folder) if name != "relay.key"]
    cells = list(packed_cells(launch.folder / "history.db"))
    assert {"history.db", "history.db-wal", "all-evidence.csv"} <= {name for name, _ in files}
    assert cells
    assert [name for name, data in (*answers, *cells, *files) if leaks(data)] == []
    # What the upstreams said did arrive, only without the keys.
    assert "Incorrect API key provided: ***" in server_words(answers)


def server_words(answers: list[tuple[str, bytes]]) -> str:
    """Return all that was shown as one text."""
    return "".join(data.decode() for _, data in answers)


def test_a_broken_configuration_shows_no_secret(
    planted: "Document", env: dict[str, str], launch: "Launcher", write: Write
) -> None:
    planted["upstreams"]["maker"]["base_url"] = "${MAKER_KEY}"
    planted["upstreams"]["relay"]["timeout"] = {"file": "relay.key"}
    planted["services"]["film"]["model"] = "${STREAM_KEY}"
    planted["database"]["url"] = "mysql://me:${STREAM_KEY}@db.example.com/history"

    program = launch("serve", "--config", str(write(planted)), env=env)

    assert program.ends() == 2
    assert "upstreams.maker.base_url" in program.logged()
    assert not leaks(program.logged().encode())


@pytest.mark.parametrize("logs", [(), ("--json-logs",)])
def test_the_trace_of_a_defect_shows_no_local_variable(
    launch: "Launcher", logs: tuple[str, ...]
) -> None:
    script = (
        "import structlog\n"
        "from tallylight.app.logs import configure_logs\n"
        f"configure_logs(as_json={bool(logs)})\n"
        "def probe(key):\n"
        "    raise ValueError('a defect')\n"
        "try:\n"
        f"    probe('{MARK}')\n"
        "except ValueError:\n"
        "    structlog.get_logger().exception('probe.failed')\n"
    )

    program = launch.python("-c", script)

    assert program.ends() == 0
    assert "a defect" in program.logged()
    assert "def probe" not in program.logged()
    traced = program.logged().replace(f"probe('{MARK}')", "")  # the script's own line
    assert not leaks(traced.encode())
