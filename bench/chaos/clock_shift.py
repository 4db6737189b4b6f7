"""Steps the wall clock of single processes, by a preloaded library (`clock_shift.c`)."""

import shutil
import struct
import subprocess
from pathlib import Path

from bench.chaos.processes import ImpossibleHereError

_SOURCE = Path(__file__).with_name("clock_shift.c")


class SteppableClock:
    """The wall clock of the processes that are started with its environment.

    Raises:
        ImpossibleHereError: without a C compiler.
    """

    def __init__(self, folder: Path, name: str) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise ImpossibleHereError("needs a C compiler to step the clock of a process")
        library = folder / "clock_shift.so"
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
        subprocess.run(command, check=True)
        self._file = folder / f"{name}.clock"
        self.step(0)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(self._file)}

    def step(self, seconds: int) -> None:
        """Let the clock differ from the machine's by some seconds from now on."""
        mode = "r+b" if self._file.exists() else "wb"
        with self._file.open(mode) as file:  # in place: processes have mapped it
            file.write(struct.pack("=q", seconds))
