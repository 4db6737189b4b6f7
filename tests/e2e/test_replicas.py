"""Several servers on one PostgreSQL: one judges, all make videos, any of them may die."""

import json
import signal
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import requests

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve, Server, World

WORLD = """
title: Two that take their time
start: 2026-11-22T09:00:00Z
seed: 11
upstreams:
  maker: {provider: maker, protocol: openai_videos, dialect: openai, keys: [sim-maker-key]}
  relay: {provider: relay, protocol: openai_videos, dialect: new_api, keys: [sim-relay-key]}
services:
  film: &service
    name: Film
    upstream: maker
    model: sora-2
    access: official
    price: {unit: per_call, rates: {"*": "0.10"}}
    latency: [8, 12]
    lengths: [4]
    sizes: ["720x1280"]
  relayed: {<<: *service, name: Relayed, upstream: relay, model: veo-3.1, access: reverse}
catalogue:
  sections:
    probes: {reach: 1s, credentials: off, generation: off, in_doubt_pace: 5s}
    budgets: {per_hour: 500, per_day: 5000}
"""
VIDEOS = 16
WITHIN = 60.0  # seconds from the death of a replica to the last of its videos

Video = Mapping[str, Any]


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "world.yaml"
    path.write_text(WORLD, encoding="utf-8")
    return path


@pytest.fixture
def shared(
    document: "Document", launch: "Launcher", new_postgres: Callable[[str | None], str]
) -> "Document":
    """Return a configuration that several servers share."""
    return document | {
        "database": {"url": new_postgres(None)},
        "assets": {"location": str(launch.folder / "assets")},
        "gateway": {"open": True},
        "routes": {
            "any": {"services": ["film", "relayed"], "explicit": True},
            "paused": {"services": ["relayed", "film"], "explicit": True},
        },
    }


def role(server: "Server") -> str:
    return str(server.get("/readyz").json().get("role"))


def by_role(servers: Iterable["Server"]) -> dict[str, "Server"]:
    return {role(server): server for server in servers}


