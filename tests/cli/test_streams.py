"""Output that cannot be written ends in a sentence, and no command that reads makes a database."""

import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from fcntl import ioctl
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tallylight.cli.shared import application
from tallylight.documents.environment import process_environment
from tallylight.errors import StorageError

CONFIGURATION = """\
upstreams: {u: {provider: p, base_url: "http://127.0.0.1:9/v1", key: x-1234}}
services:
  s:
    {upstream: u, model: m, access: reverse, price: {per_call: 0.1}, lengths: [4], sizes: [720p],
     name: "Film 影片 🎬"}
database: {url: "sqlite:///history.db"}
"""
PROGRAM = (sys.executable, "-m", "tallylight")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "tallylight.yaml").write_text(CONFIGURATION, encoding="utf-8")
    (tmp_path / "history.db").touch()
    return tmp_path


def run(
    here: Path, *words: str, out: object = subprocess.PIPE, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    done: subprocess.CompletedProcess[bytes] = subprocess.run(  # noqa: S603
        [*PROGRAM, *words],
        cwd=here,
        stdout=out,  # type: ignore[call-overload]
        stderr=subprocess.PIPE,
        env={**process_environment(), **(env or {})},
        check=False,
    )
    return done


@pytest.mark.parametrize("encoding", ["ascii", "big5"])
def test_a_terminal_of_another_encoding_gets_question_marks(here: Path, encoding: str) -> None:
    done = run(here, "status", env={"PYTHONIOENCODING": encoding})

    assert (done.returncode, done.stderr) == (1, b"")
    assert b"Film" in done.stdout
    assert b"?" in done.stdout


def test_json_loses_no_character_in_another_encoding(here: Path) -> None:
    done = run(here, "status", "--json", env={"PYTHONIOENCODING": "ascii"})

    assert "Film 影片 🎬" in [each["name"] for each in json.loads(done.stdout)]


def test_a_full_disk_is_named(here: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(here, "status", out=full)

    assert done.returncode == 1
    assert done.stderr == b"the output cannot be written: No space left on device\n"


def test_a_closed_output_is_no_defect(here: Path) -> None:
    words = " ".join((*PROGRAM, "status"))
    done = subprocess.run(  # noqa: S602
        f"{words} >&- 2>err", shell=True, cwd=here, check=False, stdin=subprocess.DEVNULL
    )

    assert done.returncode == 1  # as the status says
    assert (here / "err").read_bytes() == b""
    assert (here / "history.db").read_bytes()[:15] == b"SQLite format 3"


@pytest.mark.parametrize("words", [("--help",), ("uptime",)])
def test_a_narrow_terminal_gets_something(here: Path, words: tuple[str, ...]) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 3, 0, 0))

    done = run(here, *words, out=theirs, env={"COLUMNS": "3"})
    os.close(theirs)
    said = os.read(ours, 65536)
    os.close(ours)

    assert (done.returncode, done.stderr) == (0, b"")
    assert said


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("uptime",),
        ("incidents",),
        ("cost",),
        ("recommend",),
        ("export", "-o", "x.json"),
        ("keys", "list"),
        ("adopt",),
    ],
)
def test_a_command_that_reads_makes_no_database(
    here: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "history.db").unlink()
    monkeypatch.chdir(here)

    done = CliRunner().invoke(application, words)

    assert isinstance(done.exception, StorageError)
    assert "there is none at " in str(done.exception)
    assert os.listdir(here) == ["tallylight.yaml"]  # noqa: PTH208
