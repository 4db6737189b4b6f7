"""Wrong input gets a message about the input, in words of this program and never of a library."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tallylight.cli.shared import application
from tallylight.errors import ConfigurationError, TallylightError

CONFIGURATION = """\
upstreams: {u: {provider: saygm, base_url: "https://u.example"}}
services: {s: {upstream: u, model: minimax/h3}}
database: {url: "DATABASE"}
"""
INTERNALS = re.compile(r"Value error|Input should|pydantic|\w+Error\b|Errno|Traceback|codec|list\[")

Run = Callable[..., Result]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tallylight.yaml"
    text = CONFIGURATION.replace("DATABASE", f"sqlite:///{tmp_path}/history.db")
    path.write_text(text, encoding="utf-8")
    (tmp_path / "history.db").touch()  # a command that reads makes none
    return path


@pytest.fixture
def run(path: Path) -> Run:
    def run(*words: str) -> Result:
        return CliRunner().invoke(application, [*words, "--config", str(path), "--lang", "en"])

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "--depth", "reech"), "'reech' is not allowed. Did you mean reach? Allowed: "),
        (("uptime", "--window", "25h"), "'25h' is not allowed. Allowed: 1h, 24h, 7d, 30d, 90d"),
        (("generate", "x", "--for", "prodction"), "Did you mean production?"),
        (("generate", "x", "--seconds", "0"), "must be greater than or equal to 1"),
        (("recommend", "--seconds", "many"), "'--seconds': must be a whole number"),
        (("watch", "--every", "often"), "'--every': must be a number"),
        (("recommend", "--for", "fast"), "No such policy: fast. Did you mean fastest?"),
        (("recommend", "--model", "minimax"), "No such model: minimax. Did you mean minimax/h3?"),
        (("status", "ss"), "No such service: ss. Did you mean s?"),
        (("keys", "create", "x", "--per-day", "much"), "'much' is not an amount"),
        (("generate", "x", "--reference", "none.png"), "none.png: there is no such file"),
        (("export", "--out", "/dev/null/x"), "/dev/null/x cannot be written: Not a directory"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(
    run: Run, words: tuple[str, ...], message: str
) -> None:
    refused = run(*words)

    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
    assert not INTERNALS.search(refused.stderr)


@pytest.mark.parametrize("tag", ["zh-TW", "zh_HK", "zh-Hant"])
def test_a_language_is_taken_by_each_of_its_tags(tag: str) -> None:
    shown = CliRunner().invoke(application, ["catalogue", "list", "--lang", tag])

    assert shown.exit_code == 0
    assert "現在可用" in shown.stdout


def test_a_language_that_is_none_of_ours_is_refused_with_ours() -> None:
    refused = CliRunner().invoke(application, ["catalogue", "list", "--lang", "zh-Hnat"])

    assert refused.exit_code == 2
    said = " ".join(refused.stderr.split())
    assert "'zh-Hnat' is not allowed. Did you mean zh-Hant? Allowed: en, zh-Hant" in said


def test_a_fact_sheet_that_is_not_there_is_refused_with_the_nearest() -> None:
    refused = CliRunner().invoke(application, ["catalogue", "show", "openai/sora2", "--lang", "en"])

    assert refused.exit_code == 2
    assert "No such fact sheet: openai/sora2. Did you mean openai/sora-2?" in refused.stderr


@pytest.mark.parametrize(
    ("name", "message"), [("none.yaml", "there is no such file"), ("", "is a directory")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, message: str) -> None:
    refused = CliRunner().invoke(
        application, ["catalogue", "update", str(tmp_path / name), "--lang", "en"]
    )

    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
    assert not INTERNALS.search(refused.stderr)


@pytest.mark.parametrize(
    "database",
    [
        "sqlite:////dev/null/history.db",
        "sqlite:///FOLDER",
        "sqlite:///FOLDER/tallylight.yaml",
        "sqlite:///:memory:",
        "postgresql://me:password@127.0.0.1:port/x",
        "postgresql://me:password@127.0.0.1:9/x",
    ],
)
def test_a_database_that_cannot_be_opened_is_named(run: Run, path: Path, database: str) -> None:
    address = database.replace("FOLDER", str(path.parent))
    path.write_text(CONFIGURATION.replace("DATABASE", address), encoding="utf-8")

    refused = run("status")

    # A command that is run by `main` prints the error's text and nothing else.
    assert isinstance(refused.exception, TallylightError)
    assert "database" in str(refused.exception)
    assert not INTERNALS.search(str(refused.exception))
    assert "password" not in str(refused.exception)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x: &a {<<: *a}", "tallylight.yaml:4: repeats a value inside of itself"),
        ("x: " + "[" * 100_000, "tallylight.yaml:4: is nested more than 50 levels deep"),
        ("x: [" + "1, " * 60_000 + "]", "tallylight.yaml:4: is more than 50000 keys and values"),
        ("probes: {concurrency: 1e999999999}", "tallylight.yaml:4: probes.concurrency: must be"),
        ("status: {title: 0x" + "f" * 9000 + "}", "tallylight.yaml:4: status.title"),
        ("#" * 1_100_000, "tallylight.yaml: is larger than 1024 KiB"),
    ],
)
def test_a_configuration_that_would_exhaust_the_process_is_refused(
    run: Run, path: Path, line: str, message: str
) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")

    refused = run("config", "check")

    assert isinstance(refused.exception, ConfigurationError)  # `main` prints it and ends with 2
    assert message in str(refused.exception)
