"""A key of the gateway: what its holder may ask for, how often and for how much."""

from dataclasses import dataclass, field
from datetime import datetime

from tallylight.model.ids import KeyId
from tallylight.model.money import Budget


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """What is kept of a key.

    Args:
        id: Its name for operators; no secret.
        name: Whose it is, for people.
        digest: The SHA-256 of the key in hexadecimal digits.
        hint: The key's last four characters, by which its owner knows it.
        created_at: When it was made.
        routes: What it may ask for; empty for all.
        per_minute: How many requests; None for any number.
        budget: What its videos may cost.
        revoked_at: Since when it opens nothing.
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
