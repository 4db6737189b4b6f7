"""The notifications of several servers on one PostgreSQL, whose leaders are killed."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Serve, Server, World


class Pager:
    """Receives notifications; while it hesitates, it takes a message and answers nothing."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.hesitates = threading.Event()
        self.over = threading.Event()
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body: dict[str, Any] = json.loads(
                    self.rfile.read(int(self.headers["content-length"]))
                )
                hesitates = pager.hesitates.is_set()
                pager.messages.append(body["title"])
                if hesitates:
                    pager.over.wait()
                    return
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def pager() -> Iterator[Pager]:
    pager = Pager()
    thread = threading.Thread(target=pager.server.serve_forever)
    thread.start()
    yield pager
    pager.over.set()
    pager.server.shutdown()
    thread.join()
    pager.server.server_close()


@pytest.fixture
def shared(
    document: "Document", pager: Pager, new_postgres: Callable[[str | None], str]
) -> "Document":
    """Return a configuration that several servers share, with the pager as its receiver."""
    url = f"json://127.0.0.1:{pager.server.server_port}/"
    return document | {
        "database": {"url": new_postgres(None)},
        "probes": {"reach": "1s", "credentials": "off", "generation": "5s"},
        "alerts": {"group_wait": "1s", "receivers": {"pager": {"url": url, "services": ["film"]}}},
    }


def due(document: "Document") -> list[str]:
    """Return the endpoints of the messages that are neither marked nor given up."""
    with psycopg.connect(document["database"]["url"]) as database:
        rows = database.execute("SELECT endpoint FROM outbox WHERE due_at_us IS NOT NULL")
        return [str(row[0]) for row in rows]


def leader_of(servers: list["Server"]) -> "Server | None":
    return next(
        (each for each in servers if each.get("/readyz").json().get("role") == "leader"), None
    )


def test_a_message_that_a_killed_leader_left_is_sent_and_a_marked_one_is_not_sent_again(
    shared: "Document", world: "World", serve: "Serve", eventually: "Eventually", pager: Pager
) -> None:
    servers = [serve(shared), serve(shared), serve(shared)]
    eventually(lambda: servers[0].statuses()["film"] == "operational")

    # The first leader dies after the message was stored, before it was marked as sent.
    pager.hesitates.set()
    world.order("film", {"status": "off"})
    eventually(lambda: pager.messages)
    dying = eventually(lambda: leader_of(servers))
    assert due(shared) == ["alert:pager"]
    dying.program.kill()
    pager.hesitates.clear()
    servers.remove(dying)
    eventually(lambda: len(pager.messages) == 2)
    eventually(lambda: not due(shared))
    first, again = pager.messages
    assert first == again

    # The second one dies after it was marked: the next message follows, and nothing else.
    dying = eventually(lambda: leader_of(servers))
    dying.program.kill()
    servers.remove(dying)
    eventually(lambda: leader_of(servers))
    world.order("film", {"status": "on"})
    eventually(lambda: len(pager.messages) > 2)

    assert pager.messages[2:] != [first]
    assert len(pager.messages) == 3
