"""The help texts: a list of commands that a narrow terminal shows whole."""

import re
from collections.abc import Iterator

import pytest
import typer.main
from typer.testing import CliRunner

from tallylight.cli.shared import application

ROOT = typer.main.get_command(application)
PANELS = {"Monitor", "Make videos", "Operate", "Try"}
LONGEST_SENTENCE = 50


def commands(command: object, name: str = "") -> Iterator[tuple[str, object]]:
    for word, each in getattr(command, "commands", {}).items():
        path = f"{name} {word}".strip()
        yield path, each
        yield from commands(each, path)


ALL = dict(commands(ROOT))


@pytest.mark.parametrize("name", ALL)
def test_the_first_sentence_of_each_command_fits_into_the_list(name: str) -> None:
    text = " ".join(str(getattr(ALL[name], "help", "")).split())

    first = re.split(r"(?<=\.) ", text)[0]

    assert first
    assert len(first) <= LONGEST_SENTENCE


@pytest.mark.parametrize("name", [name for name in ALL if " " not in name])
def test_each_command_belongs_to_a_panel(name: str) -> None:
    assert getattr(ALL[name], "rich_help_panel", None) in PANELS


def test_the_list_of_commands_shows_its_panels_and_cuts_nothing() -> None:
    shown = CliRunner().invoke(application, ["--help"], terminal_width=80).stdout

    assert {f"{panel}:" for panel in PANELS} <= set(shown.splitlines())
    assert "..." not in shown.partition("Monitor:")[2]
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", ALL)
def test_no_help_shows_a_python_type(name: str) -> None:
    shown = CliRunner().invoke(application, [*name.split(), "--help"])

    assert shown.exit_code == 0
    assert "list[" not in shown.stdout
    assert "None" not in shown.stdout
