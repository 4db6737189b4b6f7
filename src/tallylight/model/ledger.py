"""Ledger entries: money that is reserved before it is spent and settled afterwards."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, NewType

from tallylight.model.ids import NO_KEY, KeyId, ServiceId
from tallylight.model.money import Budget

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
        estimate: The price of the order in USD, which is reserved; 0 if the service is free, None
            if its price is not known.
        amount: What is reserved, or was spent, in USD: the estimate while reserved, the cost once
            settled, 0 once released. None if it is not known; it counts against no budget then.
        payer: The gateway key of the caller, "" for none.
    """

    id: EntryId
    service: ServiceId
    purpose: Purpose
    note: str
    state: EntryState
    estimate: Decimal | None
    amount: Decimal | None
    at: datetime
    payer: KeyId = NO_KEY


@dataclass(frozen=True, slots=True)
class SpendingTotal:
    """The total that one payer spent or reserved for one purpose on one service.

    Args:
        payer: The gateway key of the caller, "" for none.
        entry_count: The number of entries that were not released.
        amount: The total of the known amounts in USD.
        unknown_count: The number of entries whose amount is not known.
    """

    purpose: Purpose
    payer: KeyId
    service: ServiceId
    entry_count: int
    amount: Decimal
    unknown_count: int = 0

    @property
    def known_amount(self) -> Decimal | None:
        """Return what is known of the total, in USD; None if no entry's amount is."""
        is_known = self.unknown_count < self.entry_count
        return self.amount if is_known else None


ALL_TRAFFIC = "all"
"""The scope of all callers' videos."""

ALL_PROBES = "probes"
"""The scope of all probes."""


def payer_scope(key: KeyId) -> str:
    """Return the scope of one caller's videos."""
    return f"payer:{key}"


def probe_scope(service: ServiceId) -> str:
    """Return the scope of the probes of one service."""
    return f"probe:{service}"


def scopes_of(entry: LedgerEntry) -> tuple[str, str]:
    """Return the scopes whose budgets an entry counts against."""
    if entry.purpose in PROBE_PURPOSES:
        return ALL_PROBES, probe_scope(entry.service)
    return ALL_TRAFFIC, payer_scope(entry.payer)


class SpendingLimit(NamedTuple):
    """A budget that a reservation must not exceed.

    Args:
        scope: What counts against it.
        name: Its name in the error that refuses a reservation.
    """

    budget: Budget
    scope: str
    name: str
