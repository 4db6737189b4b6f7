"""Who asks: keys that are checked in memory, and known again a second after they changed.

A key is 256 random bits, so that one SHA-256 protects it as well as a slow hash would: there is
nothing to guess. It is found by its digest, and how long that takes says nothing about the key.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex, token_urlsafe
from typing import Never

import structlog

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.rate_limit import TokenBucket, full_bucket, take_token
from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ids import NO_KEY, KeyId
from tallylight.model.money import Budget
from tallylight.storage.gateway_keys import ActiveKeys, GatewayKeys
from tallylight.storage.transaction import SpendingLimit

log = structlog.get_logger()

KEY_PREFIX = "tl-"

_REFRESH_INTERVAL = timedelta(seconds=1)
_MAX_LOOKUPS_PER_MINUTE = 600  # a minute; so often at most do unknown keys cause a look
_SECRET_BYTES = 32
_HINT_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what it may.

    Args:
        key: Its key's id; "" where none is needed.
        name: Its name for people.
        routes: What it may ask for; empty for all.
        per_minute: How many requests; None for any number.
        budget: What its videos may cost.
    """

    key: KeyId = NO_KEY
    name: str = ""
    routes: frozenset[str] = frozenset()
    per_minute: int | None = None
    budget: Budget = field(default_factory=Budget)

    def may_use(self, route: str) -> bool:
        """Tell whether it may ask for a route."""
        return not self.routes or route in self.routes

    def spending_limits(self, gateway_budget: Budget) -> tuple[SpendingLimit, ...]:
        """Return the limits on the cost of this caller's videos: its own and the gateway's."""
        both = (
            SpendingLimit(self.budget, self.key, "of this key"),
            SpendingLimit(gateway_budget, None, "of the gateway"),
        )
        return tuple(limit for limit in both if limit.budget.limits)


ANONYMOUS = Caller()
"""Who asks where no key is needed."""


class KeyRegistry:
    """Makes keys, knows them again, counts their requests."""

    def __init__(self, repository: GatewayKeys, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._version: int | None = None
        self._callers: Mapping[str, Caller] = {}
        self._buckets: dict[KeyId, TokenBucket] = {}
        self._refresh_lock = asyncio.Lock()
        self._loaded_at = float("-inf")
        self._lookup_bucket = full_bucket(clock.monotonic(), _MAX_LOOKUPS_PER_MINUTE)
        self._last_error: StorageError | None = None

    async def run(self) -> Never:
        """Look every second whether keys were made or revoked anywhere."""
        is_away = False
        while True:
            try:
                await self._refresh()
            except StorageError as error:
                # What is known goes on: without its database nobody can revoke a key either.
                if not is_away:
                    log.warning("keys.refresh_failed", error=str(error))
                is_away = True
            else:
                is_away = False
            await self._clock.sleep(_REFRESH_INTERVAL)

    async def create(
        self,
        name: str,
        routes: Collection[str] = (),
        per_minute: int | None = None,
        budget: Budget | None = None,
    ) -> tuple[GatewayKey, str]:
        """Make a key; return what is kept of it, and the key itself, which is kept nowhere."""
        secret = KEY_PREFIX + token_urlsafe(_SECRET_BYTES)
        key = GatewayKey(
            id=KeyId(f"key_{token_hex(8)}"),
            name=name,
            digest=_digest(secret),
            hint=secret[-_HINT_LENGTH:],
            created_at=self._clock.now(),
            routes=frozenset(routes),
            per_minute=per_minute,
            budget=budget or Budget(),
        )
        await self._repository.add(key)
        await self._refresh()  # whoever is handed it may use it at once
        return key, secret

    async def authenticate(self, secret: str) -> Caller | None:
        """Return whose key it is, None if it opens nothing; a known one is found in memory.

        Raises:
            StorageError: if the key is not known here and the database cannot be asked.
        """
        digest = _digest(secret)
        found = self._callers.get(digest)
        if found is None and secret.startswith(KEY_PREFIX):
            await self._refresh_for_unknown_key()  # it may have been made a moment ago
            found = self._callers.get(digest)
        return found

    def check_rate_limit(self, caller: Caller) -> timedelta | None:
        """Count a request; return how long its caller has to wait if it made too many."""
        if caller.per_minute is None:
            return None
        now = self._clock.monotonic()
        bucket = self._buckets.get(caller.key) or full_bucket(now, caller.per_minute)
        self._buckets[caller.key], wait = take_token(bucket, now, caller.per_minute)
        return wait

    async def all(self) -> tuple[GatewayKey, ...]:
        """Return all keys, the revoked ones too, oldest first."""
        return await self._repository.list_all()

    async def revoke(self, key: KeyId) -> GatewayKey | None:
        """Let a key open nothing any more: here at once, in other processes within two seconds.

        Returns:
            The key; None if there is none of that id that opens anything.
        """
        revoked = await self._repository.revoke(key, self._clock.now())
        if revoked is not None:
            await self._refresh()
        return revoked

    async def _refresh_for_unknown_key(self) -> None:
        """Look for a key that is not known; but a flood of guesses must not reach the database."""
        asked = self._clock.monotonic()
        async with self._refresh_lock:
            if self._loaded_at > asked:
                return  # whoever was before us looked for us too
            self._lookup_bucket, wait = take_token(
                self._lookup_bucket, asked, _MAX_LOOKUPS_PER_MINUTE
            )
            if wait is None:
                await self._load()
            elif self._last_error is not None:
                raise StorageError(str(self._last_error))

    async def _refresh(self) -> None:
        async with self._refresh_lock:
            await self._load()

    async def _load(self) -> None:
        begun = self._clock.monotonic()
        try:
            ring = await self._repository.active_keys(self._version)
        except StorageError as error:
            self._last_error = error
            raise
        self._last_error, self._loaded_at = None, begun
        if ring is not None:
            self._apply(ring)

    def _apply(self, ring: ActiveKeys) -> None:
        self._version = ring.version
        self._callers = {digest: _caller_of(key) for digest, key in ring.keys.items()}
        known = {caller.key for caller in self._callers.values()}
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key in known}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _caller_of(key: GatewayKey) -> Caller:
    return Caller(key.id, key.name, key.routes, key.per_minute, key.budget)
