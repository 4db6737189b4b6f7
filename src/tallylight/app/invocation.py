"""The command that starts this program again from another terminal."""

import shlex
import shutil
import sys
from pathlib import Path


def command_for(script: str, python: str, on_path: str | None) -> str:
    """Return the command that runs this program from any directory.

    Args:
        script: The started file, `sys.argv[0]`.
        python: The running interpreter.
        on_path: Where a shell finds `tallylight`, None if it finds none.
    """
    file = Path(script)
    if file.suffix == ".py":  # python -m tallylight
        return f"{shlex.quote(python)} -m tallylight"
    if on_path is not None and file.exists() and file.samefile(on_path):
        return "tallylight"
    return shlex.quote(
        str(file.absolute())
    )  # the environment that `make` creates is not on the PATH


def own_command() -> str:
    """Return the command that runs this program as it was started."""
    return command_for(sys.argv[0], sys.executable, shutil.which("tallylight"))
