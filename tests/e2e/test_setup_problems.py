"""Mistakes in a configuration, found at once and told with their mend, never as an outage."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Outcome
    from tests.e2e.conftest import Document, Eventually, Serve, World

FILM, RELAYED, STREAMED = "film", "relayed", "streamed"


@pytest.fixture
def mistaken(document: "Document") -> "Document":
    """Return a configuration with a base_url that lacks its version, and a mistyped model."""
    maker = document["upstreams"]["maker"]
    maker["base_url"] = maker["base_url"].removesuffix("/v1")
    document["services"][RELAYED]["model"] = "vo-3.1"
    receiver = {"url": "json://127.0.0.1:9/"}  # nobody listens: its messages stay where they are
    return document | {"alerts": {"group_wait": "1s", "receivers": {"ops": receiver}}}


def alerted(document: "Document") -> set[str]:
    """Return the services of all messages that are waiting."""
    path = document["database"]["url"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        bodies = [json.loads(body) for (body,) in database.execute("SELECT body FROM outbox")]
    return {service for body in bodies for service in body["services"]}


def test_check_names_a_setup_problem_with_its_mend(
    mistaken: "Document", write: Callable[["Document"], Path], command: Callable[..., "Outcome"]
) -> None:
    checked = command("check", FILM, RELAYED, "--config", str(write(mistaken)))

    address = mistaken["upstreams"]["maker"]["base_url"]
    assert checked.code == 2
    assert f"base_url leads to something else than the API. Did you mean “{address}/v1”?" in (
        checked.out
    )
    assert "This key cannot use “vo-3.1”. Did you mean “veo-3.1”?" in checked.out


def test_a_setup_problem_is_no_outage_and_alerts_nobody(
    mistaken: "Document", world: "World", serve: "Serve", eventually: "Eventually"
) -> None:
    server = serve(mistaken)
    eventually(lambda: server.statuses()[STREAMED] == "operational")
    eventually(lambda: all(len(server.evidence(id_, "credentials")) > 4 for id_ in (FILM, RELAYED)))
    world.order(STREAMED, {"status": "off"})  # its alert comes after any of the others
    eventually(lambda: STREAMED in alerted(mistaken))

    found = server.statuses()
    assert (found[FILM], found[RELAYED]) == ("unknown", "unknown")
    assert alerted(mistaken) == {STREAMED}
