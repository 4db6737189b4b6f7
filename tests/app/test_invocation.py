from pathlib import Path

import pytest

from tallylight.app.invocation import command_for

PYTHON = "/opt/python"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return the console script of a virtual environment."""
    found = tmp_path / ".venv" / "bin" / "tallylight"
    found.parent.mkdir(parents=True)
    found.touch()
    return found


def test_a_script_that_the_shell_finds_is_called_by_its_name(script: Path) -> None:
    assert command_for(str(script), PYTHON, str(script)) == "tallylight"


def test_a_script_outside_the_path_is_called_by_where_it_lies(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert command_for(".venv/bin/tallylight", PYTHON, None) == str(script)


def test_another_program_of_that_name_is_not_meant(script: Path, tmp_path: Path) -> None:
    other = tmp_path / "tallylight"
    other.touch()

    assert command_for(str(script), PYTHON, str(other)) == str(script)


def test_a_folder_with_a_space_is_quoted(tmp_path: Path) -> None:
    script = tmp_path / "my tools" / "tallylight"

    assert command_for(str(script), PYTHON, None) == f"'{script}'"


def test_a_module_is_run_by_the_same_interpreter() -> None:
    found = command_for("/src/tallylight/__main__.py", "/opt/my python", "/usr/bin/tallylight")

    assert found == "'/opt/my python' -m tallylight"
