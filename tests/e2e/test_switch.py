"""A service is switched off and on again in a world where jobs take a second or two."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo, Eventually

SCENARIO = str(Path(__file__).parents[1] / "data" / "quick-world.yaml")


@pytest.fixture(scope="module")
def calm(demo: "Demo") -> "Demo":
    """Return the demo once all its services are operational."""
    demo.shows(dict.fromkeys(demo.statuses(), "operational"))
    return demo


@pytest.fixture
def news(calm: "Demo") -> Iterator[list[dict[str, str]]]:
    """Listen to the page's live events; what they say is added as it comes."""
    told: list[dict[str, str]] = []
    answer = requests.get(f"{calm.page}/api/events", stream=True, timeout=60)

    def listen() -> None:
        try:
            for line in answer.iter_lines():
                if line.startswith(b"data: {") and b"status" in line:
                    said = json.loads(line.removeprefix(b"data: "))
                    told.append(said)  # at once: an answer without an end
        except (requests.RequestException, AttributeError):
            return  # the test is over

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    yield told
    answer.raw.shutdown()  # what waits for the next event lets go
    listening.join(5)
    answer.close()


def indicator(demo: "Demo") -> str:
    answer = requests.get(f"{demo.page}/api/v2/status.json", timeout=10).json()
    found: str = answer["status"]["indicator"]
    return found


def unresolved(demo: "Demo") -> list[object]:
    answer = requests.get(f"{demo.page}/api/v2/incidents/unresolved.json", timeout=10).json()
    found: list[object] = answer["incidents"]
    return found


def test_switching_a_service_off_and_on_shows_everywhere(
    calm: "Demo", news: list[dict[str, str]], eventually: "Eventually"
) -> None:
    assert indicator(calm) == "none"

    calm.order("relayed", {"status": "off"})

    eventually(lambda: calm.statuses()["relayed"] == "suspended")
    assert indicator(calm) == "minor"  # a service that is sold on weighs less than an official one
    eventually(lambda: [one for one in news if one["id"] == "relayed"])
    badge = requests.get(f"{calm.page}/badge/relayed.json", timeout=10).json()
    assert "suspended" in str(badge).lower()
    eventually(lambda: len(unresolved(calm)) == 1)

    calm.order("relayed", {"status": "on"})

    eventually(lambda: calm.statuses()["relayed"] == "operational")
    eventually(lambda: indicator(calm) == "none")
    eventually(lambda: unresolved(calm) == [])
    feed = requests.get(f"{calm.page}/feed.atom", timeout=10).text
    assert "Relayed" in feed
