"""What README and docs show runs, and what there is, they show."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from tallylight.cli.shared import application
from tallylight.config.settings import load_configuration

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Launcher, Serve

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")

Write = Callable[["Document"], Path]


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield every command with the names of its arguments and options."""
    root = typer.main.get_command(application)
    for name, command in sorted(getattr(root, "commands", {}).items()):
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield name, _named(command)
        else:
            for sub, each in subcommands.items():
                yield f"{name} {sub}", _named(each)


def _named(command: object) -> list[str]:
    names: list[str] = []
    for parameter in getattr(command, "params", ()):
        names += [option for option in parameter.opts if option != "--help"]
    return names


def section(command: str) -> str:
    """Return what docs/cli.md says of a command."""
    family, _, sub = command.partition(" ")
    found = re.search(rf"^## `{family}`\n(.*?)(?=^## |\Z)", CLI, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, f"docs/cli.md has no section of {family}"
    if not sub:
        return found[1]
    part = re.search(
        rf"^`{command}` (.*?)(?=^`{family} |\Z)", found[1], flags=re.DOTALL | re.MULTILINE
    )
    assert part is not None, f"docs/cli.md says nothing of {command}"
    return part[1]


@pytest.mark.parametrize(("command", "names"), list(commands()))
def test_every_command_and_option_is_documented(command: str, names: list[str]) -> None:
    text = section(command)

    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("command", [command for command, _ in commands()])
def test_every_command_has_help_of_its_own(command: str) -> None:
    result = CliRunner().invoke(application, [*command.split(), "--help"])

    assert result.exit_code == 0
    assert "Usage: " in result.output


def test_the_table_of_the_readme_names_commands_that_exist() -> None:
    there_are = dict(commands())
    table = re.search(r"\| command \| does \|\n(.*?)\n\n", README, flags=re.DOTALL)
    assert table is not None

    for row in table[1].splitlines()[1:]:
        cell = row.replace(r"\|", "/").split("|")[1]
        for text in re.findall(r"`([^`]+)`", cell):
            words = re.sub(r"\[.*?\]", "", text.removeprefix("tallylight ")).split()
            name = words[0]
            subs = words[1].split("/") if name in {"catalogue", "config", "keys"} else [""]
            for sub in subs:
                assert f"{name} {sub}".strip() in there_are, text
            options = re.findall(r"--[a-z-]+", text)
            assert set(options) <= set(there_are.get(name, options)), text


def test_the_configuration_of_the_readme_is_usable(tmp_path: Path) -> None:
    (block,) = blocks(README, "yaml")
    path = tmp_path / "tallylight.yaml"
    path.write_text(block, encoding="utf-8")

    found = load_configuration(path, {"SAYGM_API_KEY": "x"})

    assert [*found.catalogue.services] == ["h3"]
    assert found.warnings == ()


def test_files_that_the_readme_and_docs_point_to_exist() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} points to {target}"


@pytest.mark.parametrize(
    ("page", "number"), [("README.md", 0), ("docs/python.md", 0), ("docs/python.md", 1)]
)
def test_the_python_that_is_shown_runs(
    page: str, number: int, document: "Document", launch: "Launcher", write: Write
) -> None:
    script = blocks((ROOT / page).read_text(encoding="utf-8"), "python")[number]
    services = document["services"]
    services["h3"] = services["sora-2-official"] = services.pop("film")
    write(document)

    program = launch.python("-c", script)

    assert program.ends() == 0
    assert program.logged() == ""
    assert "unknown" in program.said().lower() or "operational" in program.said().lower()


@pytest.mark.parametrize(
    ("page", "number"), [("README.md", 1), ("docs/python.md", 2), ("docs/python.md", 3)]
)
def test_the_client_that_is_shown_makes_videos(
    page: str, number: int, document: "Document", launch: "Launcher", write: Write
) -> None:
    write(document)

    program = launch.python(
        "-c", blocks((ROOT / page).read_text(encoding="utf-8"), "python")[number]
    )

    assert program.ends() == 0
    assert program.logged() == ""
    assert "completed" in program.said()
    assert number == 3 or (launch.folder / "sunset.mp4").read_bytes()[4:8] == b"ftyp"


def test_the_gateway_that_is_shown_makes_videos(
    document: "Document", launch: "Launcher", serve: "Serve"
) -> None:
    server = serve(document)
    made = launch("keys", "create", "readme", "--config", str(launch.folder / "tallylight.yaml"))
    assert made.ends() == 0
    script = blocks(README, "python")[2]

    program = launch.python(
        "-c",
        script.replace("http://127.0.0.1:8080", server.page).replace("tl-…", made.said().strip()),
    )

    assert program.ends() == 0, program.logged()
    assert program.said().startswith("completed video_")
    assert (launch.folder / "boat.mp4").read_bytes()[4:8] == b"ftyp"
