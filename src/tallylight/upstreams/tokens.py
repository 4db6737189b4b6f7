"""Tokens for which secrets are exchanged: kept until five minutes before their end, and masked."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from urllib.parse import parse_qsl

from tallylight.catalogue.services import Upstream
from tallylight.clock import Clock
from tallylight.upstreams.auth import MintingAuth, Token
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.redact import redact_line

_BEFORE_ITS_END = timedelta(minutes=5)
_MAX_REASON = 200
_REFUSALS = range(400, 500)


class TokenRefusedError(OSError):
    """The secret was not exchanged for a token."""


class TokenHostError(ConnectionError):
    """The host of the tokens did not answer, or not with one."""


class TokenSender(Protocol):
    """Sends requests; implemented by `transport.Transport`."""

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        """Send a request and return the complete answer, or the error in its place."""
        ...


@dataclass(slots=True)
class _Kept:
    """The token of one upstream.

    Args:
        of: What it was exchanged for, and how.
        ends_at: When it is renewed, on `Clock.boottime`.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    of: tuple[MintingAuth, str] | None = field(default=None, repr=False)
    value: str = field(default="", repr=False)
    ends_at: float = 0.0


class TokenStore:
    """The tokens of all upstreams whose secrets sign no request themselves."""

    def __init__(self, sender: TokenSender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def token(self, auth: MintingAuth, secret: str, upstream: Upstream) -> str:
        """Return what signs requests now; many ask at once, and one token is fetched.

        Raises:
            TokenRefusedError: if the secret is refused, or is none.
            TokenHostError: if there is no answer to be had.
        """
        kept = self._kept.setdefault(upstream.id, _Kept())
        async with kept.lock:
            if kept.of == (auth, secret) and self._clock.boottime() < kept.ends_at:
                return kept.value
            found = await self._exchanged(auth, secret, upstream)
            ends_at = self._clock.boottime() + (found.lifetime - _BEFORE_ITS_END).total_seconds()
            kept.of, kept.value, kept.ends_at = (auth, secret), found.value, ends_at
            return kept.value

    def forget(self, upstream: Upstream) -> None:
        """Fetch another token for the next request: the last one was refused."""
        if (kept := self._kept.get(upstream.id)) is not None:
            kept.of = None

    async def _exchanged(self, auth: MintingAuth, secret: str, upstream: Upstream) -> Token:
        try:
            request = auth.exchange(secret, self._clock.now().timestamp())
        except ValueError as error:
            raise TokenRefusedError(str(error)) from None
        reply = await self._sender.send(request, upstream)
        if (token := auth.token_in(reply)) is not None:
            return token
        answer = reply.json
        said = reply.error or " ".join(
            filter(None, (answer.text("error"), answer.text("error_description")))
        )
        secrets = (secret, *(value for _, value in parse_qsl(request.json)))
        text = redact_line(said, secrets, max_length=_MAX_REASON)
        if reply.is_whole and reply.status in _REFUSALS:
            raise TokenRefusedError(f"{reply.status} {text}")
        raise TokenHostError(f"no token: {reply.status or ''} {text}")
