"""Tells spending that is not known, since the price was not, from spending of zero; pure."""

from decimal import Decimal

from tallylight.catalogue.orders import costs_nothing
from tallylight.catalogue.services import Service
from tallylight.model.ledger import EntryState, LedgerEntry, SpendingTotal


def known_amount(entry: LedgerEntry, service: Service | None) -> Decimal | None:
    """Return the amount of a ledger entry in USD; None if the service's price was not known."""
    # A known price is reserved, so zero means that there was none to reserve.
    is_known = entry.amount or entry.estimate or entry.state is EntryState.RELEASED
    return entry.amount if is_known or _costs_nothing(service) else None


def known_total(total: SpendingTotal, service: Service | None) -> Decimal | None:
    """Return the known spending of one payer on one service in USD; None if none is known."""
    return total.amount if total.amount or _costs_nothing(service) else None


def _costs_nothing(service: Service | None) -> bool:
    return service is not None and costs_nothing(service)
