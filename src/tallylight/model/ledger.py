"""Ledger entries: money that is reserved before it is spent and settled afterwards."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from tallylight.model.ids import NO_KEY, KeyId, ServiceId

EntryId = NewType("EntryId", str)


class Purpose(StrEnum):
    """The purpose of a spending."""

    PROBE = "probe"
    TRAFFIC = "traffic"  # a caller's video
    UNEXPECTED_CHARGE = "unexpected_charge"  # a probe that was meant to be free started a job


PROBE_PURPOSES = (Purpose.PROBE, Purpose.UNEXPECTED_CHARGE)
"""The purposes that count against the budgets of probes; callers' videos have their own."""


class EntryState(StrEnum):
    """The state of a ledger entry."""

    RESERVED = "reserved"  # may be spent at any moment; counts as spent
    SETTLED = "settled"  # was spent
    RELEASED = "released"  # was not spent


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One spending.

    Args:
        note: A line for people, "" for none.
        estimate: The reserved amount in USD.
        amount: The amount that counts against budgets now, in USD.
        payer: The gateway key of the caller, "" for none.
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
    """The total that one payer spent or reserved for one purpose on one service.

    Args:
        payer: The gateway key of the caller, "" for none.
        entry_count: The number of entries that were not released.
        amount: The total in USD.
    """

    purpose: Purpose
    payer: KeyId
    service: ServiceId
    entry_count: int
    amount: Decimal
