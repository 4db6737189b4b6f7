"""An export holds the stored history, in each format."""

import csv
import json
import os
import stat
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tallylight.errors import ConfigurationError, StorageError
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Transition, Verdict
from tallylight.storage.database import Storage
from tallylight.storage.engine import LockId
from tallylight.storage.export import EXPORT_COLUMNS, export
from tallylight.storage.export_formats import ExportFormat, ExportTable
from tallylight.storage.export_writers import ExportCell, defused
from tallylight.storage.transition_record import TransitionRecord

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
END = NOON + timedelta(hours=2)
SORA = ServiceId("sora-2-official")
VEO = ServiceId("veo-3.1-reverse")
PAUSED = Failure(
    FailureKind.SUSPENDED,
    Fault.UPSTREAM,
    "status:503",
    text='分組 "官逆" 暫停,\n稍後再試',
    http_status=503,
    retry_after=timedelta(seconds=30),
)


@pytest.fixture
async def eventful(history: Storage) -> Storage:
    """Give a history of 2,500 reach probes, a failure and a transition, with a second service."""
    for number in range(2500):
        moment = NOON + timedelta(seconds=number)
        history.add_evidence(
            Evidence(SORA, moment, Source.REACH, latency=timedelta(milliseconds=87.5))
        )
    history.add_evidence(Evidence(SORA, NOON, Source.TRAFFIC, failure=PAUSED, vantage="tokyo"))
    history.add_evidence(Evidence(VEO, NOON, Source.REACH))
    history.add_evidence(Evidence(SORA, END, Source.REACH, note="after the window"))
    before = Verdict(SORA, Status.UNKNOWN, NOON, 0.5, ())
    after = Verdict(
        SORA, Status.SUSPENDED, NOON, 0.75, (Reason(ReasonCode.SUSPENSION_REPORTED, NOON),)
    )
    half = NOON + timedelta(hours=0.5)
    found = Transition(SORA, half, END, before, after)
    await history.record_transitions(lambda: [TransitionRecord(found.service, found, "", None)])
    return history


async def written(
    history: Storage,
    out: Path,
    format_: ExportFormat,
    table: ExportTable | None = None,
    services: tuple[ServiceId, ...] = (SORA,),
) -> Path:
    ends = dict.fromkeys(services, END)
    await export(history, out, format_, services=ends, start=NOON, end=END, table=table)
    return out


async def test_json_holds_the_three_tables(eventful: Storage, tmp_path: Path) -> None:
    path = await written(eventful, tmp_path / "history.json", ExportFormat.JSON)

    document = json.loads(path.read_text(encoding="utf-8"))
    assert {name: len(rows) for name, rows in document.items()} == {
        "evidence": 2501,
        "transitions": 1,
        "uptime": 1,
    }
    assert document["evidence"][0]["latency_ms"] == 87.5
    assert document["evidence"][2500] == {
        "service": "sora-2-official",
        "at": "2026-11-22T12:00:00+00:00",
        "source": "traffic",
        "outcome": "bad",
        "latency_ms": None,
        "failure": "suspended",
        "fault": "upstream",
        "http_status": 503,
        "rule": "status:503",
        "text": '分組 "官逆" 暫停,\n稍後再試',
        "retry_after_s": 30.0,
        "claimed_status": None,
        "until": None,
        "note": "",
        "vantage": "tokyo",
    }
    assert document["transitions"][0]["reasons"] == "suspension_reported"
    uptime = document["uptime"][0]
    assert (uptime["suspended_s"], uptime["unknown_s"]) == (5400.0, 1800.0)
    for name, rows in document.items():
        assert all(list(row) == list(EXPORT_COLUMNS[ExportTable(name)]) for row in rows)


async def test_an_empty_history_is_a_complete_document(history: Storage, tmp_path: Path) -> None:
    path = await written(history, tmp_path / "history.json", ExportFormat.JSON, services=())

    assert json.loads(path.read_text()) == {"evidence": [], "transitions": [], "uptime": []}


async def test_csv_is_a_zip_of_tables(eventful: Storage, tmp_path: Path) -> None:
    path = await written(eventful, tmp_path / "history.zip", ExportFormat.CSV)

    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["evidence.csv", "transitions.csv", "uptime.csv"]
        lines = archive.read("evidence.csv").decode("utf-8-sig").splitlines(keepends=True)
    rows = list(csv.DictReader(lines))
    assert len(rows) == 2501
    assert rows[2500]["text"] == '分組 "官逆" 暫停,\n稍後再試'


async def test_a_single_table_is_a_plain_file(eventful: Storage, tmp_path: Path) -> None:
    path = await written(
        eventful, tmp_path / "uptime.csv", ExportFormat.CSV, ExportTable.UPTIME, (SORA, VEO)
    )

    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["service"] for row in rows] == [SORA, VEO]
    assert rows[1]["unknown_s"] == "7200.0"


