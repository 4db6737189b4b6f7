"""Every command, as it is typed, beside a demo that runs."""

import csv
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Outcome
    from tests.e2e.conftest import Demo, Launcher

JANUARY = {
    "sora-2-official": "operational",
    "sora-2-pro-official": "operational",
    "sora-2-reverse": "risk_control",
    "sora-2-pro-reverse": "suspended",
    "veo-3.1-reverse": "operational",
    "gpt-image-reverse": "operational",
}


Command = Callable[..., "Outcome"]


@pytest.fixture(scope="module")
def config(demo: "Demo") -> str:
    """Return the configuration of a demo that shows the verdicts of its day."""
    demo.shows(JANUARY)
    return str(demo.config)


def test_help_is_answered_at_once(launch: "Launcher") -> None:
    before = os.times()

    assert launch("--help").ends() == 0

    # The processor's time: the clock's also depends on what else the machine does.
    after = os.times()
    used = after.children_user + after.children_system
    assert used - before.children_user - before.children_system < 2


def test_help_loads_no_library_that_it_does_not_need(launch: "Launcher") -> None:
    program = launch.python("-X", "importtime", "-m", "tallylight", "--help")

    assert program.ends() == 0
    loaded = {line.rpartition("|")[2].strip() for line in program.logged().splitlines()}
    assert loaded.isdisjoint({"sqlalchemy", "pydantic", "aiohttp", "fastapi", "structlog", "av"})


def test_status_says_what_stands_and_why(command: Command, config: str) -> None:
    found = command("status", "--config", config)

    assert found.code == 1  # not all is operational
    assert "🟢 Sora 2 官轉 (sora-2-official) · Operational" in found.out
    assert "🟡 Sora 2 官逆 (sora-2-reverse) · Risk control" in found.out
    assert "🔴 Sora 2 Pro 官逆 (sora-2-pro-reverse) · Suspended" in found.out
    assert found.err == ""


def test_status_of_what_is_well_is_zero(command: Command, config: str) -> None:
    assert command("status", "sora-2-official", "--config", config).code == 0
    assert command("status", "sora-2-reverse", "--config", config).code == 1


def test_status_in_json_is_for_machines(command: Command, config: str) -> None:
    found = command("status", "--json", "--config", config).json()

    assert {one["id"]: one["status"] for one in found} == JANUARY
    assert all(one["reasons"] for one in found)


def test_status_says_every_reason_if_asked(command: Command, config: str) -> None:
    brief = command("status", "sora-2-pro-reverse", "--config", config)
    full = command("status", "sora-2-pro-reverse", "--verbose", "--config", config)

    assert len(full.out.splitlines()) > len(brief.out.splitlines())


def test_status_says_what_was_learned_if_asked(command: Command, config: str) -> None:
    full = command("status", "sora-2-official", "--verbose", "--config", config)
    (one,) = command("status", "sora-2-official", "-v", "--json", "--config", config).json()
    (brief,) = command("status", "sora-2-official", "--json", "--config", config).json()

    assert "Background failure rate of jobs: " in full.out
    assert "Median job time: " in full.out
    assert 0 < one["learned"]["job_noise"]["share"] < 1
    assert {*one} - {*brief} == {"learned"}


@pytest.mark.parametrize(("lang", "word"), [("zh-Hant", "風控"), ("zh-Hans", "风控")])
def test_status_speaks_chinese(command: Command, config: str, lang: str, word: str) -> None:
    found = command("status", "sora-2-reverse", "--lang", lang, "--config", config)

    assert f"· {word} ·" in found.out


def test_the_locale_chooses_the_language(
    command: Command, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "zh_TW.UTF-8")

    assert "· 風控 ·" in command("status", "sora-2-reverse", "--config", config).out


def test_watch_shows_what_stands_at_once_and_ends_quietly(launch: "Launcher", config: str) -> None:
    program = launch("watch", "--every", "0.2", "--config", config)

    program.has_printed("sora-2-pro-reverse")
    program.process.send_signal(2)

    assert program.ends() == 0
    assert program.logged() == ""


