"""A shell completes commands, options and values, with the script that we print for it."""

import pytest
from typer.testing import CliRunner

from tallylight.cli.shared import application


def completed(*words: str) -> list[str]:
    """Return what Bash offers for the last of the words after `tallylight`."""
    line = " ".join(("tallylight", *words))
    environment = {
        "_TALLYLIGHT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
    }
    return (
        CliRunner().invoke(application, [], prog_name="tallylight", env=environment).stdout.split()
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("st",), ["status"]),
        (("catalogue", "sh"), ["show"]),
        (("check", "--de"), ["--depth"]),
        (("check", "--depth", "g"), ["generation"]),
    ],
)
def test_a_shell_completes_what_was_begun(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)

    shown = CliRunner().invoke(application, ["--show-completion"], prog_name="tallylight")

    assert shown.exit_code == 0
    assert "_TALLYLIGHT_COMPLETE" in shown.stdout
