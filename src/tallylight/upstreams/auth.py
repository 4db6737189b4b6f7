"""How requests are signed: the header that proves to an upstream who pays.

An adapter never sees a key. The transport signs a request that goes to the upstream's own origin.
"""

from dataclasses import dataclass
from typing import Protocol


class Auth(Protocol):
    """Signs requests with the one secret of an upstream."""

    def header(self, secret: str, now: float) -> tuple[str, str]:
        """Return the name and the value of the header that signs a request.

        Args:
            secret: The key.
            now: The time, in Unix seconds.
        """
        ...


@dataclass(frozen=True, slots=True)
class SchemeAuth:
    """The key after a word: `Authorization: Bearer sk-…`."""

    scheme: str = "Bearer"

    def header(self, secret: str, now: float) -> tuple[str, str]:  # noqa: ARG002
        """Return the header."""
        return "Authorization", f"{self.scheme} {secret}"


BEARER = SchemeAuth()
