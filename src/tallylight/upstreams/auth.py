"""How requests are signed: the header that proves to an upstream who pays.

An adapter never sees a key. The transport signs a request that goes to the upstream's own origin.
"""

from dataclasses import dataclass
from datetime import timedelta
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


@dataclass(frozen=True, slots=True)
class JwtAuth:
    """A token that the key signs (JWT, HS256), as a bearer: made anew for each request.

    Args:
        issuer: The public half of a pair of keys.
        lifetime: How long a token is valid.
        skew: How long before its making it is valid, for clocks that differ.
    """

    issuer: str
    lifetime: timedelta
    skew: timedelta

    def header(self, secret: str, now: float) -> tuple[str, str]:
        """Return the header."""
        import jwt  # noqa: PLC0415  # it takes 50 ms, and few upstreams need it

        claims = {
            "iss": self.issuer,
            "exp": int(now + self.lifetime.total_seconds()),
            "nbf": int(now - self.skew.total_seconds()),
        }
        token = jwt.encode(claims, secret, algorithm="HS256", headers={"typ": "JWT"})
        return "Authorization", f"Bearer {token}"