@pytest.mark.parametrize("window", ["1h", "24h", "7d", "30d", "90d"])
def test_uptime_over_each_window(command: Command, config: str, window: str) -> None:
    found = command("uptime", "--window", window, "--json", "--config", config)

    assert found.code == 0
    rows = {row["id"]: row for row in found.json()}
    assert rows.keys() == JANUARY.keys()
    assert rows["sora-2-pro-reverse"]["down_s"] > 0
    assert rows["sora-2-official"]["up_s"] > 0


def test_uptime_is_a_table(command: Command, config: str) -> None:
    found = command("uptime", "--lang", "zh-Hant", "--config", config)

    assert found.out.splitlines()[0].split()[:2] == ["服務", "可用率"]
    assert len(found.out.splitlines()) == 1 + len(JANUARY)


def test_incidents_tell_their_stories(command: Command, config: str) -> None:
    found = command("incidents", "--config", config)
    told = command("incidents", "--json", "--config", config).json()

    assert found.code == 0
    assert "🔴 Sora 2 Pro 官逆 · Suspended" in found.out
    still = {one["service"] for one in told if one["ended_at"] is None}
    assert still == {"sora-2-reverse", "sora-2-pro-reverse"}  # the others are of the month before


def test_the_report_shows_the_month_before(command: Command, config: str) -> None:
    text = command("report", "--lang", "zh-Hant", "--config", config)
    found = command("report", "--format", "json", "--config", config).json()

    stars = {one["id"]: one["stars"] for one in found["services"]}
    assert (text.code, stars["sora-2-official"], stars["sora-2-reverse"]) == (0, 5, 2)
    assert stars["sora-2-pro-reverse"] == 1
    for shown in ("生產首選", "僅限測試", "不推薦"):
        assert shown in text.out


@pytest.mark.parametrize(("format_", "mark"), [("md", "| --- |"), ("html", "<!doctype html>")])
def test_the_report_is_written_to_a_file(
    command: Command, config: str, tmp_path: Path, format_: str, mark: str
) -> None:
    found = command("report", "--format", format_, "--out", "report", "--config", config)

    assert (found.code, found.out) == (0, "")
    assert mark in (tmp_path / "report").read_text(encoding="utf-8")


def test_a_service_without_an_incident_says_so(command: Command, config: str) -> None:
    found = command("incidents", "gpt-image-reverse", "--config", config)

    assert found.out == "No incidents.\n"


def test_export_to_json_holds_all_tables(command: Command, config: str, tmp_path: Path) -> None:
    found = command("export", "--out", "all.json", "--config", config)

    assert (found.code, found.out) == (0, "all.json\n")
    document = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert document.keys() == {"evidence", "transitions", "uptime"}
    assert {row["service"] for row in document["evidence"]} == JANUARY.keys()


def test_export_to_csv_is_a_zip_of_tables(command: Command, config: str, tmp_path: Path) -> None:
    command("export", "--format", "csv", "--out", "all.zip", "--config", config)

    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == ["evidence.csv", "transitions.csv", "uptime.csv"]


