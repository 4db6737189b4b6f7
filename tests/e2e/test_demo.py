"""The demo of January 2026, as a stranger sees it."""

import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo, Eventually, Launcher

JANUARY = {
    "sora-2-official": "operational",
    "sora-2-pro-official": "operational",
    "sora-2-reverse": "risk_control",
    "sora-2-pro-reverse": "suspended",
    "veo-3.1-reverse": "operational",
    "gpt-image-reverse": "operational",
}


@pytest.fixture(scope="module")
def settled(demo: "Demo") -> "Demo":
    """Return the demo once it shows the verdicts of its day."""
    demo.shows(JANUARY)
    return demo


def test_it_prints_its_addresses_soon(demo: "Demo") -> None:
    assert demo.seconds < 60


def test_six_verdicts_stand_with_true_reasons(settled: "Demo") -> None:
    services = settled.services()

    why = {id_: str(service["reasons"]) for id_, service in services.items()}
    assert "风控" in why["sora-2-reverse"]
    assert "temporarily paused" in why["sora-2-pro-reverse"]
    for id_, status in JANUARY.items():
        arrived = "Latest video delivered" in why[id_]
        assert arrived is (status == "operational"), why[id_]


def test_a_service_says_all_that_clients_rely_on(settled: "Demo") -> None:
    keys = {"id", "name", "status", "since", "reasons", "access", "official_feed"}

    for service in settled.services().values():
        assert keys <= service.keys()


def test_the_page_says_what_a_budget_buys(settled: "Demo", eventually: "Eventually") -> None:
    def found() -> dict[str, Any] | None:
        told: dict[str, Any] = requests.get(settled.page + "/api/advice", timeout=10).json()
        return None if told["state"] == "computing" else told

    told = eventually(found, within=280)

    assert told["state"] == "ready"
    assert told["priced"] == 6
    assert told["own_usd_per_day"] in [row["budget_usd_per_day"] for row in told["rows"]]
    assert "Median detection delay" in requests.get(settled.page, timeout=10).text


def test_official_pages_stand_beside_our_own_finding(
    settled: "Demo", eventually: "Eventually"
) -> None:
    feed = eventually(lambda: settled.services()["sora-2-official"]["official_feed"])

    assert isinstance(feed, dict)
    assert feed["status"] == "operational"


def test_a_statuspage_client_reads_the_state(settled: "Demo") -> None:
    base = settled.page

    found = requests.get(base + "/api/v2/status.json", timeout=10).json()["status"]["indicator"]

    assert found == "minor"  # only services that are sold on are in trouble


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/services/sora-2-reverse", "text/html"),
        ("/api/openapi.json", "application/json"),
        ("/api/uptime", "application/json"),
        ("/api/ledger", "application/json"),
        ("/api/v2/summary.json", "application/json"),
        ("/badge/sora-2-official.svg", "image/svg+xml"),
        ("/badge/sora-2-official.json", "application/json"),
        ("/feed.atom", "application/atom+xml"),
        ("/services/sora-2-reverse/feed.rss", "application/rss+xml"),
        ("/metrics", "text/plain"),
        ("/healthz", "application/json"),
        ("/readyz", "application/json"),
    ],
)
def test_every_face_answers(settled: "Demo", path: str, kind: str) -> None:
    answer = requests.get(f"{settled.page}{path}", timeout=10)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)


def test_metrics_tell_the_verdicts(settled: "Demo") -> None:
    text = requests.get(f"{settled.page}/metrics", timeout=10).text

    assert 'service="sora-2-reverse",status="risk_control"} 1.0' in text


def test_the_command_that_it_prints_works_in_any_folder(settled: "Demo", tmp_path: Path) -> None:
    line = settled.program.has_printed(r"\n  (.+ status --config .+)\n")[1]

    asked = subprocess.run(  # noqa: S603  # what the demo told us to run
        shlex.split(line), cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )

    assert asked.stderr == ""
    assert asked.returncode == 1  # something is not operational
    assert "sora-2-reverse" in asked.stdout


def test_a_taken_port_is_told_and_not_waited_for(settled: "Demo", launch: "Launcher") -> None:
    port = settled.page.rpartition(":")[2]

    program = launch("demo", "--port", port)

    assert program.ends() == 2
    assert "cannot listen" in program.logged()
    assert "Traceback" not in program.logged()


def test_a_demo_ends_when_its_time_is_over(launch: "Launcher") -> None:
    program = launch("demo", "--for", "2s", "--port", "0", "--lang", "zh-Hant")

    assert program.ends() == 0
    assert "時間到，示範結束。" in program.said()


def test_many_readers_at_once_are_answered(settled: "Demo") -> None:
    with ThreadPoolExecutor(8) as readers:
        pages = list(readers.map(lambda _: requests.get(settled.page, timeout=20), range(40)))

    assert {page.status_code for page in pages} == {200}
