"""The same server on a real PostgreSQL."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve, World

CALM = {"film": "operational", "relayed": "operational", "streamed": "operational"}


@pytest.fixture
def on_postgres(document: "Document", new_postgres: Callable[[str | None], str]) -> "Document":
    """Return a configuration whose history is kept in PostgreSQL."""
    return document | {"database": {"url": new_postgres(None)}}


def test_a_server_lives_on_postgresql(
    on_postgres: "Document",
    world: "World",
    launch: "Launcher",
    serve: "Serve",
    eventually: "Eventually",
) -> None:
    server = serve(on_postgres)
    eventually(lambda: server.statuses() == CALM)
    world.order("relayed", {"status": "off"})
    eventually(lambda: server.statuses()["relayed"] == "suspended")
    config = str(launch.folder / "tallylight.yaml")

    # A check beside it records nothing.
    check = launch("check", "film", "--config", config)
    assert check.ends() == 0
    assert "these results are shown, not recorded" in check.logged()

    # What it knows is there for the commands, and for its next life after a kill.
    told = launch("incidents", "--json", "--config", config)
    exported = launch("export", "--out", "history.json", "--config", config)
    assert told.ends() == exported.ends() == 0
    assert [one["service"] for one in json.loads(told.said())] == ["relayed"]
    rows = json.loads((launch.folder / "history.json").read_text(encoding="utf-8"))
    assert {row["service"] for row in rows["evidence"]} == CALM.keys()
    server.program.kill()
    third = serve(on_postgres)

    assert third.statuses() == CALM | {"relayed": "suspended"}
    assert third.program.end() == 0


def test_a_wrong_password_is_not_shown(launch: "Launcher", postgres_server: str) -> None:
    address = postgres_server.partition("@")[2]
    text = json.dumps(
        {
            "upstreams": {"u": {"provider": "p", "base_url": "http://127.0.0.1:9/v1"}},
            "services": {"s": {"upstream": "u", "model": "m", "access": "self_hosted"}},
            "database": {"url": f"postgresql://nobody:planted-password@{address}"},
        }
    )
    Path(launch.folder / "tallylight.yaml").write_text(text, encoding="utf-8")

    program = launch("serve", "--json-logs")

    assert program.ends() == 1
    assert program.logged().startswith("database ")
    assert "planted-password" not in program.logged()
    assert len(program.logged().splitlines()) == 1
