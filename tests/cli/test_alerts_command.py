"""`alerts test` tries receivers, and `config check` refuses those that cannot be reached."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

from tallylight.cli.shared import application
from tallylight.clock import SystemClock
from tallylight.storage.database import open_storage

TOKEN = "planted-token-1234567890"

Run = Callable[..., Result]


@contextmanager
def receiving(status: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Run a receiver that answers with a status; give its address and what it gets."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            received.append(json.loads(self.rfile.read(length)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/{TOKEN}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*words: str, **receivers: str) -> Result:
        path = tmp_path / "tallylight.yaml"
        document = {
            "upstreams": {"u": {"provider": "saygm", "base_url": "https://u.example"}},
            "services": {"s": {"upstream": "u", "model": "minimax/h3"}},
            "database": {"url": f"sqlite:///{tmp_path}/history.db"},
            "alerts": {"receivers": {name: {"url": url} for name, url in receivers.items()}},
        }
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")
        return CliRunner().invoke(application, [*words, "--config", str(path), "--lang", "en"])

    return run


def test_a_trial_message_is_sent_to_each_receiver(run: Run) -> None:
    with receiving(200) as (good, received), receiving(403) as (bad, _):
        both = run("alerts", "test", ops=good, pager=bad)
        one = run("alerts", "test", "ops", ops=good, pager=bad)

    assert (both.exit_code, both.output.splitlines()) == (
        1,
        ["ops: delivered", "pager: not delivered"],
    )
    assert (one.exit_code, one.output) == (0, "ops: delivered\n")
    assert received[0]["title"] == "tallylight: trial message"
    assert received[0]["kind"] == "test"


async def _create(database: str) -> None:
    async with open_storage(database, SystemClock()):
        pass


def test_the_report_is_sent_to_try_a_receiver(run: Run, tmp_path: Path) -> None:
    asyncio.run(_create(f"sqlite:///{tmp_path}/history.db"))
    with receiving(200) as (good, received), receiving(403) as (bad, _):
        first = run("report", "--send", "ops", "--send", "pager", ops=good, pager=bad)
    unknown = run("report", "--send", "opps", ops=good)
    both = run("report", "--send", "ops", "--format", "json", ops=good)
    unclear = run("report", "--month", "2026-13", ops=good)

    assert (first.exit_code, first.output) == (1, "ops: delivered\npager: not delivered\n")
    assert received[0]["title"].startswith("Report for ")
    assert received[0]["kind"] == "report"
    assert unknown.exit_code == both.exit_code == unclear.exit_code == 2
    assert "a month is written as 2026-11" in unclear.output
    assert "No such receiver: opps. Did you mean ops?" in unknown.output


def test_an_unknown_receiver_is_named_with_the_nearest(run: Run) -> None:
    refused = run("alerts", "test", "opps", ops="json://127.0.0.1:9/")

    assert refused.exit_code == 2
    assert "No such receiver: opps. Did you mean ops?" in refused.output


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"slak://{TOKEN}/b/c", "is not an address that Apprise can use"),
        (f"https://hooks.example.com/{TOKEN}", "add `secret` to receive signed webhooks"),
        (f"https://contoso.webhook.office.com/webhookb2/{TOKEN}", "create a workflow"),
    ],
)
def test_a_receiver_that_cannot_be_used_is_refused_without_its_address(
    run: Run, address: str, reason: str
) -> None:
    refused = run("config", "check", ops=address)

    assert refused.exception is not None
    assert re.search(r"tallylight\.yaml:\d+: alerts\.receivers\.ops\.url", str(refused.exception))
    assert reason in str(refused.exception)
    assert TOKEN not in str(refused.exception) + refused.output
