"""What docs/operating.md tells operators to type and to look for is there."""

import re
import shlex
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallylight.clock import VirtualClock
from tallylight.documents.document import parse_document
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import open_storage

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora-2-official")


@pytest.fixture(scope="module")
def sources() -> str:
    """Return our whole code as one text."""
    paths = (ROOT / "src" / "tallylight").rglob("*.py")
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_every_event_and_metric_that_it_names_is_one_of_ours(sources: str) -> None:
    events = set(re.findall(r"`([a-z]+\.[a-z_]+)`", TEXT)) - {"database.retention", "database.url"}
    events -= {"database.pool", "status.listen", "status.listeners"}
    metrics = set(re.findall(r"tallylight_[a-z_]+", TEXT))

    assert {"evidence.write_delayed", "server.failed"} <= events
    assert [event for event in sorted(events) if f'"{event}"' not in sources] == []
    assert len(metrics) >= 5
    # A counter's name ends with what the library appends to it.
    assert [name for name in metrics if f'"{name.removesuffix("_total")}"' not in sources] == []


@pytest.mark.parametrize("pattern", [r"^ExecStart=(.+)$", r"^CMD (\[.+\])$"])
def test_the_command_that_it_starts_is_understood(pattern: str) -> None:
    (found,) = re.findall(pattern, TEXT, re.MULTILINE)
    words = re.findall(r'"([^"]+)"', found) if found.startswith("[") else shlex.split(found)

    asked = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "tallylight", *words[1:], "--help"], check=False, capture_output=True
    )

    assert Path(words[0]).name == "tallylight"
    assert asked.returncode == 0, asked.stderr


async def test_its_backup_of_a_database_in_use_is_whole(tmp_path: Path) -> None:
    (command,) = re.findall(r"^python3 (-c .+)$", TEXT, re.MULTILINE)
    address = f"sqlite:///{tmp_path}/tallylight.db"

    async with open_storage(address, VirtualClock(NOON)) as history:
        history.add_evidence(Evidence(SORA, NOON, Source.REACH))
        await history.flush()
        subprocess.run(  # noqa: ASYNC221, S603  # what the document says
            [sys.executable, *shlex.split(command)], cwd=tmp_path, check=True
        )

    copy = sqlite3.connect(tmp_path / "backup.db")
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert copy.execute("SELECT count(*) FROM evidence").fetchone() == (1,)
    copy.close()


def test_a_credential_of_systemd_is_read_from_where_the_variable_says(tmp_path: Path) -> None:
    (line,) = re.findall(r"^key: .+$", TEXT, re.MULTILINE)
    (tmp_path / "saygm.key").write_text("sk-planted\n", encoding="utf-8")

    found = parse_document(line, "a.yaml", Path("/etc"), {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert found.values == {"key": "sk-planted"}
