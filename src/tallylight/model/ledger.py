"""Ledger entries: money that is reserved before it is spent, and settled afterwards."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from tallylight.model.ids import NO_KEY, KeyId, ServiceId

EntryId = NewType("EntryId", str)


class Purpose(StrEnum):
    """What money is spent for."""

    PROBE = "probe"
    TRAFFIC = "traffic"  # a caller's video
    UNEXPECTED_CHARGE = "accident"  # a probe that was meant to be free and started a job


PROBE_PURPOSES = (Purpose.PROBE, Purpose.UNEXPECTED_CHARGE)
"""What the budgets of probes count; callers' videos have limits of their own."""


class EntryState(StrEnum):
    """How far a piece of spending has come."""

    RESERVED = "reserved"  # may be spent any moment; counts as spent
    SETTLED = "settled"  # was spent
    RELEASED = "released"  # was not spent


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One piece of spending.

    Args:
        id: Its name.
        service: On whom.
        purpose: What for.
        note: A line for people, "" for none.
        state: How far it has come.
        estimate: What was reserved, in USD.
        amount: What counts against the budgets now, in USD.
        at: When it was reserved.
        payer: The key that asked for it, "" for none.
    """

    id: EntryId
    service: ServiceId
    purpose: Purpose
    note: str
    state: EntryState
    estimate: Decimal
    amount: Decimal
    at: datetime
    payer: KeyId = NO_KEY


@dataclass(frozen=True, slots=True)
class SpendingTotal:
    """What was spent or reserved for one purpose by one payer on one service.

    Args:
        purpose: What for.
        payer: The key that asked for it, "" for none.
        service: On whom.
        entries: How many pieces of spending that were not released.
        amount: In USD.
    """

    purpose: Purpose
    payer: KeyId
    service: ServiceId
    entry_count: int
    amount: Decimal
