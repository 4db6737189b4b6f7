"""Callers of a running server: their keys, their limits, their webhooks, their videos."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve, Server

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes that are random").decode()

Make = Callable[..., dict[str, Any]]


@dataclass(slots=True)
class Receiver:
    """An endpoint of a caller's."""

    url: str
    told: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.told.append(Webhook(SECRET).verify(body, dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def make(launch: "Launcher") -> Make:
    """Return what makes a key beside a running server."""

    def make(*options: str) -> dict[str, Any]:
        path = str(launch.folder / "tallylight.yaml")
        program = launch("keys", "create", "films", "--config", path, "--json", *options)
        assert program.ends() == 0, program.logged()
        made: dict[str, Any] = json.loads(program.said())
        return made

    return make


def create(server: "Server", key: str, model: str = "film") -> requests.Response:
    return requests.post(
        f"{server.page}/v1/videos",
        json={"model": model, "prompt": "a paper boat"},
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
    )


def ask(server: "Server", path: str, key: str) -> requests.Response:
    return requests.get(
        f"{server.page}/v1{path}", headers={"authorization": f"Bearer {key}"}, timeout=30
    )


def test_a_revoked_key_opens_nothing_within_two_seconds(
    document: "Document", serve: "Serve", launch: "Launcher", make: Make, eventually: "Eventually"
) -> None:
    server = serve(document)
    made = make()
    assert ask(server, "/models", made["key"]).status_code == 200
    assert ask(server, "/models", "tl-guess").status_code == 401

    path = str(launch.folder / "tallylight.yaml")
    assert launch("keys", "revoke", made["id"], "--config", path).ends() == 0
    eventually(lambda: ask(server, "/models", made["key"]).status_code == 401)


def test_a_key_opens_its_routes_at_its_pace(
    document: "Document", serve: "Serve", make: Make
) -> None:
    server = serve(document)
    key = make("--route", "film", "--per-minute", "3")["key"]

    models = ask(server, "/models", key).json()
    foreign, *_ = [create(server, key, "relayed") for _ in range(3)]
    hasty = create(server, key)

    assert [model["id"] for model in models["data"]] == ["film"]
    assert foreign.status_code in {403, 404}
    assert hasty.status_code == 429
    assert 1 <= int(hasty.headers["retry-after"]) <= 20
    assert hasty.json()["error"]["type"] == "rate_limit_error"
    assert ask(server, "/models", key).status_code == 200  # what costs nothing is not counted


def test_a_key_spends_no_more_than_it_may(document: "Document", serve: "Serve", make: Make) -> None:
    document["services"]["film"]["price"] = {"per_call": 0.4}
    server = serve(document)
    key = make("--per-day", "1.00")["key"]

    answers = [create(server, key) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "budget" in answers[2].text
    assert create(server, make()["key"]).status_code == 200


def test_a_finished_video_is_told_and_kept(
    document: "Document", serve: "Serve", make: Make, eventually: "Eventually", launch: "Launcher"
) -> None:
    with receiving() as receiver:
        webhooks = {"films": {"url": receiver.url, "secret": SECRET}}
        server = serve(document | {"gateway": {"webhooks": webhooks}})
        key = make()["key"]

        video = create(server, key).json()
        (event,) = eventually(lambda: receiver.told)
        content = ask(server, f"/videos/{video['id']}/content", key)

    assert event["type"] == "video.completed"
    assert event["data"] == {"id": video["id"]}
    assert content.status_code == 200
    assert b"ftyp" in content.content[:16]
    kept = [path for path in (launch.folder / "assets").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [content.content]


def test_a_webhook_outlives_the_server_that_could_not_deliver_it(
    document: "Document", serve: "Serve", make: Make, eventually: "Eventually"
) -> None:
    with socket.socket() as nobody:  # holds the port, and refuses whoever calls
        nobody.bind(("127.0.0.1", 0))
        port: int = nobody.getsockname()[1]
        webhooks = {"films": {"url": f"http://127.0.0.1:{port}/hook", "secret": SECRET}}
        document["gateway"] = {"webhooks": webhooks}
        server = serve(document)
        video = create(server, make()["key"]).json()
        eventually(lambda: server.program.events("webhook.retry_scheduled"))
        server.program.kill()

    with receiving(port) as receiver:
        serve(document)
        (event,) = eventually(lambda: receiver.told)

    assert event["data"] == {"id": video["id"]}