def create(server: "Server", prompt: str, model: str = "any") -> Video:
    answer = requests.post(
        f"{server.page}/v1/videos", json={"model": model, "prompt": prompt}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    video: Video = answer.json()
    return video


def seen(server: "Server", id_: object) -> Video:
    answer = server.get(f"/v1/videos/{id_}")
    assert answer.status_code == 200, answer.text
    video: Video = answer.json()
    return video


def recorded(document: "Document", service: str) -> list[tuple[str, str]]:
    """Return the transitions of a service as they lie in the database, oldest first."""
    with psycopg.connect(document["database"]["url"]) as database:
        question = (
            "SELECT before_status, after_status FROM transitions WHERE service = %s ORDER BY id"
        )
        return [(str(a), str(b)) for a, b in database.execute(question, (service,))]


def test_the_videos_of_a_killed_replica_are_finished_by_another(
    shared: "Document",
    world: "World",
    serve: "Serve",
    eventually: "Eventually",
) -> None:
    servers = [serve(shared), serve(shared)]
    roles = by_role(servers)
    dying, other = roles["judge"], roles["follower"]
    prompts = [f"boat {number}" for number in range(VIDEOS)]
    made = [create(servers[number % 2], prompt)["id"] for number, prompt in enumerate(prompts)]
    for number, id_ in enumerate(made):  # known at once at the one that did not make it
        assert seen(servers[1 - number % 2], id_)["status"] in {"queued", "in_progress"}

    dying.program.kill()
    has_led = False

    def all_are_completed() -> bool:
        nonlocal has_led
        has_led |= role(other) == "judge"
        # Each of them is valid in every moment, and none ever fails.
        states = [seen(other, id_)["status"] for id_ in made]
        assert set(states) <= {"queued", "in_progress", "completed"}, states
        return set(states) == {"completed"}

    eventually(all_are_completed, within=WITHIN)

    assert has_led
    entries = [entry for name in ("film", "relayed") for entry in world.entries(name)]
    assert sorted(str(entry["prompt"]) for entry in entries) == sorted(prompts)
    assert {entry["state"] for entry in entries} == {"delivered"}
    listed = other.get("/v1/videos?limit=100").json()["data"]
    assert {video["id"] for video in listed} == set(made)
    for id_ in made:
        content = other.get(f"/v1/videos/{id_}/content")
        assert content.status_code == 200
        assert content.content[4:8] == b"ftyp"


def test_what_one_replica_makes_another_shows_and_hands_out(
    shared: "Document", serve: "Serve", launch: "Launcher", eventually: "Eventually"
) -> None:
    document = shared | {"gateway": {}}
    servers = [serve(document), serve(document)]
    config = str(launch.folder / "tallylight.yaml")

    program = launch("keys", "create", "films", "--config", config, "--json")
    assert program.ends() == 0, program.logged()
    key = {"authorization": f"Bearer {json.loads(program.said())['key']}"}
    for server in servers:  # also the one beside which it was not made
        answer = requests.get(f"{server.page}/v1/models", headers=key, timeout=10)
        assert answer.status_code == 200

    body = {"model": "any", "prompt": "a boat"}
    video = requests.post(f"{servers[0].page}/v1/videos", json=body, headers=key, timeout=30).json()
    address = f"{servers[1].page}/v1/videos/{video['id']}"
    eventually(
        lambda: requests.get(address, headers=key, timeout=10).json()["status"] == "completed"
    )
    one, two = (
        requests.get(f"{server.page}/v1/videos/{video['id']}/content", headers=key, timeout=10)
        for server in servers
    )
    gone = requests.delete(address, headers=key, timeout=10)

    assert one.content == two.content
    assert gone.status_code == 200
    eventually(
        lambda: (
            requests.get(
                f"{servers[0].page}/v1/videos/{video['id']}", headers=key, timeout=10
            ).status_code
            == 404
        ),
    )


def test_a_follower_shows_what_the_judge_judges_and_takes_its_place(
    shared: "Document", world: "World", serve: "Serve", eventually: "Eventually"
) -> None:
    document = shared | {"probes": shared["probes"] | {"generation": "5s"}}
    roles = by_role([serve(document), serve(document)])
    judge, follower = roles["judge"], roles["follower"]
    calm = {"film": "operational", "relayed": "operational"}
    eventually(lambda: judge.statuses() == follower.statuses() == calm)

    # What the follower's own traffic meets reaches the judge.
    world.order("relayed", {"status": "off"})
    create(follower, "a paused boat", "paused")
    eventually(lambda: judge.statuses()["relayed"] == "suspended")
    eventually(lambda: follower.statuses()["relayed"] == "suspended")
    assert "tallylight_judge 1.0" in judge.get("/metrics").text
    assert "tallylight_judge 0.0" in follower.get("/metrics").text

    judge.program.kill()
    eventually(lambda: role(follower) == "judge")
    assert follower.get("/readyz").status_code == 200
    world.order("relayed", {"status": "on"})
    probed = follower.evidence("film", "reach")
    eventually(lambda: len(follower.evidence("film", "reach")) > len(probed) + 3)
    third = serve(document)

    assert role(third) == "follower"
    eventually(lambda: third.statuses() == follower.statuses())
    chain = recorded(shared, "relayed")
    assert chain.count(("operational", "suspended")) == 1
    assert all(before[1] == after[0] for before, after in pairwise(chain))
    assert recorded(shared, "film") == [("unknown", "operational")]


def test_a_judge_that_hangs_is_replaced_and_stands_back_when_it_wakes(
    shared: "Document", serve: "Serve", eventually: "Eventually"
) -> None:
    roles = by_role([serve(shared), serve(shared)])
    hanging, other = roles["judge"], roles["follower"]
    video = create(hanging, "a boat in a lull")

    hanging.program.process.send_signal(signal.SIGSTOP)
    eventually(lambda: role(other) == "judge")
    hanging.program.process.send_signal(signal.SIGCONT)

    eventually(lambda: role(hanging) == "follower")
    eventually(lambda: seen(hanging, video["id"])["status"] == "completed")
    assert role(other) == "judge"
    eventually(lambda: hanging.statuses() == other.statuses())
    for service in ("film", "relayed"):
        chain = recorded(shared, service)
        assert all(before[1] == after[0] for before, after in pairwise(chain))
