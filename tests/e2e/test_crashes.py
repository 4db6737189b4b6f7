"""A server is killed while a paid probe is under way, and started again on the same database."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve, World

Watch = Callable[..., "Document"]


@pytest.fixture
def watching(document: "Document") -> Watch:
    """Return what makes a configuration of services that are probed for money once a minute."""

    def watching(*services: str, **upstream: object) -> "Document":
        about = {service: document["services"][service] for service in services}
        names = {each["upstream"] for each in about.values()}
        return document | {
            "services": about,
            "upstreams": {name: document["upstreams"][name] | upstream for name in names},
            "probes": {"reach": "1s", "credentials": "1s", "generation": "60s"},
        }

    return watching


@pytest.fixture
def rows(launch: "Launcher") -> Callable[[str], list[tuple[Any, ...]]]:
    """Return what asks the database that the servers of a test leave."""

    def rows(question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(launch.folder / "history.db")) as database:
            return database.execute(question).fetchall()

    return rows


Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.mark.parametrize("service", ["film", "relayed"])
def test_a_job_under_way_is_followed_by_the_next_process_and_not_paid_twice(  # noqa: PLR0913, PLR0917
    service: str,
    world: "World",
    watching: Watch,
    serve: "Serve",
    eventually: "Eventually",
    rows: Rows,
) -> None:
    world.order(service, {"fault": {"kind": "slow", "factor": 3}})
    first = serve(watching(service))
    eventually(lambda: rows("SELECT 1 FROM attempts WHERE state = 'accepted'"))
    first.program.kill()

    second = serve(watching(service))
    found = eventually(lambda: second.evidence(service, "generation"))

    assert [piece["good"] for piece in found] == [True]
    (entry,) = world.entries(service)
    assert entry["state"] == "delivered"
    eventually(lambda: rows("SELECT state FROM attempts") == [("delivered",)])
    eventually(lambda: rows("SELECT state FROM ledger") == [("settled",)])
    assert second.program.events("video.taken_over")


def test_a_create_that_was_never_answered_is_found_again_in_the_list_of_jobs(
    world: "World", watching: Watch, serve: "Serve", eventually: "Eventually", rows: Rows
) -> None:
    world.order("film", {"fault": {"kind": "hang", "accepts": True}})
    first = serve(watching("film"))
    eventually(lambda: world.entries("film"))
    first.program.kill()
    assert rows("SELECT state FROM attempts") == [("intended",)]
    world.order("film", {"status": "on"})

    second = serve(watching("film"))
    found = eventually(lambda: second.evidence("film", "generation"))

    assert [piece["good"] for piece in found] == [True]
    (entry,) = world.entries("film")
    assert (entry["state"], entry["answered"]) == ("delivered", False)
    assert rows("SELECT state FROM attempts") == [("delivered",)]
    eventually(lambda: rows("SELECT state FROM ledger") == [("settled",)])


def test_a_create_that_nobody_can_look_up_is_never_sent_again(
    world: "World", watching: Watch, serve: "Serve", eventually: "Eventually", rows: Rows
) -> None:
    # Both at one server, since each waits two minutes for an answer that may still come.
    services = ("relayed", "streamed")
    for service in services:
        world.order(service, {"fault": {"kind": "hang", "accepts": True}})
    first = serve(watching(*services))
    eventually(lambda: all(world.entries(service) for service in services))
    first.program.kill()
    for service in services:
        world.order(service, {"status": "on"})

    second = serve(watching(*services))
    eventually(lambda: all(second.evidence(service, "generation") for service in services))

    eventually(lambda: len(rows("SELECT 1 FROM ledger WHERE state = 'settled'")) >= len(services))
    for service in services:
        # Our own restart says nothing against the service, and the money counts as spent.
        assert second.evidence(service, "generation")[-1]["failure"]["fault"] == "ours"
        prompts = [entry["prompt"] for entry in world.entries(service)]
        assert len(prompts) == len(set(prompts))


def test_a_stream_that_a_kill_cut_off_is_not_ordered_again(
    world: "World", watching: Watch, serve: "Serve", eventually: "Eventually", rows: Rows
) -> None:
    world.order("streamed", {"fault": {"kind": "slow", "factor": 10}})
    first = serve(watching("streamed"))
    eventually(lambda: rows("SELECT 1 FROM attempts WHERE state = 'accepted'"))
    first.program.kill()

    second = serve(watching("streamed"))
    found = eventually(lambda: second.evidence("streamed", "generation"))

    assert found[-1]["failure"]["rule"] == "doubt:interrupted"
    prompts = [entry["prompt"] for entry in world.entries("streamed")]
    assert len(prompts) == len(set(prompts))


def test_a_server_that_is_told_to_end_leaves_its_job_to_the_next(
    world: "World", watching: Watch, serve: "Serve", eventually: "Eventually", rows: Rows
) -> None:
    world.order("film", {"fault": {"kind": "slow", "factor": 3}})
    first = serve(watching("film"))
    eventually(lambda: rows("SELECT 1 FROM attempts WHERE state = 'accepted'"))

    assert first.program.end() == 0
    second = serve(watching("film"))
    found = eventually(lambda: second.evidence("film", "generation"))

    assert [piece["good"] for piece in found] == [True]
    assert len(world.entries("film")) == 1
