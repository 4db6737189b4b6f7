"""Makes sure that the browser tests find a Chromium: Debian's, with fonts for what we write.

Installs it with apt-get as root, or through sudo if that asks for no password; else it stops with
one line that says what to install.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = ("chromium", "fonts-noto-cjk", "fonts-noto-color-emoji")


def main() -> None:
    """Install what is missing."""
    if shutil.which("chromium"):
        return
    become_root = _become_root()
    if become_root is None or not shutil.which("apt-get"):
        sys.exit(f"The browser tests need these packages, as root: {' '.join(PACKAGES)}")
    for step in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        command = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *step]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # noqa: S603  # ours
        if done.returncode:
            sys.exit(f"apt-get {step[0]} failed; install as root: {' '.join(PACKAGES)}")


def _become_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    allowed = subprocess.run([sudo, "-n", "true"], check=False, capture_output=True)  # noqa: S603  # ours
    return None if allowed.returncode else [sudo, "-n"]


if __name__ == "__main__":
    main()
