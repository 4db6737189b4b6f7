"""A gateway key with its routes, rate limit and budget."""

from dataclasses import dataclass, field
from datetime import datetime

from tallylight.model.ids import KeyId
from tallylight.model.money import Budget


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A gateway key as it is stored.

    Args:
        id: Its id for operators; not secret.
        digest: The SHA-256 of the key in hexadecimal digits.
        hint: The last four characters of the key, by which its owner recognizes it.
        routes: The routes that it may use; empty for all.
        per_minute: The allowed requests per minute; None for any number.
    """

    id: KeyId
    name: str
    digest: str
    hint: str
    created_at: datetime
    routes: frozenset[str] = frozenset()
    per_minute: int | None = None
    budget: Budget = field(default_factory=Budget)
    revoked_at: datetime | None = None
