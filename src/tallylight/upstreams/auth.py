"""How requests are signed: the headers that prove to an upstream who pays.

An adapter never sees a key. The transport signs a request that goes to the upstream's own origin.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from tallylight.upstreams.messages import Reply, Request


@dataclass(frozen=True, slots=True)
class Wire:
    """A request as it is about to be sent, for signatures that cover all of it.

    Args:
        url: The whole URL.
        headers: The headers so far.
        chunks: The body; empty if there is none.
        nonce: A UUID that no other request has.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    nonce: str = ""


class Auth(Protocol):
    """Signs requests with the one secret of an upstream."""

    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:
        """Return the headers that sign a request.

        Args:
            wire: The request.
            secret: The key.
            now: The time, in Unix seconds.
        """
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """What a secret was exchanged for: it signs requests for a while."""

    value: str = field(repr=False)
    lifetime: timedelta


class MintingAuth(ABC):
    """Signs requests with a token for which the secret is exchanged first."""

    @abstractmethod
    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:
        """Return the headers that sign a request; the secret is the token."""

    @abstractmethod
    def exchange(self, secret: str, now: float) -> Request:
        """Return the request for a token, for which the secret never leaves this host.

        Raises:
            ValueError: if the secret is none that can be exchanged.
        """

    @abstractmethod
    def token_in(self, reply: Reply) -> Token | None:
        """Return the token in the answer to that request, None if it has none."""


@dataclass(frozen=True, slots=True)
class SchemeAuth:
    """The key after a word: `Authorization: Bearer sk-…`."""

    scheme: str = "Bearer"

    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002
        """Return the header."""
        return {"Authorization": f"{self.scheme} {secret}"}


BEARER = SchemeAuth()


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """The key alone in a header of its own: `api-key: …`.

    Args:
        name: The header.
        nonce_name: A header with another UUID in each request; "" for none.
    """

    name: str
    nonce_name: str = ""

    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002
        """Return the headers."""
        nonce = {self.nonce_name: wire.nonce} if self.nonce_name else {}
        return {self.name: secret, **nonce}


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

    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:  # noqa: ARG002
        """Return the header."""
        import jwt  # noqa: PLC0415  # it takes 50 ms, and few upstreams need it

        claims = {
            "iss": self.issuer,
            "exp": int(now + self.lifetime.total_seconds()),
            "nbf": int(now - self.skew.total_seconds()),
        }
        token = jwt.encode(claims, secret, algorithm="HS256", headers={"typ": "JWT"})
        return {"Authorization": f"Bearer {token}"}
