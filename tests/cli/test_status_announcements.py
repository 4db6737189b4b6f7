"""`status` tells which maintenance official status pages announce."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tallylight.catalogue.services import Feed
from tallylight.clock import SystemClock
from tallylight.model.status import Status
from tallylight.storage.database import open_storage
from tallylight.upstreams.feeds.claims import ClaimedEvent, PageClaims, claims_name, dump_claims
from tests.conftest import Outcome

Command = Callable[..., Outcome]

PAGE = "https://status.example.com"
CONFIG = f"""\
upstreams:
  maker:
    provider: p
    base_url: "http://127.0.0.1:9/v1"
    feed: {{format: statuspage, url: "{PAGE}"}}
  relay: {{provider: q, base_url: "http://127.0.0.1:9/v1"}}
services:
  film: {{upstream: maker, model: m, access: official}}
  reel: {{upstream: relay, model: m, access: reverse}}
database: {{url: "sqlite:///history.db"}}
"""


async def announce(folder: Path) -> None:
    """Store that the page announces a maintenance."""
    clock = SystemClock()
    start, hour = clock.now() + timedelta(days=2), timedelta(hours=1)
    event = ClaimedEvent("m", "New disks", Status.MAINTENANCE, start, start + hour)
    claims = PageClaims(clock.now() - hour, clock.now(), (), (event,))
    async with open_storage(f"sqlite:///{folder / 'history.db'}", clock) as storage:
        await storage.save_component_state(
            claims_name(Feed("statuspage", PAGE)), dump_claims(claims)
        )


def test_status_tells_what_is_announced_for_its_services(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tallylight.yaml").write_text(CONFIG, encoding="utf-8")
    asyncio.run(announce(tmp_path))

    text = command("status", "--lang", "en").out
    other = command("status", "reel", "--lang", "en").out
    film, reel = command("status", "--json").json()

    assert "Planned maintenance: New disks: " in text
    assert text.rstrip().endswith(" · m (p)")
    assert "Planned maintenance" not in other
    assert [each["title"] for each in film["planned_maintenances"]] == ["New disks"]
    assert reel["planned_maintenances"] == []
