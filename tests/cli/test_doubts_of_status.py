"""`status --verbose` shows what came of doubts, and `config check` what nothing resolves."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tallylight.clock import SystemClock
from tallylight.model.attempt_state import AttemptEvent
from tallylight.storage.database import open_storage
from tests.conftest import Outcome
from tests.storage.test_doubts import record

Command = Callable[..., Outcome]

HOUSE = """\
upstreams:
  maker: {provider: p, base_url: "http://127.0.0.1:9/v1", lists_all_jobs: true}
  relay: {provider: q, base_url: "http://127.0.0.1:9/v1", dialect: new_api}
services:
  film: {upstream: maker, model: m, access: self_hosted}
  reel: {upstream: relay, model: m, access: reverse}
database: {url: "sqlite:///history.db"}
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "tallylight.yaml").write_text(HOUSE, encoding="utf-8")
    return tmp_path


async def record_doubts(folder: Path) -> None:
    clock = SystemClock()
    async with open_storage(f"sqlite:///{folder / 'history.db'}", clock) as storage:
        unclear, end = AttemptEvent.UNCLEAR, AttemptEvent
        await record(storage, "found", unclear, end.SHOWN, at=clock.now())
        for number in range(8):
            await record(storage, f"none {number}", unclear, end.REFUSED, at=clock.now())
        await record(storage, "lost", unclear, end.CLOSE, at=clock.now())


def test_status_shows_the_doubts_of_each_upstream(command: Command, house: Path) -> None:
    asyncio.run(record_doubts(house))

    full = command("status", "--verbose")
    chinese = command("status", "--verbose", "--lang", "zh-Hant")
    film, reel = command("status", "--verbose", "--json").json()
    brief = command("status")

    rows = [line.split() for line in full.out.splitlines()]
    assert ["maker", "cut", "10", "1", "8", "1", "50.7%"] in rows
    assert "存疑類型" in chinese.out
    assert film["learned"]["doubts"] == [
        {
            "kind": "cut",
            "count": 10,
            "accepted": 1,
            "refused": 8,
            "unresolved": 1,
            "accepted_at_most": 0.5069,
        }
    ]
    assert reel["learned"]["doubts"] == []
    assert "cut" not in brief.out


@pytest.mark.usefixtures("house")
def test_config_check_warns_of_doubts_that_nothing_resolves(command: Command) -> None:
    found = command("config", "check")

    assert found.code == 0
    assert "warning: tallylight.yaml:3: upstreams.relay: has no list of jobs" in found.err
    assert "note: tallylight.yaml:2: upstreams.maker.lists_all_jobs: promises" in found.err
