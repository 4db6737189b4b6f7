"""What the writers of both status page formats start from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from tallylight.simulator.status_reports import StatusReport


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """A page at one moment.

    Args:
        id: The feed's name.
        title: The page's name.
        url: Its root.
        said: What it says.
        date: Writes a second of the scenario as RFC 3339.
    """

    id: str
    title: str
    url: str
    report: StatusReport
    rfc3339: Callable[[float], str]

    def stable_id(self, kind: str, name: str, length: int = 12) -> str:
        """Return an id that the same thing on this page always has."""
        digest = hashlib.sha256(f"{self.id}/{kind}/{name}".encode()).hexdigest()
        return digest[:length]
