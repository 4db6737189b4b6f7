"""API keys: checked in memory, and reloaded within a second after a change.

A key is 256 random bits, so one SHA-256 protects it as well as a slow hash: it cannot be guessed.
Keys are looked up by their digest, so the time of a lookup reveals nothing about a key.
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
from tallylight.model.ledger import ALL_TRAFFIC, SpendingLimit, payer_scope
from tallylight.model.money import Budget
from tallylight.storage.gateway_keys import ActiveKeys, GatewayKeys

log = structlog.get_logger()

KEY_PREFIX = "tl-"

_REFRESH_INTERVAL = timedelta(seconds=1)
_MAX_LOOKUPS_PER_MINUTE = 600  # database reads that unknown keys may cause
_SECRET_BYTES = 32
_HINT_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, and its permissions.

    Args:
        key: Id of its key; "" for an anonymous caller.
        name: Name of the key, for people.
        routes: Routes that it may use; empty for all.
        per_minute: Rate limit in requests; None for no limit.
        budget: Limit on the cost of its videos.
    """

    key: KeyId = NO_KEY
    name: str = ""
    routes: frozenset[str] = frozenset()
    per_minute: int | None = None
    budget: Budget = field(default_factory=Budget)

    def may_use(self, route: str) -> bool:
        """Tell whether it may use a route."""
        return not self.routes or route in self.routes

    def spending_limits(self, gateway_budget: Budget) -> tuple[SpendingLimit, ...]:
        """Return the limits on the cost of this caller's videos: its own and the gateway's."""
        both = (
            SpendingLimit(self.budget, payer_scope(self.key), "of this key"),
            SpendingLimit(gateway_budget, ALL_TRAFFIC, "of the gateway"),
        )
        return tuple(limit for limit in both if limit.budget.limits)


ANONYMOUS = Caller()
"""The caller of requests that need no key."""


class KeyRegistry:
    """Creates and revokes keys, authenticates callers, applies their rate limits."""

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
        """Reload the keys every second, since any process may create or revoke them."""
        is_unavailable = False
        while True:
            try:
                await self._refresh()
            except StorageError as error:
                # Known keys stay valid: without the database no key can be revoked either.
                if not is_unavailable:
                    log.warning("keys.refresh_failed", error=str(error))
                is_unavailable = True
            else:
                is_unavailable = False
            await self._clock.sleep(_REFRESH_INTERVAL)

    async def create(
        self,
        name: str,
        routes: Collection[str] = (),
        per_minute: int | None = None,
        budget: Budget | None = None,
    ) -> tuple[GatewayKey, str]:
        """Create a key; return its stored form, and the secret, which is stored nowhere."""
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
        await self._refresh()  # so that the key works at once
        return key, secret

    async def authenticate(self, secret: str) -> Caller | None:
        """Return the caller of a key, None for an unknown or revoked key.

        Raises:
            StorageError: if the key is not in memory and the database is unavailable.
        """
        digest = _digest(secret)
        caller = self._callers.get(digest)
        if caller is None and secret.startswith(KEY_PREFIX):
            await self._refresh_for_unknown_key()  # it may have been created just now
            caller = self._callers.get(digest)
        return caller

    def check_rate_limit(self, caller: Caller) -> timedelta | None:
        """Count a request; return how long to wait if it exceeds the rate limit."""
        if caller.per_minute is None:
            return None
        now = self._clock.monotonic()
        bucket = self._buckets.get(caller.key) or full_bucket(now, caller.per_minute)
        self._buckets[caller.key], wait = take_token(bucket, now, caller.per_minute)
        return wait

    async def all(self) -> tuple[GatewayKey, ...]:
        """Return all keys, including revoked ones, oldest first."""
        return await self._repository.list_all()

    async def revoke(self, key: KeyId) -> GatewayKey | None:
        """Revoke a key: here at once, in other processes within two seconds.

        Returns:
            The key; None if no active key has that id.
        """
        revoked = await self._repository.revoke(key, self._clock.now())
        if revoked is not None:
            await self._refresh()
        return revoked

    async def _refresh_for_unknown_key(self) -> None:
        """Reload for an unknown key, rate-limited so that guesses cannot flood the database."""
        now = self._clock.monotonic()
        # Concurrent requests with unknown keys share one lookup.
        async with self._refresh_lock:
            if self._loaded_at > now:
                return  # another request has reloaded the keys meanwhile
            self._lookup_bucket, wait = take_token(
                self._lookup_bucket, now, _MAX_LOOKUPS_PER_MINUTE
            )
            if wait is None:
                await self._load()
            elif self._last_error is not None:
                raise StorageError(str(self._last_error))

    async def _refresh(self) -> None:
        async with self._refresh_lock:
            await self._load()

    async def _load(self) -> None:
        started_at = self._clock.monotonic()
        try:
            active_keys = await self._repository.active_keys(self._version)
        except StorageError as error:
            self._last_error = error
            raise
        # The start of the query: a key created during it may be missing.
        self._last_error, self._loaded_at = None, started_at
        if active_keys is not None:
            self._apply(active_keys)

    def _apply(self, active_keys: ActiveKeys) -> None:
        self._version = active_keys.version
        self._callers = {digest: _caller_of(key) for digest, key in active_keys.keys.items()}
        key_ids = {caller.key for caller in self._callers.values()}
        # Buckets of revoked keys would otherwise stay in memory.
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key in key_ids}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _caller_of(key: GatewayKey) -> Caller:
    return Caller(key.id, key.name, key.routes, key.per_minute, key.budget)