def test_export_of_one_table_and_service(command: Command, config: str, tmp_path: Path) -> None:
    command(
        *("export", "sora-2-official", "--format", "csv", "--table", "evidence"),
        *("--out", "one.csv", "--config", config),
    )

    with (tmp_path / "one.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["service"] for row in csv.DictReader(file)} == {"sora-2-official"}


def test_export_to_parquet(command: Command, config: str, tmp_path: Path) -> None:
    command(
        *("export", "--format", "parquet", "--table", "uptime", "--window", "24h"),
        *("--out", "uptime.parquet", "--config", config),
    )

    assert (tmp_path / "uptime.parquet").read_bytes()[:4] == b"PAR1"


def test_cost_tells_budgets_and_entries(command: Command, config: str) -> None:
    table = command("cost", "--config", config)
    told = command("cost", "--limit", "5", "--json", "--config", config).json()

    assert table.out.splitlines()[0].split() == ["Budget", "Window", "Spent", "Limit"]
    assert "all together" in table.out
    assert {budget["window"] for budget in told["budgets"]} == {"1h", "24h"}
    assert len(told["entries"]) == 5
    assert all(budget["spent_usd"] > 0 for budget in told["budgets"])


def test_cost_tells_for_what_and_on_whom_money_was_spent(command: Command, config: str) -> None:
    table = command("cost", "--window", "24h", "--config", config)
    told = command("cost", "--window", "24h", "--json", "--config", config).json()

    assert "Spent in 24h" in table.out
    assert {each["purpose"] for each in told["spending"]} == {"probe"}
    assert all(each["amount_usd"] >= 0 and each["entries"] for each in told["spending"])
    assert all(each["key"] is None for each in told["spending"])


def test_recommend_works_beside_a_server_and_ranks_by_what_it_has_seen(
    command: Command, config: str
) -> None:
    table = command("recommend", "--for", "official", "--config", config)
    told = command("recommend", "--for", "official", "--json", "--config", config).json()

    assert table.code == 0
    assert "Cost per delivered video" in table.out
    assert told["policy"] == "official"
    assert told["ranked"][0]["access"] == "official"
    assert all(0 < each["delivery"] <= 1 for each in told["ranked"])
    assert told["delivery"] > 0.5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--for", "speed"), "No such policy: speed. Known: production, commercial"),
        (("--model", "sora-9"), "No such model: sora-9. "),
        (("--size", "wide"), "wide is not a size; write 1280x720"),
    ],
)
def test_recommend_names_what_there_is(
    command: Command, config: str, options: tuple[str, str], told: str
) -> None:
    found = command("recommend", *options, "--config", config)

    assert found.code == 2
    assert told in " ".join(found.err.split())


@pytest.mark.parametrize("depth", ["reach", "credentials"])
def test_a_free_check_beside_a_server_is_shown_and_not_recorded(
    command: Command, config: str, depth: str
) -> None:
    found = command("check", "sora-2-official", "--depth", depth, "--json", "--config", config)

    assert found.code == 0
    assert "these results are shown, not recorded" in found.err
    (one,) = found.json()
    assert one["status"] == "operational"
    assert [piece["source"] for piece in one["probes"]][-1] == depth
    assert all(piece["good"] for piece in one["probes"])


def test_a_paid_check_follows_the_job_to_its_video(command: Command, config: str) -> None:
    found = command(
        *("check", "gpt-image-reverse", "--depth", "generation", "--json", "--config", config)
    )

    assert found.code == 0
    (one,) = found.json()
    assert [piece["source"] for piece in one["probes"]] == ["reach", "credentials", "generation"]


def test_a_check_of_what_is_not_well_is_one(command: Command, config: str) -> None:
    found = command("check", "sora-2-pro-reverse", "--depth", "reach", "--config", config)

    assert found.code == 1
    assert "🔴" in found.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "nothing"),
        ("check", "nothing"),
        ("uptime", "nothing"),
        ("incidents", "nothing"),
        ("export", "nothing", "--out", "x.json"),
        ("watch", "nothing"),
    ],
)
def test_an_unknown_service_is_bad_usage(
    command: Command, config: str, arguments: tuple[str, ...]
) -> None:
    found = command(*arguments, "--config", config)

    assert found.code == 2
    assert "No such service: nothing. Known: sora-2-official" in found.err


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("uptime", "--window", "8d"), "1h"),
        (("export", "--format", "xml", "--out", "x"), "parquet"),
        (("check", "--depth", "deep"), "generation"),
        (("status", "--lang", "fr"), "zh-Hant"),
        (("demo", "--for", "60"), "60s"),
        (("demo", "--port", "70000"), "65535"),
        (("demo", "--scenario", "nothing"), "january"),
        (("simulate", "--scenario", "nothing"), "january"),
        (("catalogue", "show", "nothing"), "catalogue list"),
        (("stat",), "status"),
    ],
)
def test_bad_usage_says_what_is_allowed(
    command: Command, arguments: tuple[str, ...], allowed: str
) -> None:
    found = command(*arguments)

    assert found.code == 2
    assert allowed in found.err
    assert found.out == ""