async def test_parquet_has_types(eventful: Storage, tmp_path: Path) -> None:
    path = await written(
        eventful, tmp_path / "e.parquet", ExportFormat.PARQUET, ExportTable.EVIDENCE
    )

    with duckdb.connect() as db:
        found = db.execute(
            "SELECT count(*), sum(latency_ms), max(http_status), max(text), "
            'min(epoch("at")), any_value(typeof("at")) FROM read_parquet(?)',
            [str(path)],
        ).fetchone()
    assert found == (
        2501,
        2500 * 87.5,
        503,
        PAUSED.text,
        NOON.timestamp(),
        "TIMESTAMP WITH TIME ZONE",
    )


async def test_parquet_of_everything_is_a_zip(eventful: Storage, tmp_path: Path) -> None:
    path = await written(eventful, tmp_path / "all.zip", ExportFormat.PARQUET)

    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 3
        assert all(archive.read(name).startswith(b"PAR1") for name in archive.namelist())


async def test_all_tables_without_a_zip_are_named_files(history: Storage, tmp_path: Path) -> None:
    files = await export(
        history, tmp_path / "h.csv", ExportFormat.CSV, services={VEO: END}, start=NOON, end=END
    )

    assert [file.name for file in files] == [
        "h-evidence.csv",
        "h-transitions.csv",
        "h-uptime.csv",
    ]
    assert all(file.read_bytes().startswith(b"\xef\xbb\xbf") for file in files)
    assert sorted(os.listdir(tmp_path)) == sorted(file.name for file in files)  # noqa: PTH208


async def test_the_time_after_a_removal_is_unknown(eventful: Storage, tmp_path: Path) -> None:
    out, removed_at = tmp_path / "h.json", NOON + timedelta(minutes=40)

    await export(eventful, out, ExportFormat.JSON, services={SORA: removed_at}, start=NOON, end=END)

    (uptime,) = json.loads(out.read_text(encoding="utf-8"))["uptime"]
    assert (uptime["suspended_s"], uptime["unknown_s"]) == (600, 6600)


async def test_a_device_takes_one_table(history: Storage) -> None:
    out = Path("/dev/null")

    with pytest.raises(ConfigurationError, match="--table"):
        await written(history, out, ExportFormat.CSV)
    await written(history, out, ExportFormat.CSV, ExportTable.UPTIME)

    assert stat.S_ISCHR(os.stat(out).st_mode)  # noqa: PTH116


async def test_a_link_and_its_target_s_mode_are_kept(history: Storage, tmp_path: Path) -> None:
    target, link, other = (tmp_path / name for name in ("real.csv", "link.csv", "other.csv"))
    target.touch(0o640)
    link.symlink_to(target)
    other.hardlink_to(target)

    await written(history, link, ExportFormat.CSV, ExportTable.UPTIME)
    await written(history, tmp_path / "plain.csv", ExportFormat.CSV, ExportTable.UPTIME)

    assert link.is_symlink()
    assert target.read_bytes() == other.read_bytes() == (tmp_path / "plain.csv").read_bytes()
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("cell", "written_cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("  @SUM(1)", "'  @SUM(1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("＝1", "'＝1"),
        ("a;=1+1", "a;'=1+1"),
        ("a\n-1+1", "a\n'-1+1"),
        ("-2.5", "-2.5"),
        ("+8613800138000", "+8613800138000"),
        ("a-b", "a-b"),
        (-3.5, -3.5),
        (None, None),
    ],
)
def test_no_cell_is_run_by_a_spreadsheet(cell: ExportCell, written_cell: ExportCell) -> None:
    assert defused(cell) == written_cell


async def test_a_file_is_replaced_only_by_a_complete_one(eventful: Storage, tmp_path: Path) -> None:
    out = tmp_path / "history.json"
    out.write_text("the last one")
    async with eventful.connections.durable_transaction(LockId.MIGRATION) as connection:
        await connection.exec_driver_sql("DROP TABLE transitions")

    with pytest.raises(StorageError, match="transitions"):
        await written(eventful, out, ExportFormat.JSON)

    assert out.read_text() == "the last one"
    assert os.listdir(tmp_path) == [out.name]  # noqa: PTH208  # no temporary file is left


def test_without_its_extra_parquet_says_what_to_install(tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules["duckdb"] = None
from pathlib import Path
from tallylight.errors import ConfigurationError
from tallylight.storage.export_writers import convert_to_parquet
try:
    convert_to_parquet(Path({str(tmp_path)!r}) / "x.csv", {{}})
except ConfigurationError as error:
    print(error)
"""

    found = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "pip install 'tallylight[parquet]'" in found.stdout
