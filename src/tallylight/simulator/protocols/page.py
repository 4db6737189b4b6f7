"""A status page at one moment, from which both formats are written."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from tallylight.simulator.status_reports import StatusReport


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """A status page at one moment.

    Args:
        id: Id of the feed.
        title: Name of the page.
        url: Root URL of the page.
        report: What the page reports.
        rfc3339: Formats a scenario second as an RFC 3339 date.
    """

    id: str
    title: str
    url: str
    report: StatusReport
    rfc3339: Callable[[float], str]

    def stable_id(self, kind: str, name: str, length: int = 12) -> str:
        """Return an id that depends on page, kind and name only."""
        digest = hashlib.sha256(f"{self.id}/{kind}/{name}".encode()).hexdigest()
        return digest[:length]