def test_a_file_that_is_not_there(command: Command) -> None:
    found = command("status", "--config", "nowhere.yaml")

    assert (found.code, found.err) == (2, "nowhere.yaml: there is no such file\n")


BROKEN = """\
upstreams:
  saygm:
    provider: saygm
    base_url: https://api.saygm.com/v1
    key: ${NO_SUCH_VARIABLE}
services:
  h3:
    upstream: saygmm
    modle: minimax/h3
"""


@pytest.mark.parametrize("arguments", [("config", "check"), ("status",), ("serve",), ("check",)])
def test_a_broken_file_names_every_place_and_its_mend(
    command: Command, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "tallylight.yaml").write_text(BROKEN, encoding="utf-8")

    found = command(*arguments)

    assert found.code == 2
    assert "tallylight.yaml:5: upstreams.saygm.key: environment variable NO_SUCH_VARIABLE" in (
        found.err
    )
    assert re.search(r"tallylight\.yaml:9: services\.h3\.modle: .*model", found.err)
    assert found.out == ""


def test_a_file_that_is_no_yaml_names_its_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "tallylight.yaml").write_text("services: [\n  a: b: c\n", encoding="utf-8")

    found = command("config", "check")

    assert found.code == 2
    assert found.err.startswith("tallylight.yaml:2")


def test_a_usable_file_says_so_and_warns(command: Command, config: str) -> None:
    found = command("config", "check", "--config", config)

    assert found.code == 0
    assert "is valid: 6 services" in found.out


def test_the_schema_is_json_schema(command: Command) -> None:
    schema = command("config", "schema").json()

    assert {"upstreams", "services", "budgets"} <= schema["properties"].keys()


def of_database(folder: Path, url: str) -> None:
    (folder / "tallylight.yaml").write_text(
        "upstreams: {u: {provider: p, base_url: 'http://127.0.0.1:9/v1'}}\n"
        "services: {s: {upstream: u, model: m, access: self_hosted}}\n"
        f"database: {{url: '{url}'}}\n",
        encoding="utf-8",
    )


@pytest.mark.parametrize("name", ["status", "check", "serve", "cost"])
def test_a_database_that_is_none_is_told_in_one_line(
    command: Command, tmp_path: Path, name: str
) -> None:
    (tmp_path / "tallylight.db").write_bytes(b"This is no database at all. " * 200)
    of_database(tmp_path, "sqlite:///tallylight.db")

    found = command(name)

    assert found.code == 1
    assert re.fullmatch(r"database tallylight\.db: .*is not a database\n", found.err)


def test_a_database_in_a_folder_that_is_not_there(command: Command, tmp_path: Path) -> None:
    of_database(tmp_path, "sqlite:///nowhere/tallylight.db")

    found = command("status")

    assert found.code == 1
    assert "nowhere" in found.err


def test_a_database_that_nobody_answers_for_shows_no_password(
    command: Command, tmp_path: Path
) -> None:
    of_database(tmp_path, "postgresql://me:planted-password@127.0.0.1:9/history")

    found = command("status")

    assert found.code == 1
    assert found.err.startswith("database 127.0.0.1/history: ")
    assert len(found.err.splitlines()) == 1
    assert "planted-password" not in found.err


def test_the_catalogue_shows_a_sheet_with_its_sources(command: Command) -> None:
    shown = command("catalogue", "show", "openai/sora-2", "--lang", "zh-Hans")
    told = command("catalogue", "show", "openai/sora-2", "--json").json()

    assert "2026年9月24日" in shown.out
    assert told["sources"]
    assert all(source in shown.out for source in told["sources"])


def test_output_that_nobody_reads_to_its_end_is_no_error(launch: "Launcher") -> None:
    reader = (
        "import subprocess, sys\n"
        "writer = subprocess.Popen([sys.executable, '-m', 'tallylight', *sys.argv[1:]],"
        " stdout=subprocess.PIPE)\n"
        "writer.stdout.read(1)\n"
        "writer.stdout.close()\n"
        "sys.exit(writer.wait())\n"
    )

    program = launch.python("-c", reader, "catalogue", "list", "--json")

    assert program.ends() == 1
    assert program.logged() == ""
