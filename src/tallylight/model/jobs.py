"""A job at an upstream: how it is known there, what it made, and what it took."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class JobRef:
    """How an upstream knows a job; only its adapter knows what the members mean.

    Args:
        id: The id that is shown; "" at an upstream whose jobs have none.
        extra: What else is needed to ask for the job, such as a second id or an address; never
            shown.
    """

    id: str
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Made:
    """What a service says it made; a member that it does not tell is 0 or ""."""

    seconds: int = 0
    size: str = ""
    model: str = ""


NOTHING_TOLD = Made()


class Unit(StrEnum):
    """What an upstream counts its charges in."""

    USD = "usd"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Usage:
    """What an upstream says that a job took; an amount of 0 proves that nothing was billed."""

    amount: Decimal
    unit: Unit = Unit.USD


FREE = Usage(Decimal(0))
"""Proof that nothing was billed."""
