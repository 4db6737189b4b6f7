"""How this program is called again from another terminal."""

import shlex
import shutil
import sys
from pathlib import Path


def command_for(script: str, python: str, on_path: str | None) -> str:
    """Return what to type in any folder to run this program.

    Args:
        script: By which file it was started, as `sys.argv[0]` has it.
        python: The interpreter that runs it.
        on_path: Where a shell finds `tallylight`, None for nowhere.
    """
    own = Path(script)
    if own.suffix == ".py":  # python -m tallylight
        return f"{shlex.quote(python)} -m tallylight"
    if on_path is not None and own.exists() and own.samefile(on_path):
        return "tallylight"
    return shlex.quote(str(own.absolute()))  # an environment that make made is not on the PATH


def own_command() -> str:
    """Return what to type to run this program as it was started."""
    return command_for(sys.argv[0], sys.executable, shutil.which("tallylight"))
