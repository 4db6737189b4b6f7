"""`check --depth generation`: beside a server, which makes the probe, and without one."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Document, Eventually, Launcher, Program, Serve, World


@pytest.fixture(params=["sqlite", "postgresql"])
def unplanned(
    request: pytest.FixtureRequest,
    document: "Document",
    new_postgres: Callable[[str | None], str],
) -> "Document":
    """Return a configuration that plans no generations."""
    document["probes"]["generation"] = "off"
    if request.param == "postgresql":
        document["database"] = {"url": new_postgres(None)}
    return document


def paid_check(launch: "Launcher") -> "Program":
    """Start a paid check of one service."""
    config = str(launch.folder / "tallylight.yaml")
    return launch("check", "film", "--depth", "generation", "--json", "--config", config)


def recorded(launch: "Launcher") -> "Document":
    """Return the evidence and the costs that the database holds."""
    config = str(launch.folder / "tallylight.yaml")
    exported = launch("export", "--out", "history.json", "--config", config)
    costs = launch("cost", "--window", "24h", "--json", "--config", config)
    assert exported.ends() == costs.ends() == 0
    rows: Document = json.loads((launch.folder / "history.json").read_text(encoding="utf-8"))
    rows["spending"] = json.loads(costs.said())["spending"]
    return rows


def test_a_paid_check_beside_a_server_is_sent_and_recorded_once_by_that_server(
    unplanned: "Document",
    world: "World",
    launch: "Launcher",
    serve: "Serve",
    eventually: "Eventually",
) -> None:
    server = serve(unplanned)

    check = paid_check(launch)

    assert check.ends() == 0, check.logged()
    (told,) = json.loads(check.said())
    assert [piece["source"] for piece in told["probes"]] == ["reach", "credentials", "generation"]
    assert all(piece["good"] for piece in told["probes"])
    assert told["status"] == "operational"
    assert "it sent and recorded the generations" in check.logged()
    (order,) = world.entries("film")
    assert order["billed_usd"] == 0.4
    eventually(lambda: server.evidence("film", "generation"))
    assert len(server.evidence("film", "generation")) == 1
    (spent,) = recorded(launch)["spending"]
    assert (spent["entries"], spent["amount_usd"]) == (1, 0.4)


def test_a_budget_of_the_server_refuses_a_paid_check(
    unplanned: "Document", world: "World", launch: "Launcher", serve: "Serve"
) -> None:
    unplanned["budgets"] = {"per_day": 0.1}
    serve(unplanned)

    check = paid_check(launch)

    assert check.ends() == 1
    (told,) = json.loads(check.said())
    assert "would exceed 0.1" in told["withheld"]
    assert world.entries("film") == []


def test_a_paid_check_without_a_server_makes_and_records_the_probe(
    unplanned: "Document",
    world: "World",
    launch: "Launcher",
    write: "Callable[[Document], Path]",
) -> None:
    write(unplanned)

    check = paid_check(launch)

    assert check.ends() == 0, check.logged()
    (told,) = json.loads(check.said())
    assert told["probes"][-1]["good"]
    assert len(world.entries("film")) == 1
    rows = recorded(launch)
    found = [row["source"] for row in rows["evidence"] if row["source"] == "generation"]
    assert found == ["generation"]
